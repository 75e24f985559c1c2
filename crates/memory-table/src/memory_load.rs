//! A table that is being loaded: what comes is put aside by shards, and then each shard is built once.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::mem;

use latchkey_filter::limits::LOAD_SETS_MAX;
use latchkey_filter::table::{ChangeKind, Changes, Generation, Progress, RecordShape, Unreadable};
use latchkey_key_feed::Cursor;

use crate::aside::{Aside, AsideRange};
use crate::id_hash::shard_bits_for;
use crate::limits::{ASIDE_RANGE_SHARDS, BUILT_WHILE_SORTED, LAY_OUT_LEN, LAY_OUT_SHARDS};
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
    shards: usize,
    aside: Aside,
    /// The range of shards that is being built.
    range: AsideRange,
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
            if change.kind == ChangeKind::Constant && !self.is_new_constant(change.id) {
                continue;
            }
            let side = if is_attachment(&change) { &mut self.attachments } else { &mut self.keys };
            side.aside.put(change);
        }
    }

    fn is_new_constant(&mut self, id: &str) -> bool {
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
        let (aside, range) = (Aside::new(shards), AsideRange::default());
        Self { shards, aside, range, built: Vec::with_capacity(shards), empty: shard::empty() }
    }

    fn build(&mut self, forgotten: Cursor, slice: &mut Slice) -> Result<Progress, Unreadable> {
        while self.built.len() < self.shards {
            if slice.shards == 0 || slice.bytes == 0 {
                return Ok(Progress::Continues);
            }
            let place = self.built.len();
            if place.is_multiple_of(ASIDE_RANGE_SHARDS) {
                // The one before is given back first.
                self.range = AsideRange::default();
                self.range = self.aside.take(place);
                slice.bytes = slice.bytes.saturating_sub(self.range.len() / BUILT_WHILE_SORTED);
            }
            let changes = self.range.changes_of(place);
            slice.shards -= 1;
            slice.bytes = slice.bytes.saturating_sub(changes.iter().map(|change| change.bytes.len()).sum());
            let built = shard::with(&self.empty, &changes, forgotten)?;
            self.built.push(built.unwrap_or_else(|| self.empty.clone()));
        }
        self.range = AsideRange::default();
        Ok(Progress::Done)
    }
}
