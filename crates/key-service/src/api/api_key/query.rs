//! `GET` and `POST /_security/_query/api_key`: searching keys.
//!
//! A caller who may see all keys searches all of them. A caller who may manage only his own keys searches
//! those, and the answer does not say so.

use axum::http::StatusCode;
use axum::response::Response;
use latchkey_budget::Budget;
use latchkey_key_feed::UnixMillis;
use latchkey_privileges::cluster_request::ClusterRequest;
use latchkey_privileges::privilege::KeyReach;
use latchkey_query::{Hit, SearchRequest, SearchResult, SearchableKey, TypedKeys};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::answer::text::{AnswerText, WrittenAnswer};
use crate::api::api_key::list::{ShownKey, shown};
use crate::api::api_key::{owned_by, require_api_keys};
use crate::api::call::Incoming;
use crate::api::call::authenticated::Authenticated;
use crate::api::call::request_body::RequestBody;
use crate::api::error::ApiError;
use crate::model::stored_key::StoredKey;
use crate::security::authentication::Subject;
use crate::store::scan::{KeyScan, ScanOrder};
use crate::store::{KeyFilter, StoreError};

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

/// The keys of the store, one by one. It ends at the first key that cannot be read.
struct ScannedKeys {
    keys: KeyScan,
    failure: Option<StoreError>,
}

pub(in crate::api) async fn query(mut call: Incoming<RequestBody>) -> Result<Response, ApiError> {
    let with_limited_by = call.parameters.boolean("with_limited_by", false)?;
    // Users of this service have no profile, so none is shown.
    call.parameters.boolean("with_profile_uid", false)?;
    let typed_keys =
        if call.parameters.boolean("typed_keys", false)? { TypedKeys::Typed } else { TypedKeys::Plain };
    call.allow_source()?;
    let now = call.received();
    let request = call.read_body(move |body| SearchRequest::parse(body, now)).await?;
    let call = call.parsed()?;
    require_api_keys(call.settings())?;
    request.check()?;
    let (call, reach) = call.authorize_reach(&ClusterRequest::QueryKeys { with_limited_by })?;
    let search = request.into_search()?;
    let (store, filter) = (call.store.clone(), filter(&call.authenticated, reach));
    let look = move |budget: &mut Budget| {
        // The scan begins here, once the work has a permit. Work that waits must not hold a connection to the
        // store.
        let keys = store.scan(filter, ScanOrder::Insertion, budget.cancellation());
        let mut keys = ScannedKeys { keys, failure: None };
        let result = search.run(&mut keys, typed_keys, budget);
        match keys.failure {
            Some(failure) => Err(failure.into()),
            None => write(&result?, with_limited_by, budget),
        }
    };
    let answer = call.search(look).await?;
    Ok(answer.with_status(StatusCode::OK))
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

impl Iterator for ScannedKeys {
    type Item = StoredKey;

    fn next(&mut self) -> Option<StoredKey> {
        match self.keys.blocking_next()? {
            Ok(key) => Some(key),
            Err(failure) => {
                self.failure = Some(failure);
                None
            }
        }
    }
}

impl SearchableKey for StoredKey {
    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn username(&self) -> &str {
        &self.owner.username
    }

    fn realm_name(&self) -> &str {
        &self.owner.realm
    }

    fn creation(&self) -> UnixMillis {
        self.creation
    }

    fn expiration(&self) -> Option<UnixMillis> {
        self.expiration
    }

    fn invalidation(&self) -> Option<UnixMillis> {
        self.invalidation
    }

    fn rotation(&self) -> Option<UnixMillis> {
        self.rotation
    }

    fn previous_secret_expiration(&self) -> Option<UnixMillis> {
        self.secrets.previous.map(|previous| previous.until)
    }

    fn metadata(&self) -> &Map<String, Value> {
        &self.metadata
    }

    fn written_len(&self) -> usize {
        Self::written_len(self)
    }

    fn held_len(&self) -> usize {
        Self::held_len(self)
    }
}
