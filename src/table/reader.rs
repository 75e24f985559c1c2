//! Finding the page of a key: one read of shared data, and the header now and then.

use std::cell::RefCell;

use latchkey_key_feed::{KeyId, UnixMillis};

use super::header::{LiveTable, TableHeader};
use super::page::{Page, Unreadable};
use super::shared_store::{SharedNames, SharedStore};
use crate::limits::{GENERATION_HOPS_MAX, HEADER_LIFE_MS};

/// One VM's view of the table.
pub struct TableReader<S> {
    store: S,
    names: SharedNames,
    header: RefCell<Option<KnownHeader>>,
}

struct KnownHeader {
    live: LiveTable,
    read_at: UnixMillis,
}

impl<S: SharedStore> TableReader<S> {
    /// A reader of the table with those names.
    pub fn new(store: S, names: SharedNames) -> Self {
        Self { store, names, header: RefCell::new(None) }
    }

    /// The live table, from a header at most [`HEADER_LIFE_MS`] old; `None` before the first table is whole.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] when something else wrote the header.
    pub fn live(&self, now: UnixMillis) -> Result<Option<LiveTable>, Unreadable> {
        if let Some(known) = &*self.header.borrow()
            && now.0.abs_diff(known.read_at.0) < HEADER_LIFE_MS
        {
            return Ok(Some(known.live.clone()));
        }
        self.read_header(now)
    }

    /// The page that holds the key of that id if any does; `None` before the first table is whole.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] when something else wrote the entries.
    pub fn page_for(&self, id: &KeyId, now: UnixMillis) -> Result<Option<Page>, Unreadable> {
        let Some(mut live) = self.live(now)? else { return Ok(None) };
        for _ in 0..GENERATION_HOPS_MAX {
            let page = Page::decode(self.store.read(&self.names.page(live.slot, live.page_of(id))).bytes)?;
            if page.generation == live.generation {
                return Ok(Some(page));
            }
            let generation = live.generation;
            match self.read_header(now)? {
                None => return Ok(None),
                // The header stands, so the page was never written in this generation: it holds no key.
                Some(same) if same.generation == generation => return Ok(Some(Page::empty(generation))),
                Some(next) => live = next,
            }
        }
        Err(Unreadable)
    }

    fn read_header(&self, now: UnixMillis) -> Result<Option<LiveTable>, Unreadable> {
        let header = TableHeader::decode(&self.store.read(&self.names.header()).bytes).ok_or(Unreadable)?;
        *self.header.borrow_mut() = header.live.clone().map(|live| KnownHeader { live, read_at: now });
        Ok(header.live)
    }
}
