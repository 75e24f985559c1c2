//! The page cache of a VM: a key in use costs no read of shared data and does not wait for its lock.
//!
//! A cached page is used only while the change stamp of the process has the value that it had before the page
//! was read. Once the stamp has moved, the whole cache is forgotten.

use std::rc::Rc;

use super::page::Page;
use super::shared_store::Stamp;
use crate::limits::{CACHED_PAGE_LEN_MAX, CACHED_PAGES_MAX};

/// A bounded number of pages. Each has one place, by its index; a page that comes takes the place of the one
/// before it.
#[derive(Default)]
pub(super) struct PageCache {
    seen: Option<Stamp>,
    /// Changes with every stamp that is seen: pages of another round are forgotten.
    round: u64,
    pages: Vec<Option<CachedPage>>,
}

struct CachedPage {
    round: u64,
    index: u32,
    page: Rc<Page>,
}

impl PageCache {
    /// Takes note of the stamp, which was read just now.
    pub(super) fn observe(&mut self, stamp: Stamp) {
        if self.seen != Some(stamp) {
            self.seen = Some(stamp);
            self.round += 1;
        }
    }

    /// Forgets every page.
    pub(super) fn forget(&mut self) {
        self.round += 1;
    }

    /// Which round it is.
    pub(super) fn round(&self) -> u64 {
        self.round
    }

    /// The page of that index, if it is kept.
    pub(super) fn get(&self, index: u32) -> Option<Rc<Page>> {
        let kept = self.pages.get(position_of(index))?.as_ref()?;
        (kept.index == index && kept.round == self.round).then(|| Rc::clone(&kept.page))
    }

    /// Keeps a page that was read after the stamp was last observed.
    pub(super) fn keep(&mut self, index: u32, page: &Rc<Page>) {
        if page.len() > CACHED_PAGE_LEN_MAX {
            return;
        }
        if self.pages.is_empty() {
            self.pages.resize_with(CACHED_PAGES_MAX, || None);
        }
        if let Some(place) = self.pages.get_mut(position_of(index)) {
            *place = Some(CachedPage { round: self.round, index, page: Rc::clone(page) });
        }
    }
}

fn position_of(index: u32) -> usize {
    index as usize % CACHED_PAGES_MAX
}

#[cfg(test)]
mod tests;
