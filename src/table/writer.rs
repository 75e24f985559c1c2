//! Changing the table. Only the follower does, but nothing breaks if two VMs believe that they are it.

use std::collections::BTreeMap;

use latchkey_key_feed::{Cursor, Epoch, FeedRow, UnixMillis};

use super::header::{Generation, LiveTable, Slot, TableHeader, page_bits_for, page_index};
use super::page::{Page, Unreadable};
use super::shared_store::{SharedNames, SharedStore, Version};
use crate::limits::{SWAP_TRIES_MAX, SWEEP_PAGES_PER_TICK};

/// Applies the feed to the table.
pub struct TableWriter<S> {
    store: S,
    names: SharedNames,
}

/// The generation that changes are applied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its number.
    pub generation: Generation,
    slot: Slot,
    page_bits: u8,
    /// Whether readers use it already.
    is_live: bool,
}

/// Why a write was given up. The table is as whole as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// Another follower has gone on with a later generation, or wins every swap: it is the one to write.
    Deposed,
    /// Something other than this filter wrote the entries. A new generation replaces them.
    Unreadable,
}

/// How far the clearing of the old generation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// Pages remain.
    Continues,
    /// No page of an older generation is left where a reader could look.
    Done,
}

impl From<&LiveTable> for Target {
    fn from(live: &LiveTable) -> Self {
        Self { generation: live.generation, slot: live.slot, page_bits: live.page_bits, is_live: true }
    }
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

    /// The live table, if there is one. An unreadable header counts as none: the next build replaces it.
    pub fn live(&self) -> Option<LiveTable> {
        self.header().0.live
    }

    /// Begins a new generation, large enough for so many keys, in the slot that nobody reads.
    ///
    /// # Errors
    ///
    /// [`WriteError::Deposed`] when other VMs keep beginning builds of their own.
    pub fn begin(&self, keys: u64) -> Result<Target, WriteError> {
        for _ in 0..SWAP_TRIES_MAX {
            let (mut header, version) = self.header();
            header.allotted = header.allotted.next();
            let target = Target {
                generation: header.allotted,
                slot: header.idle_slot(),
                page_bits: page_bits_for(keys),
                is_live: false,
            };
            if self.store.swap(&self.names.header(), &header.encode(), version).is_ok() {
                return Ok(target);
            }
        }
        Err(WriteError::Deposed)
    }

    /// Applies changes, in the order of the feed, to the pages of a generation.
    ///
    /// # Errors
    ///
    /// [`WriteError`]; the changes before the failure remain applied, which is harmless: they are applied again from the cursor, and skipped.
    pub fn apply(&self, target: &Target, changes: &[FeedRow]) -> Result<(), WriteError> {
        let mut by_page = BTreeMap::<u32, Vec<&FeedRow>>::new();
        for change in changes {
            by_page.entry(page_index(change.id(), target.page_bits)).or_default().push(change);
        }
        by_page.into_iter().try_for_each(|(index, changes)| self.apply_to_page(target, index, &changes))
    }

    fn apply_to_page(&self, target: &Target, index: u32, changes: &[&FeedRow]) -> Result<(), WriteError> {
        let name = self.names.page(target.slot, index);
        for _ in 0..SWAP_TRIES_MAX {
            let entry = self.store.read(&name);
            let mut page = match Page::decode(entry.bytes) {
                // Nobody reads a slot in which a generation is built: what is not a page there is written over.
                Err(Unreadable) if !target.is_live => Page::empty(Generation::default()),
                decoded => decoded?,
            };
            if page.generation > target.generation {
                return Err(WriteError::Deposed);
            }
            if page.generation < target.generation {
                page = Page::empty(target.generation);
            }
            let Some(bytes) = page.with(target.generation, changes)? else { return Ok(()) };
            if self.store.swap(&name, &bytes, entry.version).is_ok() {
                return Ok(());
            }
        }
        Err(WriteError::Deposed)
    }

    /// Notes in the header how far the live table has been brought, and at `refreshed_at`, if given, that it is current.
    ///
    /// # Errors
    ///
    /// [`WriteError::Deposed`] when the generation is no longer the live one.
    pub fn advance(
        &self,
        target: &Target,
        cursor: Cursor,
        keys: u64,
        refreshed_at: Option<UnixMillis>,
    ) -> Result<LiveTable, WriteError> {
        self.change_live(target.generation, |live| {
            if cursor >= live.cursor {
                live.cursor = cursor;
                live.keys = keys;
            }
            live.refreshed_at = refreshed_at.unwrap_or(live.refreshed_at);
        })
    }

    /// Makes a finished build the live table.
    ///
    /// # Errors
    ///
    /// [`WriteError::Deposed`] when another build was begun after this one.
    pub fn publish(
        &self,
        target: &Target,
        epoch: &Epoch,
        cursor: Cursor,
        keys: u64,
        now: UnixMillis,
    ) -> Result<LiveTable, WriteError> {
        for _ in 0..SWAP_TRIES_MAX {
            let (mut header, version) = self.header();
            if header.allotted != target.generation {
                return Err(WriteError::Deposed);
            }
            let live = LiveTable {
                generation: target.generation,
                slot: target.slot,
                page_bits: target.page_bits,
                unswept_pages: header.live.map_or(0, |old| 1 << old.page_bits),
                epoch: epoch.clone(),
                cursor,
                keys,
                refreshed_at: now,
            };
            header.live = Some(live.clone());
            if self.store.swap(&self.names.header(), &header.encode(), version).is_ok() {
                return Ok(live);
            }
        }
        Err(WriteError::Deposed)
    }

    /// Clears a slice of the slot that the live table replaced, from its end.
    ///
    /// # Errors
    ///
    /// [`WriteError::Deposed`] when the table is no longer the live one.
    pub fn sweep(&self, live: &LiveTable) -> Result<(Sweep, LiveTable), WriteError> {
        let remaining = live.unswept_pages.saturating_sub(SWEEP_PAGES_PER_TICK);
        for index in remaining..live.unswept_pages {
            self.clear_page(live, index);
        }
        let live = self.change_live(live.generation, |header| header.unswept_pages = remaining)?;
        Ok((if remaining == 0 { Sweep::Done } else { Sweep::Continues }, live))
    }

    fn clear_page(&self, live: &LiveTable, index: u32) {
        let name = self.names.page(live.slot.other(), index);
        let entry = self.store.read(&name);
        let is_older = Page::decode(entry.bytes).is_ok_and(|page| page.generation < live.generation);
        // A page that is written meanwhile belongs to a later build, and is not ours to clear.
        if is_older && entry.version != Version::Absent {
            let _ = self.store.swap(&name, &[], entry.version);
        }
    }

    fn change_live(
        &self,
        generation: Generation,
        change: impl Fn(&mut LiveTable),
    ) -> Result<LiveTable, WriteError> {
        for _ in 0..SWAP_TRIES_MAX {
            let (header, version) = self.header();
            let Some(mut live) = header.live.filter(|live| live.generation == generation) else {
                return Err(WriteError::Deposed);
            };
            change(&mut live);
            let changed = TableHeader { allotted: header.allotted, live: Some(live.clone()) };
            if self.store.swap(&self.names.header(), &changed.encode(), version).is_ok() {
                return Ok(live);
            }
        }
        Err(WriteError::Deposed)
    }

    fn header(&self) -> (TableHeader, Version) {
        let entry = self.store.read(&self.names.header());
        (TableHeader::decode(&entry.bytes).unwrap_or_default(), entry.version)
    }
}
