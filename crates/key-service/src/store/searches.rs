//! What searches read of the keys.

use latchkey_budget::Cancellation;
use latchkey_key_feed::UnixMillis;
use latchkey_query::OrderedPage;

use crate::store::scan::Scan;
use crate::store::sql::key_rows;
use crate::store::sql::scan::Selection;
use crate::store::{KeyFilter, KeyStore, StoreError};

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

    /// The keys that pass the filter, as they were added, for a search that looks at each of them.
    #[must_use]
    pub(crate) fn all(
        self,
        filter: &KeyFilter,
        with_metadata: bool,
        cancellation: Cancellation,
    ) -> Scan<SearchedKey> {
        let selection = Selection::of_searched(filter, with_metadata);
        Scan::begin(self.0.database.clone(), selection, cancellation)
    }

    /// A page of the keys that pass the filter.
    #[must_use]
    pub(crate) fn page(
        self,
        filter: &KeyFilter,
        page: &OrderedPage,
        cancellation: Cancellation,
    ) -> Scan<SearchedKey> {
        Scan::begin(self.0.database.clone(), Selection::of_page(filter, page), cancellation)
    }

    /// How many keys pass the filter: one number.
    #[must_use]
    pub(crate) fn count(self, filter: &KeyFilter, cancellation: Cancellation) -> Scan<i64> {
        Scan::begin(self.0.database.clone(), Selection::count_of(filter), cancellation)
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
