//! What searches read of the keys.

use latchkey_budget::Cancellation;
use latchkey_key_feed::UnixMillis;
use latchkey_query::{Condition, Reads};

use crate::model::stored_key::StoredKey;
use crate::store::scan::Scan;
use crate::store::sql::key_rows;
use crate::store::sql::scan::Selection;
use crate::store::{KeyStore, StoreError};

pub(crate) use crate::store::sql::key_pages::PagePart;
pub(crate) use crate::store::sql::searched_key::SearchedKey;

/// The keys of a store, for searches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Searches<'a>(&'a KeyStore);

impl<'a> Searches<'a> {
    /// Those of a store.
    #[must_use]
    pub(crate) fn of(store: &'a KeyStore) -> Self {
        Self(store)
    }

    /// The keys of a condition, in any order, for a search that looks at each of them.
    #[must_use]
    pub(crate) fn all(
        self,
        condition: &Condition,
        reads: Reads,
        cancellation: Cancellation,
    ) -> Scan<SearchedKey> {
        Scan::begin(self.0.database.clone(), Selection::of_searched(condition, reads), cancellation)
    }

    /// Some keys of a part of a page.
    #[must_use]
    pub(crate) fn page(
        self,
        condition: &Condition,
        part: &PagePart,
        (from, size): (usize, usize),
        cancellation: Cancellation,
    ) -> Scan<SearchedKey> {
        Scan::begin(self.0.database.clone(), Selection::of_page(condition, part, from, size), cancellation)
    }

    /// The whole keys of these places, in any order, each with its place. What was removed meanwhile is left out.
    #[must_use]
    pub(crate) fn placed(self, places: &[i64], cancellation: Cancellation) -> Scan<(i64, StoredKey)> {
        Scan::begin(self.0.database.clone(), Selection::of_places(places), cancellation)
    }

    /// How many keys fulfil the condition: one number.
    #[must_use]
    pub(crate) fn count(self, condition: &Condition, cancellation: Cancellation) -> Scan<i64> {
        Scan::begin(self.0.database.clone(), Selection::count_of(condition), cancellation)
    }

    /// How many keys a part of a page could show.
    #[must_use]
    pub(crate) fn count_part(
        self,
        condition: &Condition,
        part: &PagePart,
        cancellation: Cancellation,
    ) -> Scan<i64> {
        Scan::begin(self.0.database.clone(), Selection::count_of_part(condition, part), cancellation)
    }

    /// How many keys work at `after` and end at `until` or before.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub(crate) async fn ending_in(self, after: UnixMillis, until: UnixMillis) -> Result<u64, StoreError> {
        key_rows::count_ending(&self.0.database, after, until).await
    }
}
