//! Finding the page of a key: one that is kept, or one read of shared data; what stands besides keys; and the
//! header now and then.

use std::cell::RefCell;
use std::rc::Rc;

use latchkey_key_feed::{KeyId, MonotonicMillis, OpaqueKeyPepper};

use super::attachment::{Attachment, opaque_key_pepper};
use super::header::{Generation, LiveTable, Slot, TableAge, TableHeader};
use super::key_table::{Found, KeyTable};
use super::page::{Page, Unreadable};
use super::page_cache::PageCache;
use super::page_index::{key_index, page_index};
use super::paged_record::PagedRecord;
use super::shared_store::{SharedNames, SharedStore};
use crate::clock::Moment;
use crate::limits::{GENERATION_HOPS_MAX, HEADER_LIFE_MS};

/// One VM's view of the table.
pub struct TableReader<S> {
    store: S,
    names: SharedNames,
    header: RefCell<Option<KnownHeader>>,
    hot: RefCell<PageCache>,
}

/// Where a page of a generation is.
#[derive(Clone, Copy)]
struct Place {
    generation: Generation,
    slot: Slot,
    index: u32,
}

struct KnownHeader {
    live: LiveTable,
    read_at: MonotonicMillis,
}

impl Place {
    fn of(live: &LiveTable, index: u32) -> Self {
        Self { generation: live.generation, slot: live.slot, index }
    }
}

impl<S: SharedStore> TableReader<S> {
    /// A reader of the table with those names.
    pub fn new(store: S, names: SharedNames) -> Self {
        Self { store, names, header: RefCell::new(None), hot: RefCell::default() }
    }

    /// The page that holds the key of that id if any does; `None` before the first table is whole.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] when something else wrote the entries.
    pub fn page_for(&self, id: &KeyId, now: MonotonicMillis) -> Result<Option<Rc<Page>>, Unreadable> {
        self.page_of_text(id.as_str(), now)
    }

    /// The same for whatever stands among the keys.
    fn page_of_text(&self, id: &str, now: MonotonicMillis) -> Result<Option<Rc<Page>>, Unreadable> {
        let place = |live: &LiveTable| Place::of(live, key_index(id, live.page_bits));
        let Some(at) = self.look_at_live(now, place)? else { return Ok(None) };
        // The stamp is read before any page, so that every later write moves it away from this value.
        let stamp = self.store.stamp();
        if let Some(stamp) = stamp {
            let mut hot = self.hot.borrow_mut();
            hot.observe(stamp);
            if let Some(page) = hot.get(at.index).filter(|page| page.generation == at.generation) {
                return Ok(Some(page));
            }
        } else {
            self.hot.borrow_mut().forget();
        }
        let Some((index, page)) = self.read_page(at, &place, now)? else { return Ok(None) };
        let page = Rc::new(page);
        if let Some(index) = index.filter(|_| stamp.is_some()) {
            self.hot.borrow_mut().keep(index, &page);
        }
        Ok(Some(page))
    }

    /// Reads a page, wherever that is in the generation that is live by then, and says where it was; nowhere
    /// when it was never written in this generation, so that nothing stands in it.
    fn read_page(
        &self,
        mut at: Place,
        place: &dyn Fn(&LiveTable) -> Place,
        now: MonotonicMillis,
    ) -> Result<Option<(Option<u32>, Page)>, Unreadable> {
        for _ in 0..GENERATION_HOPS_MAX {
            let page = Page::decode(self.store.read(self.names.page(at.slot, at.index)).bytes)?;
            if page.generation == at.generation {
                return Ok(Some((Some(at.index), page)));
            }
            self.read_header(now)?;
            match self.look_at_known(place) {
                None => return Ok(None),
                // The header is unchanged, so the page was never written in this generation.
                Some(same) if same.generation == at.generation => {
                    return Ok(Some((None, Page::empty(at.generation))));
                }
                Some(next) => at = next,
            }
        }
        Err(Unreadable)
    }

    fn look_at_live<T>(
        &self,
        now: MonotonicMillis,
        look: impl FnOnce(&LiveTable) -> T,
    ) -> Result<Option<T>, Unreadable> {
        let is_young = |known: &KnownHeader| now.millis_since(known.read_at) < HEADER_LIFE_MS;
        if !self.header.borrow().as_ref().is_some_and(is_young) {
            self.read_header(now)?;
        }
        Ok(self.look_at_known(look))
    }

    fn look_at_known<T>(&self, look: impl FnOnce(&LiveTable) -> T) -> Option<T> {
        self.header.borrow().as_ref().map(|known| look(&known.live))
    }

    fn read_header(&self, now: MonotonicMillis) -> Result<(), Unreadable> {
        let header = TableHeader::decode(&self.store.read(self.names.header()).bytes).ok_or(Unreadable)?;
        *self.header.borrow_mut() = header.live.map(|live| KnownHeader { live, read_at: now });
        Ok(())
    }
}

impl<S: SharedStore> KeyTable for TableReader<S> {
    type Record = PagedRecord;
    type Live = LiveTable;

    /// The live table, from a header at most [`HEADER_LIFE_MS`] old; `None` before the first table is whole.
    fn live(&self, now: MonotonicMillis) -> Result<Option<LiveTable>, Unreadable> {
        self.look_at_live(now, LiveTable::clone)
    }

    /// From a header at most [`HEADER_LIFE_MS`] old.
    fn age(&self, now: Moment) -> Result<Option<TableAge>, Unreadable> {
        self.look_at_live(now.monotonic, |live| live.age(now))
    }

    fn find(&self, id: &KeyId, now: MonotonicMillis) -> Result<Option<Found<PagedRecord>>, Unreadable> {
        let Some(page) = self.page_for(id, now)? else { return Ok(None) };
        Ok(Some(page.find(id)?.map(|record| PagedRecord::of(&page, record, self.names.shape()))))
    }

    /// Reads it from shared data. Nothing of it is kept: whoever prepares rights does that once, and a page that
    /// was kept could lack the set of a key that has just been read.
    fn attachment<T>(
        &self,
        attachment: &Attachment<'_>,
        now: MonotonicMillis,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, Unreadable> {
        let id = attachment.id();
        let place = |live: &LiveTable| Place::of(live, page_index(&id, live.page_bits, live.salt));
        let Some(at) = self.look_at_live(now, place)? else { return Ok(None) };
        let Some((_, page)) = self.read_page(at, &place, now)? else { return Ok(None) };
        Ok(page.attachment(&id)?.map(read))
    }

    /// The page of that record is kept as those of keys are.
    fn opaque_key_pepper(&self, now: MonotonicMillis) -> Result<Option<Option<OpaqueKeyPepper>>, Unreadable> {
        let id = Attachment::OpaqueKeyPepper.id();
        let Some(page) = self.page_of_text(&id, now)? else { return Ok(None) };
        let Some(payload) = page.attachment(&id)? else { return Ok(Some(None)) };
        opaque_key_pepper(payload).map(|pepper| Some(Some(pepper))).ok_or(Unreadable)
    }

    fn round(&self) -> u64 {
        self.hot.borrow().round()
    }

    /// Forgets the pages that are kept. Done on every tick, it is the net below the stamp: should a host ever
    /// lose a move of it, a change is in force a tick later all the same.
    fn clear_cache(&self) {
        self.hot.borrow_mut().forget();
    }
}
