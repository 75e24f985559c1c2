//! Finding keys: the store makes the page where it can, and else each key is looked at that may be meant.

use std::collections::HashMap;

use latchkey_budget::Budget;
use latchkey_query::{
    Condition, Hit, OrderedPage, Search, SearchResult, Searchable as _, TypedKeys, refuse_len,
};

use crate::api::error::ApiError;
use crate::api::scanned::Scanned;
use crate::model::stored_key::StoredKey;
use crate::store::KeyStore;
use crate::store::searches::{PagePart, SearchedKey, Searches};

/// The cost of a key on a page that the store has made.
const STEPS_PER_HIT: usize = 8;

/// Searches the keys that are visible to the caller. Up to `sorted_max` keys are found first and then sorted.
///
/// # Errors
///
/// [`ApiError`] when it takes too much, or the store fails.
pub(super) fn find(
    store: &KeyStore,
    visible: &Condition,
    search: &Search,
    typed_keys: TypedKeys,
    sorted_max: u64,
    budget: &mut Budget,
) -> Result<SearchResult<StoredKey>, ApiError> {
    let found = searched(store, visible, search, typed_keys, sorted_max, budget)?;
    whole(store, found, budget)
}

/// What it finds, as far as a search reads keys.
pub(super) fn searched(
    store: &KeyStore,
    visible: &Condition,
    search: &Search,
    typed_keys: TypedKeys,
    sorted_max: u64,
    budget: &mut Budget,
) -> Result<SearchResult<SearchedKey>, ApiError> {
    match search.ordered_page() {
        Some(page) => {
            let condition = visible.clone().and(page.condition.clone());
            page_of_the_store(store, search, &OrderedPage { condition, ..page }, sorted_max, budget)
        }
        None => looked_at_one_by_one(store, visible, search, typed_keys, budget),
    }
}

/// What the database finds and sorts by itself: pages of many keys cost what they show.
fn page_of_the_store(
    store: &KeyStore,
    search: &Search,
    page: &OrderedPage,
    sorted_max: u64,
    budget: &mut Budget,
) -> Result<SearchResult<SearchedKey>, ApiError> {
    let searches = Searches::of(store);
    let mut result = SearchResult {
        total: number(Scanned::new(searches.count(&page.condition, budget.cancellation())))?,
        hits: Vec::new(),
        aggregations: None,
    };
    if result.total == 0 {
        return Ok(result);
    }
    // Few keys are quickly sorted. Of many, those on the page soon come when all are read in their order.
    let is_few = !page.condition.is_everything() && result.total <= sorted_max;
    let parts = if is_few { PagePart::sorted(page) } else { PagePart::in_order(page) };
    let mut from = page.from;
    for part in parts {
        let missing = page.size.saturating_sub(result.hits.len());
        if missing == 0 {
            break;
        }
        let keys = searches.page(&page.condition, &part, (from, missing), budget.cancellation());
        let mut keys = Scanned::new(keys);
        let before = result.hits.len();
        for key in keys.by_ref() {
            budget.spend(STEPS_PER_HIT)?;
            budget.hold(key.held_len())?;
            result.hits.push(search.hit_of_page(page, key));
        }
        keys.end()?;
        if result.hits.len() > before {
            from = 0;
        } else if from > 0 {
            let count = searches.count_part(&page.condition, &part, budget.cancellation());
            from = from.saturating_sub(usize::try_from(number(Scanned::new(count))?).unwrap_or(usize::MAX));
        }
    }
    Ok(result)
}

/// The only row of what is read.
fn number(mut rows: Scanned<i64>) -> Result<u64, ApiError> {
    let number = rows.next().and_then(|number| u64::try_from(number).ok()).unwrap_or_default();
    rows.end()?;
    Ok(number)
}

fn looked_at_one_by_one(
    store: &KeyStore,
    visible: &Condition,
    search: &Search,
    typed_keys: TypedKeys,
    budget: &mut Budget,
) -> Result<SearchResult<SearchedKey>, ApiError> {
    let condition = visible.clone().and(search.narrowing().condition);
    let keys = Searches::of(store).all(&condition, search.reads(), budget.cancellation());
    let mut keys = Scanned::new(keys);
    let result = search.run(&mut keys, typed_keys, budget);
    keys.end()?;
    Ok(result?)
}

/// The same with whole keys. A key that was removed since it was found is left out: another one may have its place now,
/// which the caller may not see.
pub(super) fn whole(
    store: &KeyStore,
    result: SearchResult<SearchedKey>,
    budget: &mut Budget,
) -> Result<SearchResult<StoredKey>, ApiError> {
    let SearchResult { total, hits: found, aggregations } = result;
    let places: Vec<i64> = found.iter().map(|hit| hit.key.place()).collect();
    let mut keys = HashMap::with_capacity(places.len());
    if !places.is_empty() {
        let mut placed = Scanned::new(Searches::of(store).placed(&places, budget.cancellation()));
        let mut len = 0_usize;
        for (place, key) in placed.by_ref() {
            budget.spend(STEPS_PER_HIT)?;
            budget.hold(key.held_len())?;
            len = len.saturating_add(key.written_len());
            refuse_len(len)?;
            keys.insert(place, key);
        }
        placed.end()?;
    }
    let mut hits = Vec::with_capacity(found.len());
    for Hit { key, sort_values } in found {
        budget.release(key.held_len());
        let at_its_place = keys.remove(&key.place()).filter(|whole| whole.id.as_str() == key.id());
        hits.extend(at_its_place.map(|key| Hit { key, sort_values }));
    }
    Ok(SearchResult { total, hits, aggregations })
}
