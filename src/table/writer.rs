//! Changing the table. Only the follower does, but nothing breaks if two VMs believe that they are it.

use latchkey_key_feed::{Cursor, FeedHead, InvalidFeedPage};

use super::build::Build;
use super::changes::{Changes, RecordChange};
use super::header::{Generation, LiveTable, Refresh, TableHeader, page_bits_for, page_index};
use super::page::{Page, Unreadable};
use super::shared_store::{SharedNames, SharedStore, TableIdentity, Version};
use crate::limits::{SWAP_TRIES_MAX, SWEEP_PAGES_PER_TICK};

/// Applies the feed to the table.
pub struct TableWriter<S> {
    pub(super) store: S,
    pub(super) names: SharedNames,
}

/// Why a write was given up. The table is as whole as it was before.
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
    MoreFollows,
    /// At its end: the table is current.
    Current(Refresh),
    /// Where the credential ended. What came after that is for others, so the table is not current.
    CredentialEnded,
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

impl<S: SharedStore> TableWriter<S> {
    /// A writer of the table with those names.
    pub fn new(store: S, names: SharedNames) -> Self {
        Self { store, names }
    }

    /// Which table it writes.
    pub fn identity(&self) -> TableIdentity {
        self.names.table()
    }

    /// The live table, if there is one. An unreadable header counts as none: the next build replaces it.
    pub fn live(&self) -> Option<LiveTable> {
        self.header().0.live
    }

    /// Reads the answer to a request for everything after `after`, into records as this table has them.
    ///
    /// # Errors
    ///
    /// [`InvalidFeedPage`] when the bytes are not such an answer.
    pub fn read(&self, answer: &[u8], after: Cursor) -> Result<(FeedHead, Changes), InvalidFeedPage> {
        Changes::read(answer, after, self.names.shape())
    }

    /// Begins a new generation, large enough for so many keys, in the slot that nobody reads.
    ///
    /// # Errors
    ///
    /// [`WriteError::Deposed`] when other VMs keep beginning builds of their own.
    pub fn begin(&self, keys: u64) -> Result<Build, WriteError> {
        let page_bits = page_bits_for(keys);
        let header = self.change_header(&|header| {
            header.allocated = header.allocated.next();
            header.largest_page_bits = header.largest_page_bits.max(page_bits);
            Ok(())
        })?;
        Ok(Build::new(header.allocated, header.idle_slot(), page_bits))
    }

    /// Applies changes, in the order of the feed, to the pages of the live table. They are few for so many
    /// pages, so each is written by itself.
    ///
    /// # Errors
    ///
    /// [`WriteError`]; the changes before the failure remain applied, which is harmless: they are applied
    /// again from the cursor, and skipped.
    pub fn apply(&self, live: &LiveTable, changes: &Changes) -> Result<(), WriteError> {
        let applied = changes.iter().try_for_each(|change| self.apply_one(live, change, changes.forgotten));
        // Also where every change was there already: whoever wrote them may not have come this far.
        self.store.move_stamp();
        applied
    }

    fn apply_one(
        &self,
        live: &LiveTable,
        change: RecordChange<'_>,
        forgotten: Cursor,
    ) -> Result<(), WriteError> {
        let name = self.names.page(live.slot, page_index(change.id, live.page_bits));
        for _ in 0..SWAP_TRIES_MAX {
            let entry = self.store.read(name);
            let mut page = Page::decode(entry.bytes)?;
            if page.generation > live.generation {
                return Err(WriteError::Deposed);
            }
            if page.generation < live.generation {
                page = Page::empty(live.generation);
            }
            let Some(bytes) = page.with(live.generation, &[change], forgotten)? else { return Ok(()) };
            if self.store.swap(name, &bytes, entry.version).is_ok() {
                return Ok(());
            }
        }
        Err(WriteError::Deposed)
    }

    /// Notes in the header how far an answer has brought the live table.
    ///
    /// # Errors
    ///
    /// [`WriteError::Deposed`] when the generation is no longer the live one.
    pub fn advance(
        &self,
        live: &LiveTable,
        cursor: Cursor,
        keys: u64,
        standing: FeedStanding,
    ) -> Result<LiveTable, WriteError> {
        self.change_live(live.generation, &|live| {
            if cursor >= live.cursor {
                live.cursor = cursor;
                live.keys = keys;
            }
            match standing {
                FeedStanding::MoreFollows => {}
                FeedStanding::Current(refreshed) => {
                    live.refreshed = refreshed;
                    live.credential_ended = false;
                }
                FeedStanding::CredentialEnded => live.credential_ended = true,
            }
        })
    }

    /// Clears a slice of the slot that the live table replaced, from its end.
    ///
    /// # Errors
    ///
    /// [`WriteError::Deposed`] when the table is no longer the live one.
    pub fn sweep(&self, live: &LiveTable) -> Result<(Progress, LiveTable), WriteError> {
        let remaining = live.unswept_pages.saturating_sub(SWEEP_PAGES_PER_TICK);
        for index in remaining..live.unswept_pages {
            self.clear_page(live, index);
        }
        self.store.move_stamp();
        let live = self.change_live(live.generation, &|live| live.unswept_pages = remaining)?;
        Ok((if remaining == 0 { Progress::Done } else { Progress::Continues }, live))
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

    fn change_live(
        &self,
        generation: Generation,
        change: &dyn Fn(&mut LiveTable),
    ) -> Result<LiveTable, WriteError> {
        let header = self.change_header(&|header| match &mut header.live {
            Some(live) if live.generation == generation => {
                change(live);
                Ok(())
            }
            _ => Err(WriteError::Deposed),
        })?;
        header.live.ok_or(WriteError::Deposed)
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
