//! The table as the feed is applied to it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use latchkey_filter::table::{
    ChangeKind, Changes, FeedStanding, FeedTable, Generation, Progress, Refresh, SharedNames, WriteError,
};
use latchkey_key_feed::{Cursor, Epoch, FeedHead, InvalidFeedPage};

use crate::live::{Live, LiveMemory};
use crate::memory_load::MemoryLoad;
use crate::memory_table::Shared;

/// Writes the table of a process.
pub struct MemoryWriter {
    pub(crate) shared: Arc<Shared>,
    names: SharedNames,
}

/// What only writers need. They take turns by its lock, which no reader takes.
#[derive(Debug, Default)]
pub(crate) struct Writing {
    /// The highest number of a load so far.
    allocated: Generation,
    /// Tables that were replaced, and that a reader may hold for the rest of a look-up. They are freed here,
    /// because to free a large one takes milliseconds that no request has.
    replaced: Vec<Arc<Live>>,
}

impl Writing {
    fn free(&mut self) {
        self.replaced.retain(|table| Arc::strong_count(table) > 1);
    }
}

impl MemoryWriter {
    pub(crate) fn new(shared: Arc<Shared>, names: SharedNames) -> Self {
        Self { shared, names }
    }

    /// A panic while the lock was held has left a number and a list as whole as before.
    fn lock(&self) -> MutexGuard<'_, Writing> {
        let mut writing = self.shared.writing.lock().unwrap_or_else(PoisonError::into_inner);
        writing.free();
        writing
    }

    /// The live table, if it is still that one.
    fn same(&self, live: &LiveMemory) -> Result<Arc<Live>, WriteError> {
        let same = self.shared.live.load_full();
        same.filter(|same| same.standing().generation == live.generation).ok_or(WriteError::Deposed)
    }

    fn replace(&self, writing: &mut Writing, live: Option<Arc<Live>>) {
        writing.replaced.extend(self.shared.live.swap(live));
        self.shared.round.fetch_add(1, Ordering::Release);
    }
}

impl FeedTable for MemoryWriter {
    type Live = LiveMemory;
    type Clearing = ();
    type Load = MemoryLoad;

    fn live(&self) -> Option<LiveMemory> {
        self.shared.live.load().as_ref().map(|live| LiveMemory::clone(&live.standing()))
    }

    fn read(&self, answer: &[u8], after: Cursor) -> Result<(FeedHead, Changes), InvalidFeedPage> {
        Changes::read(answer, after, self.names.shape())
    }

    fn begin(&self, keys: u64) -> Result<MemoryLoad, WriteError> {
        let mut writing = self.lock();
        writing.allocated = writing.allocated.next();
        Ok(MemoryLoad::new(writing.allocated, keys, self.names.shape()))
    }

    fn collect(&self, load: &mut MemoryLoad, changes: &Changes) -> Result<(), WriteError> {
        load.collect(changes);
        Ok(())
    }

    fn lay_out(&self, load: &mut MemoryLoad) -> Result<Progress, WriteError> {
        Ok(load.lay_out()?)
    }

    fn publish(
        &self,
        load: &MemoryLoad,
        epoch: &Epoch,
        cursor: Cursor,
        keys: u64,
        refreshed: Option<Refresh>,
    ) -> Result<LiveMemory, WriteError> {
        let mut writing = self.lock();
        if writing.allocated != load.generation {
            return Err(WriteError::Deposed);
        }
        let before = self.live().map(|live| live.refreshed);
        let refresh = refreshed.or(before).ok_or(WriteError::Deposed)?;
        let shards = load.take().ok_or(WriteError::Deposed)?;
        let standing = LiveMemory {
            generation: load.generation,
            shard_bits: shards.bits,
            epoch: epoch.clone(),
            cursor,
            keys,
            refreshed: refresh,
            credential_ended: refreshed.is_none(),
            loaded_at: refresh.at.monotonic,
            rights_written: 0,
        };
        self.replace(&mut writing, Some(Arc::new(Live::new(shards, standing.clone()))));
        Ok(standing)
    }

    /// There is nothing to sweep.
    fn sweep(&self, live: &LiveMemory) -> Result<(Progress, LiveMemory), WriteError> {
        Ok((Progress::Done, LiveMemory::clone(&self.same(live)?.standing())))
    }

    fn apply(&self, live: &LiveMemory, changes: &Changes) -> Result<(), WriteError> {
        let _writing = self.lock();
        let table = self.same(live)?;
        let mut rights_written = 0;
        let applied = changes.iter().try_for_each(|change| {
            let is_written = table.shards.apply(change, changes.forgotten())?;
            if is_written && change.kind == ChangeKind::Rights {
                rights_written += change.bytes.len() as u64;
            }
            Ok(())
        });
        self.shared.round.fetch_add(1, Ordering::Release);
        if rights_written > 0 {
            table.note(|standing| {
                standing.rights_written = standing.rights_written.saturating_add(rights_written);
            });
        }
        applied
    }

    fn advance(
        &self,
        live: &LiveMemory,
        cursor: Cursor,
        keys: u64,
        standing: FeedStanding,
    ) -> Result<LiveMemory, WriteError> {
        let _writing = self.lock();
        Ok(self.same(live)?.note(|live| live.advance(cursor, keys, standing)))
    }

    /// From here on no reader finds a table.
    fn close(&self) -> Result<(), WriteError> {
        let mut writing = self.lock();
        writing.allocated = writing.allocated.next();
        self.replace(&mut writing, None);
        Ok(())
    }

    fn clear(&self, _clearing: &mut ()) -> Progress {
        Progress::Done
    }
}
