//! `GET` and `POST /_security/_query/api_key`: searching keys.
//!
//! A caller who may see all keys searches all of them. A caller who may manage only his own keys searches
//! those, and the answer does not say so.

use axum::http::StatusCode;
use axum::response::Response;
use latchkey_budget::Budget;
use latchkey_privileges::cluster_request::ClusterRequest;
use latchkey_privileges::privilege::KeyReach;
use latchkey_query::{
    Hit, OrderedPage, Search, SearchRequest, SearchResult, Searchable as _, Searched, TypedKeys, refuse_len,
};
use serde::Serialize;
use serde_json::Value;

use crate::api::answer::text::{AnswerText, WrittenAnswer};
use crate::api::api_key::list::{ShownKey, shown};
use crate::api::api_key::{owned_by, require_api_keys};
use crate::api::call::Incoming;
use crate::api::call::authenticated::Authenticated;
use crate::api::call::request_body::RequestBody;
use crate::api::error::ApiError;
use crate::api::scanned::Scanned;
use crate::model::stored_key::StoredKey;
use crate::security::authentication::Subject;
use crate::store::searches::{SearchedKey, Searches};
use crate::store::{KeyFilter, KeyStore};

/// The cost of a key on a page that the store has made.
const STEPS_PER_HIT: usize = 8;

/// The fields have the order of Elasticsearch's answer.
#[derive(Serialize)]
struct Found<'a> {
    total: u64,
    count: usize,
    api_keys: Vec<FoundKey<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregations: Option<&'a Value>,
}

#[derive(Serialize)]
struct FoundKey<'a> {
    #[serde(flatten)]
    key: ShownKey<'a>,
    #[serde(skip_serializing_if = "<[Value]>::is_empty")]
    _sort: &'a [Value],
}

pub(in crate::api) async fn query(mut call: Incoming<RequestBody>) -> Result<Response, ApiError> {
    let with_limited_by = call.parameters.boolean("with_limited_by", false)?;
    // Users of this service have no profile, so none is shown.
    call.parameters.boolean("with_profile_uid", false)?;
    let typed_keys =
        if call.parameters.boolean("typed_keys", false)? { TypedKeys::Typed } else { TypedKeys::Plain };
    call.allow_source()?;
    let now = call.received();
    let request = call.read_body(move |body| SearchRequest::parse(body, now, Searched::Keys)).await?;
    let call = call.parsed()?;
    require_api_keys(call.settings())?;
    request.check()?;
    let (call, reach) = call.authorize_reach(&ClusterRequest::QueryKeys { with_limited_by })?;
    let search = request.into_search()?;
    let (store, filter) = (call.store.clone(), filter(&call.authenticated, reach));
    let look = move |budget: &mut Budget| {
        // The scan begins here, once the work has a permit. Work that waits must not hold a connection to the
        // store.
        let result = match search.ordered_page() {
            Some(page) => page_of_the_store(&store, &filter, &search, &page, budget)?,
            None => looked_at_one_by_one(&store, &filter, &search, typed_keys, budget)?,
        };
        write(&whole(result, budget)?, with_limited_by, budget)
    };
    let answer = call.search(look).await?;
    Ok(answer.with_status(StatusCode::OK))
}

/// What the database finds and sorts by itself: pages of all keys cost what they show.
fn page_of_the_store(
    store: &KeyStore,
    filter: &KeyFilter,
    search: &Search,
    page: &OrderedPage,
    budget: &mut Budget,
) -> Result<SearchResult<SearchedKey>, ApiError> {
    let mut count = Scanned::new(Searches::of(store).count(filter, budget.cancellation()));
    let total = count.next().and_then(|total| u64::try_from(total).ok()).unwrap_or_default();
    count.end()?;
    let mut keys = Scanned::new(Searches::of(store).page(filter, page, budget.cancellation()));
    let mut hits = Vec::new();
    let mut len = 0_usize;
    for key in keys.by_ref() {
        budget.spend(STEPS_PER_HIT)?;
        budget.hold(key.held_len())?;
        len = len.saturating_add(key.written_len());
        refuse_len(len)?;
        hits.push(search.hit_of_page(page, key));
    }
    keys.end()?;
    Ok(SearchResult { total, hits, aggregations: None })
}

fn looked_at_one_by_one(
    store: &KeyStore,
    filter: &KeyFilter,
    search: &Search,
    typed_keys: TypedKeys,
    budget: &mut Budget,
) -> Result<SearchResult<SearchedKey>, ApiError> {
    let keys = Searches::of(store).all(filter, search.reads_metadata(), budget.cancellation());
    let mut keys = Scanned::new(keys);
    let result = search.run(&mut keys, typed_keys, budget);
    keys.end()?;
    Ok(result?)
}

/// The same with whole keys.
fn whole(
    result: SearchResult<SearchedKey>,
    budget: &mut Budget,
) -> Result<SearchResult<StoredKey>, ApiError> {
    let mut hits = Vec::with_capacity(result.hits.len());
    for Hit { key, sort_values } in result.hits {
        let held_len = key.held_len();
        let key = key.into_key()?;
        budget.release(held_len);
        budget.hold(key.held_len())?;
        hits.push(Hit { key, sort_values });
    }
    Ok(SearchResult { total: result.total, hits, aggregations: result.aggregations })
}

fn write(
    result: &SearchResult<StoredKey>,
    with_limited_by: bool,
    budget: &mut Budget,
) -> Result<WrittenAnswer, ApiError> {
    let mut text = AnswerText::new(budget);
    text.push_json(&Found {
        total: result.total,
        count: result.hits.len(),
        api_keys: result
            .hits
            .iter()
            .map(|Hit { key, sort_values }| FoundKey { key: shown(key, with_limited_by), _sort: sort_values })
            .collect(),
        aggregations: result.aggregations.as_ref(),
    })?;
    Ok(text.finish())
}

/// An API key owns no keys. Its own keys are the key itself.
fn filter(authenticated: &Authenticated, reach: KeyReach) -> KeyFilter {
    match (reach, authenticated.authentication.subject()) {
        (KeyReach::All, _) => KeyFilter::default(),
        (KeyReach::Own, Subject::User(_)) => owned_by(authenticated, KeyFilter::default()),
        (KeyReach::Own, Subject::ApiKey(key)) => {
            KeyFilter { ids: Some(vec![key.key().id.to_string()]), ..KeyFilter::default() }
        }
    }
}
