//! The table's entries in plain memory, once a process, for all threads.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use latchkey_filter::table::{Entry, EntryName, Stamp, SwapLost, Version};

use crate::limits::SHARDS;

/// A value and its number.
type Valued = (Arc<[u8]>, u32);

/// All entries.
pub(crate) struct ProcessStore {
    shards: Vec<RwLock<HashMap<EntryName, Valued>>>,
    numbers: AtomicU32,
    stamp: AtomicU64,
}

/// Those of this process.
pub(crate) static STORE: LazyLock<ProcessStore> = LazyLock::new(|| ProcessStore {
    shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
    numbers: AtomicU32::new(0),
    stamp: AtomicU64::new(0),
});

impl ProcessStore {
    pub(crate) fn read(&self, name: EntryName) -> Entry {
        let found = self
            .shard(name)
            .and_then(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).get(&name).cloned());
        match found {
            Some((bytes, number)) => Entry { bytes: bytes.to_vec(), version: Version::Cas(number) },
            None => Entry { bytes: Vec::new(), version: Version::Absent },
        }
    }

    pub(crate) fn swap(&self, name: EntryName, bytes: &[u8], read_at: Version) -> Result<(), SwapLost> {
        let mut shard = self.shard(name).ok_or(SwapLost)?.write().unwrap_or_else(PoisonError::into_inner);
        let stands = shard.get(&name).map_or(Version::Absent, |(_, number)| Version::Cas(*number));
        if stands != read_at {
            return Err(SwapLost);
        }
        let number = self.numbers.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        shard.insert(name, (bytes.into(), number));
        Ok(())
    }

    pub(crate) fn stamp(&self) -> Stamp {
        Stamp(self.stamp.load(Ordering::Acquire))
    }

    pub(crate) fn move_stamp(&self) {
        self.stamp.fetch_add(1, Ordering::AcqRel);
    }

    fn shard(&self, name: EntryName) -> Option<&RwLock<HashMap<EntryName, Valued>>> {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        self.shards.get(hasher.finish() as usize % SHARDS)
    }
}
