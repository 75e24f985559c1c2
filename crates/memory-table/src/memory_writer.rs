//! The table as the feed is applied to it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, MutexGuard};

use latchkey_filter::table::{
    ChangeKind, Changes, FeedStanding, FeedTable, Generation, Progress, Refresh, SharedNames, WriteError,
};
use latchkey_key_feed::{Cursor, Epoch, FeedHead, InvalidFeedPage};

use crate::live::{Live, LiveMemory};
use crate::memory_load::MemoryLoad;
use crate::memory_table::Shared;
use crate::table_file::in_force::InForce;

/// Writes the table of a process.
pub struct MemoryWriter {
    pub(crate) shared: Arc<Shared>,
    names: SharedNames,
    /// The turn of its follower, since that has taken over.
    turn: AtomicU32,
}

/// What only writers need. They take turns by its lock, which no reader takes.
#[derive(Debug, Default)]
pub(crate) struct Writing {
    /// The file that a restart would begin with.
    pub(crate) in_force: Option<InForce>,
    /// Whether it could not be removed when it had to be.
    pub(crate) is_stuck: bool,
    /// Whose turn it is to write: a number that moves whenever a follower takes over.
    turn: u32,
    /// The highest number of a load so far.
    allocated: Generation,
    /// Tables that were replaced, and that a reader may hold for the rest of a look-up. They are freed here,
    /// because to free a large one takes milliseconds that no request has.
    replaced: Vec<Arc<Live>>,
}

impl Writing {
    /// A number for another table.
    pub(crate) fn next_generation(&mut self) -> Generation {
        self.allocated = self.allocated.next();
        self.allocated
    }

    /// Sees to it that no restart begins with less than is now acknowledged; `None` when nothing is live then.
    fn before_acknowledging(&mut self, acknowledged: Option<(Generation, Cursor)>) -> Result<(), WriteError> {
        let Some(file) = &self.in_force else { return Ok(()) };
        if acknowledged.is_some_and(|(generation, cursor)| file.holds(generation, cursor)) {
            return Ok(());
        }
        self.is_stuck = file.remove().is_err();
        if self.is_stuck {
            return Err(WriteError::Deposed);
        }
        self.in_force = None;
        Ok(())
    }

    pub(crate) fn free(&mut self) {
        self.replaced.retain(|table| Arc::strong_count(table) > 1);
    }

    /// Keeps a table that was replaced, to free it later.
    pub(crate) fn keep(&mut self, replaced: Option<Arc<Live>>) {
        self.replaced.extend(replaced);
    }
}

impl MemoryWriter {
    pub(crate) fn new(shared: Arc<Shared>, names: SharedNames) -> Self {
        Self { shared, names, turn: AtomicU32::new(0) }
    }

    /// Lets this writer write, unless another follower has taken over.
    fn lock(&self) -> Result<MutexGuard<'_, Writing>, WriteError> {
        let writing = self.shared.lock();
        if writing.turn == self.turn.load(Ordering::Relaxed) { Ok(writing) } else { Err(WriteError::Deposed) }
    }

    /// The live table, if it is still that one.
    fn same(&self, live: &LiveMemory) -> Result<Arc<Live>, WriteError> {
        let same = self.shared.live.load_full();
        same.filter(|same| same.standing().generation == live.generation).ok_or(WriteError::Deposed)
    }
}

impl FeedTable for MemoryWriter {
    type Live = LiveMemory;
    type Clearing = ();
    type Load = MemoryLoad;

    fn live(&self) -> Option<LiveMemory> {
        self.shared.live.load().as_ref().map(|live| LiveMemory::clone(&live.standing()))
    }

    fn take_over(&self) -> Result<Option<LiveMemory>, WriteError> {
        let mut writing = self.shared.lock();
        writing.turn = writing.turn.wrapping_add(1);
        self.turn.store(writing.turn, Ordering::Relaxed);
        Ok(self.live())
    }

    fn read(&self, answer: &[u8], after: Cursor) -> Result<(FeedHead, Changes), InvalidFeedPage> {
        Changes::read(answer, after, self.names.shape())
    }

    fn begin(&self, keys: u64, _random: u64) -> Result<MemoryLoad, WriteError> {
        let mut writing = self.lock()?;
        Ok(MemoryLoad::new(writing.next_generation(), keys, self.names.shape()))
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
        let mut writing = self.lock()?;
        if writing.allocated != load.generation {
            return Err(WriteError::Deposed);
        }
        let before = self.live().map(|live| live.refreshed);
        let refresh = refreshed.or(before).ok_or(WriteError::Deposed)?;
        writing.before_acknowledging(Some((load.generation, cursor)))?;
        let shards = load.take().ok_or(WriteError::Deposed)?;
        let standing = LiveMemory {
            generation: load.generation,
            shard_bits: shards.bits,
            epoch: epoch.clone(),
            cursor,
            more_follows: None,
            keys,
            refreshed: refresh,
            credential_ended: refreshed.is_none(),
            loaded_at: refresh.at.monotonic,
            rights_written: 0,
        };
        self.shared.replace(&mut writing, Some(Arc::new(Live::new(shards, standing.clone()))));
        Ok(standing)
    }

    /// There is nothing to sweep.
    fn sweep(&self, live: &LiveMemory) -> Result<(Progress, LiveMemory), WriteError> {
        Ok((Progress::Done, LiveMemory::clone(&self.same(live)?.standing())))
    }

    fn apply(&self, live: &LiveMemory, changes: &Changes) -> Result<(), WriteError> {
        let _writing = self.lock()?;
        let table = self.same(live)?;
        let mut rights_written = 0;
        let applied = changes.iter().try_for_each(|change| {
            let is_written = table.shards.apply(change, changes.forgotten())?;
            if is_written && change.kind == ChangeKind::Constant {
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
        let mut writing = self.lock()?;
        let table = self.same(live)?;
        writing.before_acknowledging(Some((live.generation, cursor)))?;
        Ok(table.note(|live| live.advance(cursor, keys, standing)))
    }

    /// From here on no reader finds a table.
    fn close(&self) -> Result<(), WriteError> {
        let mut writing = self.shared.lock();
        // Nothing is acknowledged by a goodbye, but nothing may admit after it.
        writing.before_acknowledging(None)?;
        writing.next_generation();
        self.shared.replace(&mut writing, None);
        Ok(())
    }

    fn clear(&self, _clearing: &mut ()) -> Progress {
        Progress::Done
    }
}
