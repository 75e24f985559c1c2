//! `GET` and `POST /_security/_query/api_key`: searching keys.
//!
//! Whoever may see all keys searches all. Whoever may manage his own searches those, without being told: the same question has
//! different answers.

use axum::extract::State;
use axum::response::Response;
use latchkey_key_feed::UnixMillis;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::mpsc::Receiver;

use crate::api::api_key::list::{ShownKey, shown};
use crate::api::api_key::owned_by;
use crate::api::authenticated::Authenticated;
use crate::api::content::Node;
use crate::api::error::ApiError;
use crate::api::parameters::Parameters;
use crate::api::request_body::RequestBody;
use crate::api::{Service, SharedService, answer};
use crate::query::{Hit, Search, SearchRequest, SearchResult, SearchableKey, TypedKeys};
use crate::security::authentication::Subject;
use crate::security::privilege::KeyReach;
use crate::security::request::ClusterRequest;
use crate::store::{KeyFilter, StoreError, StoredKey};

/// In the order of Elasticsearch's own answer.
#[derive(Serialize)]
struct Found<'a> {
    total: u64,
    count: usize,
    api_keys: Vec<FoundKey<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregations: Option<Value>,
}

#[derive(Serialize)]
struct FoundKey<'a> {
    #[serde(flatten)]
    key: ShownKey<'a>,
    #[serde(skip_serializing_if = "<[Value]>::is_empty")]
    _sort: &'a [Value],
}

/// The keys of the store as they come in. Ends at the first one that cannot be read.
struct ScannedKeys {
    keys: Receiver<Result<StoredKey, StoreError>>,
    failure: Option<StoreError>,
}

pub(in crate::api) async fn query(
    State(service): State<SharedService>,
    authenticated: Authenticated,
    mut parameters: Parameters,
    RequestBody(body): RequestBody,
) -> Result<Response, ApiError> {
    let with_limited_by = parameters.boolean("with_limited_by", false)?;
    // No user of this service has a profile, so there is never one to show.
    parameters.boolean("with_profile_uid", false)?;
    let typed_keys =
        if parameters.boolean("typed_keys", false)? { TypedKeys::Typed } else { TypedKeys::Plain };
    let body = parameters.body_or_source(body)?;
    let request = SearchRequest::parse(Node::parse(&body)?.as_ref(), service.clock.now())?;
    parameters.finish()?;
    service.require_api_keys()?;
    request.check()?;
    let reach = authenticated.authorized_reach(&ClusterRequest::QueryKeys { with_limited_by })?;
    let search = request.into_search()?;
    let result = service.search(search, filter(&authenticated, reach), typed_keys).await?;
    answer::ok(&Found {
        total: result.total,
        count: result.hits.len(),
        api_keys: result
            .hits
            .iter()
            .map(|Hit { key, sort_values }| FoundKey { key: shown(key, with_limited_by), _sort: sort_values })
            .collect(),
        aggregations: result.aggregations,
    })
}

/// An API key owns no keys: all it may call its own is itself.
fn filter(authenticated: &Authenticated, reach: KeyReach) -> KeyFilter {
    match (reach, authenticated.authentication.subject()) {
        (KeyReach::All, _) => KeyFilter::default(),
        (KeyReach::Own, Subject::User(_)) => owned_by(authenticated, KeyFilter::default()),
        (KeyReach::Own, Subject::ApiKey(key)) => {
            KeyFilter { ids: Some(vec![key.key().id.to_string()]), ..KeyFilter::default() }
        }
    }
}

impl Service {
    /// Looks at every key once, on a thread where that keeps no other request waiting. Only so many searches run at once; others
    /// wait for their turn.
    async fn search(
        &self,
        search: Search,
        filter: KeyFilter,
        typed_keys: TypedKeys,
    ) -> Result<SearchResult<StoredKey>, ApiError> {
        let _turn = self.searches.acquire().await.map_err(ApiError::internal)?;
        let mut keys = ScannedKeys { keys: self.store.scan(filter), failure: None };
        let running = tokio::task::spawn_blocking(move || {
            let result = search.run(&mut keys, typed_keys);
            match keys.failure {
                Some(failure) => Err(ApiError::from(failure)),
                None => result.map_err(ApiError::from),
            }
        });
        running.await.map_err(ApiError::internal)?
    }
}

impl Iterator for ScannedKeys {
    type Item = StoredKey;

    fn next(&mut self) -> Option<StoredKey> {
        match self.keys.blocking_recv()? {
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

    fn metadata(&self) -> &Map<String, Value> {
        &self.metadata
    }

    fn written_len(&self) -> usize {
        Self::written_len(self)
    }
}
