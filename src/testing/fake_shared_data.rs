//! Shared data as a host behaves.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::table::{Entry, EntryName, SharedEntries, SharedStore, Stamp, SwapLost, Version};

/// A value and its compare-and-swap number.
type Valued = (Vec<u8>, u32);

/// One process's shared data. Clones see the same data, as VMs do.
#[derive(Clone, Default)]
pub struct FakeSharedData {
    entries: Rc<RefCell<BTreeMap<EntryName, Valued>>>,
    last_cas: Rc<RefCell<u32>>,
    stamp: Rc<Cell<u64>>,
    stamp_is_lost: Rc<Cell<bool>>,
    reads: Rc<Cell<usize>>,
    meanwhile: Rc<RefCell<VecDeque<Meanwhile>>>,
}

/// What another VM does between two calls of one.
type Meanwhile = Box<dyn FnOnce()>;

impl FakeSharedData {
    /// Writes whatever stood there, as a foreign plugin might.
    pub fn overwrite(&self, name: EntryName, bytes: &[u8]) {
        *self.last_cas.borrow_mut() += 1;
        let cas = *self.last_cas.borrow();
        self.entries.borrow_mut().insert(name, (bytes.to_vec(), cas));
    }

    /// Before each call of the store from now on, another VM does the next of these.
    pub fn meanwhile(&self, steps: impl IntoIterator<Item = Box<dyn FnOnce()>>) {
        self.meanwhile.borrow_mut().extend(steps);
    }

    /// Nothing more happens between two calls; says what was still to come.
    pub fn take_meanwhile(&self) -> Vec<Box<dyn FnOnce()>> {
        self.meanwhile.take().into()
    }

    /// The host cannot tell any more whether the stamp moves.
    pub fn lose_stamp(&self) {
        self.stamp_is_lost.set(true);
    }

    /// How often an entry was read.
    #[must_use]
    pub fn reads(&self) -> usize {
        self.reads.get()
    }

    fn let_others_run(&self) {
        let step = self.meanwhile.borrow_mut().pop_front();
        if let Some(step) = step {
            step();
        }
    }

    /// How many entries hold anything.
    #[must_use]
    pub fn filled(&self) -> usize {
        self.entries.borrow().values().filter(|(bytes, _)| !bytes.is_empty()).count()
    }

    /// How many bytes all entries hold, with their names.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let entries = self.entries.borrow();
        entries.iter().map(|(name, (bytes, _))| name.text().as_bytes().len() + bytes.len()).sum()
    }

    /// Names of all entries there ever were.
    #[must_use]
    pub fn names(&self) -> Vec<EntryName> {
        self.entries.borrow().keys().copied().collect()
    }
}

impl SharedEntries for FakeSharedData {
    fn read(&self, name: EntryName) -> Entry {
        self.let_others_run();
        self.reads.set(self.reads.get() + 1);
        match self.entries.borrow().get(&name) {
            None => Entry { bytes: Vec::new(), version: Version::Absent },
            Some((bytes, cas)) => Entry { bytes: bytes.clone(), version: Version::Cas(*cas) },
        }
    }

    fn swap(&self, name: EntryName, bytes: &[u8], read_at: Version) -> Result<(), SwapLost> {
        if self.read(name).version != read_at {
            return Err(SwapLost);
        }
        self.overwrite(name, bytes);
        Ok(())
    }
}

impl SharedStore for FakeSharedData {
    fn stamp(&self) -> Option<Stamp> {
        self.let_others_run();
        (!self.stamp_is_lost.get()).then(|| Stamp(self.stamp.get()))
    }

    fn move_stamp(&self) {
        self.let_others_run();
        self.stamp.set(self.stamp.get() + 1);
    }
}
