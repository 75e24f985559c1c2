//! `GET` and `POST /_security/_query/api_key`: searching keys.
//!
//! A caller who may see all keys searches all of them. A caller who may manage only his own keys searches
//! those, and the answer does not say so.

mod finding;
#[cfg(test)]
mod tests;

use axum::http::StatusCode;
use axum::response::Response;
use latchkey_budget::Budget;
use latchkey_privileges::cluster_request::ClusterRequest;
use latchkey_privileges::privilege::KeyReach;
use latchkey_query::{
    ColumnTest, Condition, Hit, SearchRequest, SearchResult, Searched, TextColumn, TypedKeys,
};
use serde::Serialize;
use serde_json::Value;

use crate::api::answer::text::{AnswerText, WrittenAnswer};
use crate::api::api_key::list::{ShownKey, shown};
use crate::api::api_key::query::finding::find;
use crate::api::api_key::require_api_keys;
use crate::api::call::Incoming;
use crate::api::call::authenticated::Authenticated;
use crate::api::call::request_body::RequestBody;
use crate::api::error::ApiError;
use crate::limits::work_limits::KEYS_SORTED_MAX;
use crate::model::stored_key::StoredKey;
use crate::security::authentication::Subject;

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
    let (store, visible) = (call.store.clone(), visible(&call.authenticated, reach));
    let look = move |budget: &mut Budget| {
        // The scan begins here, once the work has a permit. Work that waits must not hold a connection to the
        // store.
        let found = find(&store, &visible, &search, typed_keys, KEYS_SORTED_MAX, budget)?;
        write(&found, with_limited_by, budget)
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

/// Which keys a caller may see. An API key owns no keys. Its own keys are the key itself.
fn visible(authenticated: &Authenticated, reach: KeyReach) -> Condition {
    let is = |column, text: &String| Condition::Text(column, ColumnTest::OneOf(vec![text.clone()]));
    match (reach, authenticated.authentication.subject()) {
        (KeyReach::All, _) => Condition::everything(),
        (KeyReach::Own, Subject::User(user)) => Condition::All(vec![
            is(TextColumn::Username, &user.username),
            is(TextColumn::RealmName, &user.realm.name),
        ]),
        (KeyReach::Own, Subject::ApiKey(key)) => Condition::Ids(vec![key.key().id.to_string()]),
    }
}
