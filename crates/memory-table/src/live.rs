//! The table that readers use, and how far it is.

use std::sync::Arc;

use arc_swap::ArcSwap;
use latchkey_filter::clock::Moment;
use latchkey_filter::limits::{RIGHTS_GARBAGE_MAX, RIGHTS_LOAD_PAUSE_MS, RIGHTS_WRITTEN_MAX};
use latchkey_filter::table::{FeedStanding, Generation, LiveFeed, Refresh, TableAge};
use latchkey_key_feed::{Cursor, Epoch, MonotonicMillis};

use crate::id_hash::shard_bits_for;
use crate::limits::KEYS_PER_SHARD_MAX;
use crate::shards::TableShards;

/// A whole table.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) shards: TableShards,
    standing: ArcSwap<LiveMemory>,
}

/// How far a table in plain memory is, as it was when somebody looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveMemory {
    pub(crate) generation: Generation,
    pub(crate) shard_bits: u8,
    pub(crate) epoch: Epoch,
    pub(crate) cursor: Cursor,
    /// While more is known to follow: what the service had forgotten when it said so.
    pub(crate) more_follows: Option<Cursor>,
    pub(crate) keys: u64,
    pub(crate) refreshed: Refresh,
    pub(crate) credential_ended: bool,
    pub(crate) loaded_at: MonotonicMillis,
    /// How many bytes of sets of rights were written since. As many may be of no use any more.
    pub(crate) rights_written: u64,
}

impl Live {
    pub(crate) fn new(shards: TableShards, standing: LiveMemory) -> Self {
        Self { shards, standing: ArcSwap::from_pointee(standing) }
    }

    /// How far it is now. Takes no lock.
    pub(crate) fn standing(&self) -> Arc<LiveMemory> {
        self.standing.load_full()
    }

    pub(crate) fn age(&self, now: Moment) -> TableAge {
        self.standing.load().age(now)
    }

    /// Notes how far it is. There is one writer at a time.
    pub(crate) fn note(&self, change: impl FnOnce(&mut LiveMemory)) -> LiveMemory {
        let mut standing = LiveMemory::clone(&self.standing.load());
        change(&mut standing);
        self.standing.store(Arc::new(standing.clone()));
        standing
    }
}

impl LiveMemory {
    pub(crate) fn advance(&mut self, cursor: Cursor, keys: u64, standing: FeedStanding) {
        if cursor >= self.cursor {
            self.cursor = cursor;
            self.keys = keys;
            self.more_follows = standing.more_follows();
        }
        match standing {
            FeedStanding::MoreFollows { .. } => {}
            FeedStanding::Current(refreshed) => {
                self.refreshed = refreshed;
                self.credential_ended = false;
            }
            FeedStanding::CredentialEnded => self.credential_ended = true,
        }
    }
}

impl LiveFeed for LiveMemory {
    fn generation(&self) -> Generation {
        self.generation
    }

    fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    fn cursor(&self) -> Cursor {
        self.cursor
    }

    fn more_follows(&self) -> Option<Cursor> {
        self.more_follows
    }

    fn keys(&self) -> u64 {
        self.keys
    }

    fn age(&self, now: Moment) -> TableAge {
        let Refresh { at, serves_ms } = self.refreshed;
        TableAge {
            ms: now.monotonic.millis_since(at.monotonic),
            wall_ms: now.wall.millis_since(at.wall),
            serves_ms,
        }
    }

    fn credential_ended(&self) -> bool {
        self.credential_ended
    }

    /// One swap replaces the whole table, and nobody looks at the old one from then on.
    fn is_swept(&self) -> bool {
        true
    }

    fn is_outgrown_by(&self, keys: u64) -> bool {
        self.shard_bits < shard_bits_for(keys) && keys >> self.shard_bits > KEYS_PER_SHARD_MAX
    }

    fn is_littered(&self, now: MonotonicMillis) -> bool {
        let limit = match now.millis_since(self.loaded_at) {
            0..RIGHTS_LOAD_PAUSE_MS => RIGHTS_WRITTEN_MAX,
            _ => RIGHTS_GARBAGE_MAX,
        };
        self.rights_written > limit
    }
}
