//! Building a whole generation, each page written once.
//!
//! The feed comes in the order of changes, which scatters over all pages. Written as it comes, every row
//! would read and write a page that grows. So a load has two steps:
//!
//! 1. Collecting. Rows are put aside by *partition*, a range of neighbouring pages. What is put aside of a
//!    partition fills a buffer, and a full buffer becomes a *run*, an entry of shared data: the VM's own
//!    memory never shrinks, and would hold the whole table.
//! 2. Laying out. Partition by partition, its rows are read back and its pages are written.
//!
//! A run is of a generation, as a page is: a run of a higher one stops the writer, one of a lower one is
//! written over. Runs are numbered from 0, so their names are bounded by the largest load, and those of a
//! load that was given up are cleared by the next.

use std::collections::BTreeSet;
use std::mem;

use latchkey_key_feed::Cursor;

use super::bytes::Unread;
use super::changes::{ChangeKind, Changes, RecordChange, RecordChangesIter};
use super::entry_name::EntryName;
use super::header::{Generation, Slot};
use super::page::{Page, Unreadable};
use super::page_index::{PageSalt, page_index};
use super::record_shape::RecordShape;
use super::shared_store::{SharedStore, Version};
use super::writer::{Progress, TableWriter, WriteError};
use crate::limits::{LOAD_SETS_MAX, PAGES_PER_PARTITION_BITS, RUN_LEN, SWAP_TRIES_MAX};

/// A generation that is being built. Dropping it abandons it, which no reader notices.
pub struct Build {
    pub(super) generation: Generation,
    pub(super) slot: Slot,
    pub(super) page_bits: u8,
    pub(super) salt: PageSalt,
    /// The same with the pages of attachments.
    all_page_bits: u8,
    partitions: Vec<Partition>,
    /// Sets of rights that were put aside, so that each answer of the load need not put its own aside.
    sets: BTreeSet<String>,
    /// How many runs were written.
    runs: u32,
    /// How many partitions are laid out.
    laid_out: usize,
}

/// What was put aside for a range of pages.
#[derive(Default)]
struct Partition {
    /// Numbers of its runs, in the order of the feed.
    runs: Vec<u32>,
    /// What came after the last of them.
    tail: Vec<u8>,
}

/// Where the generation of a run ends and its changes begin.
const RUN_HEAD_LEN: usize = 4;

impl Build {
    pub(super) fn new(
        generation: Generation,
        slot: Slot,
        page_bits: u8,
        salt: PageSalt,
        shape: &RecordShape,
    ) -> Self {
        let all_page_bits = shape.all_page_bits(page_bits);
        let partitions = 1_usize << all_page_bits.saturating_sub(PAGES_PER_PARTITION_BITS);
        let mut empty = Vec::new();
        empty.resize_with(partitions, Partition::default);
        Self {
            generation,
            slot,
            page_bits,
            salt,
            all_page_bits,
            partitions: empty,
            sets: BTreeSet::new(),
            runs: 0,
            laid_out: 0,
        }
    }

    /// Whether that was put aside already. What is not remembered any more is put aside again.
    fn has(&mut self, change: &RecordChange<'_>) -> bool {
        if change.kind != ChangeKind::Constant {
            return false;
        }
        if self.sets.len() >= LOAD_SETS_MAX {
            self.sets.clear();
        }
        !self.sets.insert(change.id.to_owned())
    }

    fn pages_per_partition_bits(&self) -> u8 {
        self.all_page_bits.min(PAGES_PER_PARTITION_BITS)
    }
}

impl<S: SharedStore> TableWriter<S> {
    /// Puts the changes of one answer aside.
    pub(super) fn put_aside(&self, build: &mut Build, changes: &Changes) -> Result<(), WriteError> {
        let bits = build.pages_per_partition_bits();
        for change in changes.iter() {
            if build.has(&change) {
                continue;
            }
            let page = page_index(change.id, build.page_bits, build.salt);
            let Some(partition) = build.partitions.get_mut(page as usize >> bits) else { continue };
            if partition.tail.len() + change.bytes.len() > RUN_LEN && !partition.tail.is_empty() {
                self.write_run(build.generation, build.runs, &partition.tail)?;
                partition.runs.push(build.runs);
                partition.tail.clear();
                build.runs += 1;
            }
            if partition.tail.is_empty() {
                partition.tail.extend_from_slice(&build.generation.0.to_le_bytes());
            }
            partition.tail.extend_from_slice(change.bytes);
        }
        Ok(())
    }

