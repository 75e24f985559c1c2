//! The table as requests read it.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwapOption, Guard};
use latchkey_filter::clock::Moment;
use latchkey_filter::table::{
    Attachment, Found, KeyTable, RecordShape, RecordText, RecordView, SharedNames, TableAge, TableRecord,
    Texts, Unreadable, are_texts, opaque_key_pepper, text_in,
};
use latchkey_key_feed::{KeptSecrets, KeyId, MonotonicMillis, OpaqueKeyPepper, UnixMillis};

use crate::id_hash::IdHash;
use crate::live::{Live, LiveMemory};
use crate::memory_sink::Turn;
use crate::memory_writer::Writing;
use crate::shard::{self, Shard};

/// What all who use a table share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) live: ArcSwapOption<Live>,
    /// Moves after each change, and after nothing else.
    pub(crate) round: AtomicU64,
    /// What writers share. No reader looks at it.
    pub(crate) writing: Mutex<Writing>,
    /// Whose turn it is to follow the feed.
    pub(crate) turn: Mutex<Turn>,
}

impl Shared {
    /// Lets one writer write. A panic while another did has left everything as whole as before.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Writing> {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        writing.free();
        writing
    }

    /// Lets this be the live table.
    pub(crate) fn replace(&self, writing: &mut Writing, live: Option<Arc<Live>>) {
        writing.keep(self.live.swap(live));
        self.round.fetch_add(1, Ordering::Release);
    }
}

/// The table of a process, as one thread reads it. No look-up takes a lock, or waits for the writer.
pub struct MemoryTable {
    shared: Arc<Shared>,
    shape: Arc<RecordShape>,
}

/// A key, in the shard that it stands in.
pub struct MemoryRecord {
    /// Its texts are read in place.
    shard: Guard<Shard>,
    /// Where they are; `None` when they were too long to keep.
    texts: Option<Range<usize>>,
    /// Which texts they are.
    shape: Arc<RecordShape>,
    secrets: KeptSecrets,
    expiration: Option<UnixMillis>,
}

impl MemoryTable {
    pub(crate) fn new(shared: Arc<Shared>, names: &SharedNames) -> Self {
        Self { shared, shape: own(names.shape()) }
    }

    /// How many bytes the table takes, without what the allocator adds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.shared.live.load().as_ref().map_or(0, |live| live.shards.bytes())
    }
}

/// A clone for another thread.
impl Clone for MemoryTable {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), shape: own(&self.shape) }
    }
}

/// A shape of this thread's own: each record counts as one more that uses it, and if all threads counted in one
/// place, they would wait for each other.
fn own(shape: &RecordShape) -> Arc<RecordShape> {
    Arc::new(shape.clone())
}

impl KeyTable for MemoryTable {
    type Record = MemoryRecord;
    type Live = LiveMemory;

    fn live(&self, _now: MonotonicMillis) -> Result<Option<LiveMemory>, Unreadable> {
        Ok(self.shared.live.load().as_ref().map(|live| LiveMemory::clone(&live.standing())))
    }

    fn age(&self, now: Moment) -> Result<Option<TableAge>, Unreadable> {
        Ok(self.shared.live.load().as_ref().map(|live| live.age(now)))
    }

    fn find(&self, id: &KeyId, _now: MonotonicMillis) -> Result<Option<Found<MemoryRecord>>, Unreadable> {
        let live = self.shared.live.load();
        let Some(live) = live.as_ref() else { return Ok(None) };
        let hash = IdHash::of(id.as_str());
        let Some(shard) = live.shards.keys.shard_for(hash) else { return Err(Unreadable) };
        let Some(record) = shard::find(&shard, hash, id.as_str())? else { return Ok(Some(Found::Nothing)) };
        let found = match record.found().ok_or(Unreadable)? {
            Found::Key(view) => {
                let (texts, view) =
                    (view.texts().map(|texts| range_of(&shard, texts)), Credential::of(&view));
                let Credential { secrets, expiration } = view;
                let shape = Arc::clone(&self.shape);
                Found::Key(MemoryRecord { shard, texts, shape, secrets, expiration })
            }
            Found::SetAside => Found::SetAside,
            Found::Removed => Found::Removed,
            Found::Nothing => Found::Nothing,
        };
        Ok(Some(found))
    }

    fn attachment<T>(
        &self,
        attachment: &Attachment<'_>,
        _now: MonotonicMillis,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, Unreadable> {
        let live = self.shared.live.load();
        let Some(live) = live.as_ref() else { return Ok(None) };
        let id = attachment.id();
        let hash = IdHash::of(&id);
        let Some(shard) = live.shards.attachments.shard_for(hash) else { return Ok(None) };
        let Some(record) = shard::find(&shard, hash, &id)? else { return Ok(None) };
        record.attachment().map(read).map(Some).ok_or(Unreadable)
    }

    fn opaque_key_pepper(
        &self,
        _now: MonotonicMillis,
    ) -> Result<Option<Option<OpaqueKeyPepper>>, Unreadable> {
        let live = self.shared.live.load();
        let Some(live) = live.as_ref() else { return Ok(None) };
        let id = Attachment::OpaqueKeyPepper.id();
        let hash = IdHash::of(&id);
        let Some(shard) = live.shards.keys.shard_for(hash) else { return Err(Unreadable) };
        let Some(record) = shard::find(&shard, hash, &id)? else { return Ok(Some(None)) };
        let pepper = record.attachment().and_then(opaque_key_pepper);
        pepper.map(|pepper| Some(Some(pepper))).ok_or(Unreadable)
    }

    /// The writer moves it after a change is there for all, so whoever reads the new number reads the change.
    fn round(&self) -> u64 {
        self.shared.round.load(Ordering::Acquire)
    }

    /// Nothing is kept besides the table.
    fn clear_cache(&self) {}
}

/// What proves a key, copied out of its shard.
struct Credential {
    secrets: KeptSecrets,
    expiration: Option<UnixMillis>,
}

impl Credential {
    fn of(view: &RecordView<'_>) -> Self {
        Self { secrets: *view.secrets(), expiration: view.expiration() }
    }
}

/// Where in a shard a part of one of its records is.
fn range_of(shard: &Shard, part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().wrapping_sub(shard.slice.as_ptr().addr());
    start..start.wrapping_add(part.len())
}

impl MemoryRecord {
    fn bytes(&self) -> Option<&[u8]> {
        Some(self.shard.slice.get(self.texts.clone()?).unwrap_or_default())
    }
}

impl TableRecord for MemoryRecord {
    fn secrets(&self) -> &KeptSecrets {
        &self.secrets
    }

    fn expiration(&self) -> Option<UnixMillis> {
        self.expiration
    }

    fn texts(&self) -> Texts {
        match self.bytes() {
            None => Texts::SetAside,
            Some(texts) if are_texts(texts, self.shape.texts().len()) => Texts::Whole,
            Some(_) => Texts::Unreadable,
        }
    }

    fn text(&self, is_meant: impl Fn(&RecordText) -> bool) -> Option<&str> {
        text_in(self.bytes()?, self.shape.position_of(is_meant)?)
    }
}
