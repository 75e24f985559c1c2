//! Changing the table. Only the follower does this, but two VMs that both follow break nothing.

use std::cell::Cell;

use latchkey_key_feed::{Cursor, Epoch, FeedHead, InvalidFeedPage};

use super::build::Build;
use super::changes::{ChangeKind, Changes, RecordChange};
use super::clearing::Clearing;
use super::feed_table::FeedTable;
use super::header::{LiveTable, Refresh, TableHeader};
use super::page::{Page, Unreadable};
use super::page_index::{PageSalt, page_bits_for, page_index};
use super::shared_store::{SharedNames, SharedStore, Version};
use crate::limits::{SWAP_TRIES_MAX, SWEEP_PAGES_PER_TICK};

/// Applies the feed to the table.
pub struct TableWriter<S> {
    pub(super) store: S,
    pub(super) names: SharedNames,
    /// The turn of its follower, since that has taken over.
    turn: Cell<u32>,
}

/// Why a write was given up. The table is as complete as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// Another follower has gone on with a later generation, or wins every swap: it is the one to write.
    Deposed,
    /// Something other than this filter wrote the entries. A new generation replaces them.
    Unreadable,
}

/// Where an answer has left the follower in the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedStanding {
    /// More rows wait.
    MoreFollows {
        /// What the service had forgotten of removed keys.
        purged: Cursor,
    },
    /// At its end: the table is current.
    Current(Refresh),
    /// Where the credential ended. What came after that is for others, so the table is not current.
    CredentialEnded,
}

impl FeedStanding {
    /// What the service had forgotten, if more rows wait.
    #[must_use]
    pub fn more_follows(self) -> Option<Cursor> {
        match self {
            Self::MoreFollows { purged } => Some(purged),
            Self::Current(_) | Self::CredentialEnded => None,
        }
    }
}

/// How far work has come that is done in slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Slices remain.
    Continues,
    /// Nothing remains.
    Done,
}

impl From<Unreadable> for WriteError {
    fn from(_: Unreadable) -> Self {
        Self::Unreadable
    }
}

impl<S: SharedStore> FeedTable for TableWriter<S> {
    type Live = LiveTable;
    type Clearing = Clearing;
    type Load = Build;

    /// An unreadable header counts as no table: the next build replaces it.
    fn live(&self) -> Option<LiveTable> {
        self.header().0.live
    }

    fn take_over(&self) -> Result<Option<LiveTable>, WriteError> {
        let header = self.change_header(&|header| {
            header.turn = header.turn.wrapping_add(1);
            Ok(())
        })?;
        self.turn.set(header.turn);
        Ok(header.live)
    }

    fn read(&self, answer: &[u8], after: Cursor) -> Result<(FeedHead, Changes), InvalidFeedPage> {
        Changes::read(answer, after, self.names.shape())
    }

    /// The new generation is built in the slot that nobody reads. As long as that has pages of the generation
    /// before the live one, a reader may still have their header, so nothing is built over them: a page
    /// without keys is not written, and theirs would stay.
    fn begin(&self, keys: u64, random: u64) -> Result<Build, WriteError> {
        let page_bits = page_bits_for(keys);
        let shape = self.names.shape();
        let header = self.change_in_turn(&|header| {
            if header.live.as_ref().is_some_and(|live| live.unswept_pages > 0) {
                return Err(WriteError::Deposed);
            }
            header.allocated = header.allocated.next();
            header.largest_page_bits = header.largest_page_bits.max(shape.all_page_bits(page_bits));
            Ok(())
        })?;
        Ok(Build::new(header.allocated, header.idle_slot(), page_bits, PageSalt(random), shape))
    }

    fn collect(&self, build: &mut Build, changes: &Changes) -> Result<(), WriteError> {
        self.put_aside(build, changes)
    }

    fn lay_out(&self, build: &mut Build) -> Result<Progress, WriteError> {
        self.lay_out_next(build)
    }

    fn publish(
        &self,
        build: &Build,
        epoch: &Epoch,
        cursor: Cursor,
        keys: u64,
        refreshed: Option<Refresh>,
    ) -> Result<LiveTable, WriteError> {
        let header = self.change_in_turn(&|header| {
            if header.allocated != build.generation {
                return Err(WriteError::Deposed);
            }
            let before = header.live.as_ref().map(|live| live.refreshed);
            let refresh = refreshed.or(before).ok_or(WriteError::Deposed)?;
            let pages = |old: &LiveTable| 1 << self.names.shape().all_page_bits(old.page_bits);
            header.live = Some(LiveTable {
                generation: build.generation,
                slot: build.slot,
                page_bits: build.page_bits,
                salt: build.salt,
                unswept_pages: header.live.as_ref().map_or(0, pages),
                epoch: epoch.clone(),
                cursor,
                more_follows: None,
                keys,
                refreshed: refresh,
                credential_ended: refreshed.is_none(),
                loaded_at: refresh.at.monotonic,
                rights_written: 0,
            });
            Ok(())
        })?;
        header.live.ok_or(WriteError::Deposed)
    }

    /// Begins at the end of the slot that the live table has replaced.
    fn sweep(&self, live: &LiveTable) -> Result<(Progress, LiveTable), WriteError> {
        let remaining = live.unswept_pages.saturating_sub(SWEEP_PAGES_PER_TICK);
        for index in remaining..live.unswept_pages {
            self.clear_page(live, index);
        }
        self.store.move_stamp();
        let live = self.change_live(live, &|live| live.unswept_pages = remaining)?;
        Ok((if remaining == 0 { Progress::Done } else { Progress::Continues }, live))
    }

