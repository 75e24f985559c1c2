//! A table that is being loaded: what comes is put aside by shards, and then each shard is built once.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::mem;

use latchkey_filter::limits::LOAD_SETS_MAX;
use latchkey_filter::table::{
    ChangeKind, Changes, Generation, Progress, RecordChange, RecordChangesIter, RecordShape, Unreadable,
};
use latchkey_key_feed::Cursor;

use crate::id_hash::{IdHash, shard_bits_for};
use crate::limits::{LAY_OUT_LEN, LAY_OUT_SHARDS};
use crate::shard::{self, Shard};
use crate::shards::{Shards, TableShards, attachment_shards, is_attachment};

/// A load. Dropping it abandons it, which no reader notices.
pub struct MemoryLoad {
    pub(crate) generation: Generation,
    bits: u8,
    keys: Side,
    attachments: Side,
    /// Sets of rights that were put aside, so that each answer of the load need not put its own aside.
    sets: BTreeSet<String>,
    forgotten: Cursor,
    done: Cell<Option<TableShards>>,
}

/// The shards of keys, or of what stands beside them.
struct Side {
    /// Changes that were put aside, in the order of the feed.
    aside: Vec<Vec<u8>>,
    /// The shards that are built, from the first on.
    built: Vec<Shard>,
    empty: Shard,
}

impl MemoryLoad {
    pub(crate) fn new(generation: Generation, keys: u64, shape: &RecordShape) -> Self {
        let bits = shard_bits_for(keys);
        Self {
            generation,
            bits,
            keys: Side::new(1 << bits),
            attachments: Side::new(attachment_shards(bits, shape.holds_rights())),
            sets: BTreeSet::new(),
            forgotten: Cursor(0),
            done: Cell::new(None),
        }
    }

    /// Puts the changes of an answer aside.
    pub(crate) fn collect(&mut self, changes: &Changes) {
        self.forgotten = self.forgotten.max(changes.forgotten());
        for change in changes.iter() {
            if !is_attachment(&change) {
                self.keys.put_aside(change);
            } else if change.kind != ChangeKind::Rights || self.is_new_set(change.id) {
                self.attachments.put_aside(change);
            }
        }
    }

    fn is_new_set(&mut self, id: &str) -> bool {
        if self.sets.contains(id) {
            return false;
        }
        if self.sets.len() < LOAD_SETS_MAX {
            self.sets.insert(id.to_owned());
        }
        true
    }

    /// Builds the next shards.
    pub(crate) fn lay_out(&mut self) -> Result<Progress, Unreadable> {
        let forgotten = self.forgotten;
        let mut slice = Slice { shards: LAY_OUT_SHARDS, bytes: LAY_OUT_LEN };
        for side in [&mut self.keys, &mut self.attachments] {
            if side.build(forgotten, &mut slice)? == Progress::Continues {
                return Ok(Progress::Continues);
            }
        }
        let [keys, attachments] =
            [&mut self.keys, &mut self.attachments].map(|side| Shards::of(mem::take(&mut side.built)));
        self.done.set(Some(TableShards { bits: self.bits, keys, attachments }));
        Ok(Progress::Done)
    }

    /// What it has come to; `None` before everything is laid out.
    pub(crate) fn take(&self) -> Option<TableShards> {
        self.done.take()
    }
}

/// What may still be done at once.
struct Slice {
    shards: usize,
    bytes: usize,
}

impl Side {
    fn new(shards: usize) -> Self {
        Self { aside: vec![Vec::new(); shards], built: Vec::with_capacity(shards), empty: shard::empty() }
    }

    fn put_aside(&mut self, change: RecordChange<'_>) {
        let shards = self.aside.len();
        if let Some(aside) = self.aside.get_mut(IdHash::of(change.id).shard(shards)) {
            aside.extend_from_slice(change.bytes);
        }
    }

    fn build(&mut self, forgotten: Cursor, slice: &mut Slice) -> Result<Progress, Unreadable> {
        while let Some(aside) = self.aside.get_mut(self.built.len()) {
            if slice.shards == 0 || slice.bytes == 0 {
                return Ok(Progress::Continues);
            }
            let aside = mem::take(aside);
            slice.shards -= 1;
            slice.bytes = slice.bytes.saturating_sub(aside.len());
            let changes: Vec<_> = RecordChangesIter::of(&aside).collect();
            let built = shard::with(&self.empty, &changes, forgotten)?;
            self.built.push(built.unwrap_or_else(|| self.empty.clone()));
        }
        Ok(Progress::Done)
    }
}
