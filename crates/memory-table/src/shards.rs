//! All shards of the keys of a table, or of its sets of rights: each can be replaced while others read it.

use arc_swap::{ArcSwapAny, Guard};
use latchkey_filter::table::{RecordChange, Unreadable};
use latchkey_key_feed::Cursor;
use triomphe::ThinArc;

use crate::id_hash::{IdHash, set_shard_bits_for};
use crate::shard::{self, Shard};

/// Shards, 2^k of them, or none.
#[derive(Debug, Default)]
pub(crate) struct Shards(Box<[ArcSwapAny<Shard>]>);

/// The shards of a whole table.
#[derive(Debug)]
pub(crate) struct TableShards {
    pub(crate) bits: u8,
    pub(crate) keys: Shards,
    /// What stands beside the keys. There is none where nobody asks what keys may do.
    pub(crate) attachments: Shards,
}

impl Shards {
    pub(crate) fn of(shards: Vec<Shard>) -> Self {
        Self(shards.into_iter().map(ArcSwapAny::new).collect())
    }

    /// The shard that has a record if any does; `None` when there are no shards. Takes no lock.
    pub(crate) fn shard_for(&self, hash: IdHash) -> Option<Guard<Shard>> {
        self.0.get(hash.shard(self.0.len())).map(ArcSwapAny::load)
    }

    /// Applies a change, if it is new. Whoever looks from here on sees it. There is one writer at a time.
    pub(crate) fn apply(&self, change: RecordChange<'_>, forgotten: Cursor) -> Result<bool, Unreadable> {
        let Some(place) = self.0.get(IdHash::of(change.id).shard(self.0.len())) else { return Ok(false) };
        let Some(changed) = shard::with(&place.load(), &[change], forgotten)? else { return Ok(false) };
        place.store(changed);
        Ok(true)
    }

    /// The shards as they are now, one after the other.
    pub(crate) fn all(&self) -> impl Iterator<Item = Shard> {
        self.0.iter().map(ArcSwapAny::load_full)
    }

    /// How many bytes they take.
    pub(crate) fn bytes(&self) -> usize {
        self.all().map(|shard| size_of::<ArcSwapAny<Shard>>() + shard::len(&shard)).sum()
    }
}

impl TableShards {
    /// Applies a change, if it is new; says whether it was.
    pub(crate) fn apply(&self, change: RecordChange<'_>, forgotten: Cursor) -> Result<bool, Unreadable> {
        let shards = if is_attachment(&change) { &self.attachments } else { &self.keys };
        shards.apply(change, forgotten)
    }

    /// How many bytes they take.
    pub(crate) fn bytes(&self) -> usize {
        self.keys.bytes() + self.attachments.bytes()
    }
}

/// Which shards of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Keys,
    Attachments,
}

/// Shards as somebody has seen them.
#[derive(Default)]
pub(crate) struct SeenShards {
    keys: Vec<Shard>,
    attachments: Vec<Shard>,
}

impl SeenShards {
    /// The shards that are others than when this was last asked, and where they are. All but empty ones are, the
    /// first time.
    pub(crate) fn changed(&mut self, table: &TableShards) -> Vec<(Side, u32, Shard)> {
        let mut changed = Vec::new();
        let sides = [
            (Side::Keys, &table.keys, &mut self.keys),
            (Side::Attachments, &table.attachments, &mut self.attachments),
        ];
        for (side, shards, seen) in sides {
            let empty = shard::empty();
            seen.resize_with(shards.0.len(), || empty.clone());
            for ((place, now), seen) in (0..).zip(shards.0.iter()).zip(seen) {
                let now = now.load();
                let is_same = ThinArc::as_ptr(&now) == ThinArc::as_ptr(seen);
                // A shard that has no record any more takes the place of one that had.
                if !is_same && (shard::has_records(&now) || shard::has_records(seen)) {
                    *seen = Shard::clone(&now);
                    changed.push((side, place, Guard::into_inner(now)));
                }
            }
        }
        changed
    }
}

/// Whether a change is of something that stands beside the keys.
pub(crate) fn is_attachment(change: &RecordChange<'_>) -> bool {
    latchkey_filter::table::is_attachment(change.id)
}

/// How many shards of attachments a table has whose records hold rights or do not.
pub(crate) fn attachment_shards(shard_bits: u8, holds_rights: bool) -> usize {
    if holds_rights { 1 << set_shard_bits_for(shard_bits) } else { 0 }
}