    /// Writes the pages of the next partition. After the last one it clears what the load no longer needs.
    pub(super) fn lay_out_next(&self, build: &mut Build) -> Result<Progress, WriteError> {
        if let Some(partition) = build.partitions.get_mut(build.laid_out).map(mem::take) {
            self.lay_out_partition(build, &partition)?;
            build.laid_out += 1;
        }
        if build.laid_out < build.partitions.len() {
            return Ok(Progress::Continues);
        }
        self.clear_leftovers(build);
        Ok(Progress::Done)
    }

    fn lay_out_partition(&self, build: &Build, partition: &Partition) -> Result<(), WriteError> {
        let bits = build.pages_per_partition_bits();
        let first_page = (build.laid_out << bits) as u32;
        let runs: Vec<_> = partition
            .runs
            .iter()
            .map(|run| self.read_run(build.generation, *run))
            .collect::<Result<_, _>>()?;
        let mut pages: Vec<Vec<RecordChange<'_>>> = Vec::new();
        pages.resize_with(1 << bits, Vec::new);
        for run in runs.iter().chain([&partition.tail]) {
            let mut changes = RecordChangesIter::of(run.get(RUN_HEAD_LEN..).unwrap_or_default());
            for change in changes.by_ref() {
                let page = page_index(change.id, build.page_bits, build.salt).wrapping_sub(first_page);
                pages.get_mut(page as usize).ok_or(Unreadable)?.push(change);
            }
            if !changes.is_at_end() {
                return Err(WriteError::Unreadable);
            }
        }
        for (index, changes) in (first_page..).zip(&pages) {
            self.write_page(build, index, changes)?;
        }
        for run in &partition.runs {
            self.clear_entry(build.generation, self.names.run(*run));
        }
        Ok(())
    }

    /// Writes a page of the new generation. No reader uses its slot, so anything that is not a page there is
    /// overwritten. The load brings the removed keys that the service has not forgotten.
    fn write_page(&self, build: &Build, index: u32, changes: &[RecordChange<'_>]) -> Result<(), WriteError> {
        let Some(bytes) = Page::empty(build.generation).with(build.generation, changes, Cursor(0))? else {
            return Ok(());
        };
        let name = self.names.page(build.slot, index);
        self.write_of_generation(build.generation, name, &bytes)
    }

    fn write_run(&self, generation: Generation, run: u32, bytes: &[u8]) -> Result<(), WriteError> {
        self.write_of_generation(generation, self.names.run(run), bytes)
    }

    /// Writes an entry that begins with its generation, unless a later one has it.
    fn write_of_generation(
        &self,
        generation: Generation,
        name: EntryName,
        bytes: &[u8],
    ) -> Result<(), WriteError> {
        for _ in 0..SWAP_TRIES_MAX {
            let entry = self.store.read(name);
            if generation_of(&entry.bytes) > Some(generation) {
                return Err(WriteError::Deposed);
            }
            if self.store.swap(name, bytes, entry.version).is_ok() {
                return Ok(());
            }
        }
        Err(WriteError::Deposed)
    }

    fn read_run(&self, generation: Generation, run: u32) -> Result<Vec<u8>, WriteError> {
        let bytes = self.store.read(self.names.run(run)).bytes;
        if generation_of(&bytes) == Some(generation) { Ok(bytes) } else { Err(WriteError::Deposed) }
    }

    /// Clears the runs of earlier builds that this one did not write over.
    fn clear_leftovers(&self, build: &Build) {
        for run in build.runs.. {
            if self.clear_entry(build.generation, self.names.run(run)) == Version::Absent {
                return;
            }
        }
    }
}

fn generation_of(bytes: &[u8]) -> Option<Generation> {
    Unread(bytes).u32().map(Generation)
}

#[cfg(test)]
mod tests;
