//! Shared data in this process.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use latchkey_filter::table::{Entry, EntryName, SharedStore, Stamp, SwapLost, Version};

/// A value and its compare-and-swap number.
type Valued = (Vec<u8>, u32);

/// Entries by name. Clones see the same.
#[derive(Clone, Default)]
pub(super) struct MemoryStore {
    entries: Rc<RefCell<HashMap<EntryName, Valued>>>,
    stamp: Rc<Cell<u64>>,
}

impl SharedStore for MemoryStore {
    fn read(&self, name: EntryName) -> Entry {
        match self.entries.borrow().get(&name) {
            None => Entry { bytes: Vec::new(), version: Version::Absent },
            Some((bytes, cas)) => Entry { bytes: bytes.clone(), version: Version::Cas(*cas) },
        }
    }

    fn swap(&self, name: EntryName, bytes: &[u8], read_at: Version) -> Result<(), SwapLost> {
        let cas = match (self.entries.borrow().get(&name), read_at) {
            (None, Version::Absent) => 1,
            (Some((_, cas)), Version::Cas(read)) if *cas == read => cas.wrapping_add(1),
            _ => return Err(SwapLost),
        };
        self.entries.borrow_mut().insert(name, (bytes.to_vec(), cas));
        Ok(())
    }

    fn stamp(&self) -> Option<Stamp> {
        Some(Stamp(self.stamp.get()))
    }

    fn move_stamp(&self) {
        self.stamp.set(self.stamp.get() + 1);
    }
}
