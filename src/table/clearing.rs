//! Clearing a table away that nobody uses any more.
//!
//! Shared data has no delete, so what is left of a table is its names with nothing behind them, and a header
//! without a table. It keeps the number of the last generation, so that a later table goes on from there and
//! whoever still writes the old one is stopped.

use super::bytes::Unread;
use super::entry_name::EntryName;
use super::header::{Generation, Slot};
use super::shared_store::{SharedStore, Version};
use super::writer::{Progress, TableWriter};
use crate::limits::SWEEP_PAGES_PER_TICK;

/// A table that was closed and is being cleared.
pub struct Clearing {
    /// Entries of later generations belong to a table that was begun since.
    until: Generation,
    /// How many pages each slot may have.
    pages: u32,
    next_page: u32,
    /// `None` once the runs are cleared too.
    next_run: Option<u32>,
}

impl Clearing {
    pub(super) fn new(until: Generation, pages: u32) -> Self {
        Self { until, pages, next_page: 0, next_run: Some(0) }
    }
}

impl<S: SharedStore> TableWriter<S> {
    /// Clears a slice of a closed table.
    pub(super) fn clear_slice(&self, clearing: &mut Clearing) -> Progress {
        let end = clearing.pages.min(clearing.next_page.saturating_add(SWEEP_PAGES_PER_TICK / 2));
        for index in clearing.next_page..end {
            for slot in [Slot::A, Slot::B] {
                self.clear_entry(clearing.until, self.names.page(slot, index));
            }
        }
        clearing.next_page = end;
        if end == clearing.pages {
            clearing.next_run = clearing.next_run.and_then(|run| self.clear_runs(clearing.until, run));
        }
        self.store.move_stamp();
        if clearing.next_page == clearing.pages && clearing.next_run.is_none() {
            Progress::Done
        } else {
            Progress::Continues
        }
    }

    /// Clears a slice of the runs; says with which to go on. Runs are written in order, so the first that is
    /// absent is the end.
    fn clear_runs(&self, until: Generation, first: u32) -> Option<u32> {
        let end = first.saturating_add(SWEEP_PAGES_PER_TICK);
        let is_there = |run: &u32| self.clear_entry(until, self.names.run(*run)) != Version::Absent;
        let cleared = (first..end).take_while(is_there).count() as u64;
        (cleared == u64::from(end - first)).then_some(end)
    }

    /// Empties a page or a run, unless it is of a later generation. Says what stood there.
    pub(super) fn clear_entry(&self, until: Generation, name: EntryName) -> Version {
        let entry = self.store.read(name);
        if Unread(&entry.bytes).u32().is_some_and(|generation| Generation(generation) <= until) {
            // One that is written meanwhile is of a later generation.
            let _ = self.store.swap(name, &[], entry.version);
        }
        entry.version
    }
}

#[cfg(test)]
mod tests;