    /// The changes are few for so many pages, so each is written by itself. Those before a failure are
    /// applied again from the cursor, and skipped.
    fn apply(&self, live: &LiveTable, changes: &Changes) -> Result<(), WriteError> {
        let mut rights_written = 0;
        let applied = changes.iter().try_for_each(|change| {
            let is_written = self.apply_one(live, change, changes.forgotten)?;
            if is_written && change.kind == ChangeKind::Constant {
                rights_written += change.bytes.len() as u64;
            }
            Ok(())
        });
        // Also when every change was there already: the VM that wrote them may have died before it moved the
        // stamp.
        self.store.move_stamp();
        if rights_written > 0 {
            self.change_live(live, &|live| {
                live.rights_written = live.rights_written.saturating_add(rights_written);
            })?;
        }
        applied
    }

    fn advance(
        &self,
        live: &LiveTable,
        cursor: Cursor,
        keys: u64,
        standing: FeedStanding,
    ) -> Result<LiveTable, WriteError> {
        self.change_live(live, &|live| {
            if cursor >= live.cursor {
                live.cursor = cursor;
                live.keys = keys;
                live.more_follows = standing.more_follows();
            }
            match standing {
                FeedStanding::MoreFollows { .. } => {}
                FeedStanding::Current(refreshed) => {
                    live.refreshed = refreshed;
                    live.credential_ended = false;
                }
                FeedStanding::CredentialEnded => live.credential_ended = true,
            }
        })
    }

    /// A reader that still has a header goes on until it finds its pages cleared.
    fn close(&self) -> Result<Clearing, WriteError> {
        let header = self.change_header(&|header| {
            header.allocated = header.allocated.next();
            header.live = None;
            Ok(())
        })?;
        Ok(Clearing::new(header.allocated, 1 << header.largest_page_bits))
    }

    fn clear(&self, clearing: &mut Clearing) -> Progress {
        self.clear_slice(clearing)
    }
}

impl<S: SharedStore> TableWriter<S> {
    /// A writer of the table with those names.
    pub fn new(store: S, names: SharedNames) -> Self {
        Self { store, names, turn: Cell::new(0) }
    }

    /// Says whether anything had to be written.
    fn apply_one(
        &self,
        live: &LiveTable,
        change: RecordChange<'_>,
        forgotten: Cursor,
    ) -> Result<bool, WriteError> {
        let name = self.names.page(live.slot, page_index(change.id, live.page_bits, live.salt));
        for _ in 0..SWAP_TRIES_MAX {
            let entry = self.store.read(name);
            let mut page = Page::decode(entry.bytes)?;
            if page.generation > live.generation {
                return Err(WriteError::Deposed);
            }
            if page.generation < live.generation {
                page = Page::empty(live.generation);
            }
            let Some(bytes) = page.with(live.generation, &[change], forgotten)? else { return Ok(false) };
            if self.store.swap(name, &bytes, entry.version).is_ok() {
                return Ok(true);
            }
        }
        Err(WriteError::Deposed)
    }

    fn clear_page(&self, live: &LiveTable, index: u32) {
        let name = self.names.page(live.slot.other(), index);
        let entry = self.store.read(name);
        let is_older = Page::decode(entry.bytes).is_ok_and(|page| page.generation < live.generation);
        // A page that is written meanwhile belongs to a later build, and is not ours to clear.
        if is_older && entry.version != Version::Absent {
            let _ = self.store.swap(name, &[], entry.version);
        }
    }

    /// Changes what is said of a table, if it is the live one.
    fn change_live(
        &self,
        known: &LiveTable,
        change: &dyn Fn(&mut LiveTable),
    ) -> Result<LiveTable, WriteError> {
        let header = self.change_in_turn(&|header| match &mut header.live {
            Some(live) if live.generation == known.generation => {
                change(live);
                Ok(())
            }
            _ => Err(WriteError::Deposed),
        })?;
        header.live.ok_or(WriteError::Deposed)
    }

    /// Changes the header, unless another follower has taken over.
    fn change_in_turn(
        &self,
        change: &dyn Fn(&mut TableHeader) -> Result<(), WriteError>,
    ) -> Result<TableHeader, WriteError> {
        self.change_header(&|header| {
            if header.turn == self.turn.get() { change(header) } else { Err(WriteError::Deposed) }
        })
    }

    /// Changes the header as one, and says what it is then; `change` may be asked again, when somebody else
    /// was faster.
    pub(super) fn change_header(
        &self,
        change: &dyn Fn(&mut TableHeader) -> Result<(), WriteError>,
    ) -> Result<TableHeader, WriteError> {
        for _ in 0..SWAP_TRIES_MAX {
            let (mut header, version) = self.header();
            change(&mut header)?;
            if self.store.swap(self.names.header(), &header.encode(), version).is_ok() {
                return Ok(header);
            }
        }
        Err(WriteError::Deposed)
    }

    fn header(&self) -> (TableHeader, Version) {
        let entry = self.store.read(self.names.header());
        (TableHeader::decode(&entry.bytes).unwrap_or_default(), entry.version)
    }
}
