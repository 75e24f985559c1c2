//! `GET` and `POST /_security/_query/user`: searching the users of the native realm.

use axum::http::StatusCode;
use axum::response::Response;
use latchkey_budget::Budget;
use latchkey_budget::json_len::object_len;
use latchkey_privileges::cluster_request::{ClusterRequest, QUERY_USERS};
use latchkey_query::{Hit, SearchRequest, Searchable, Searched, TypedKeys};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::answer::text::AnswerText;
use crate::api::call::Incoming;
use crate::api::call::request_body::RequestBody;
use crate::api::error::ApiError;
use crate::api::scanned::Scanned;
use crate::api::user::list::ShownUser;
use crate::model::realm_name::RealmName;
use crate::model::stored_user::{NativeUser, UserProfile};
use crate::security::realm_chain::user_of;
use crate::store::written_len::json_len;

/// The fields have the order of Elasticsearch's answer (`QueryUserResponse`, 9.1).
#[derive(Serialize)]
struct Found {
    total: u64,
    count: usize,
    users: Vec<FoundUser>,
}

#[derive(Serialize)]
struct FoundUser {
    #[serde(flatten)]
    user: ShownUser,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    _sort: Vec<Value>,
}

/// A user, with the id of Elasticsearch's document.
struct SearchedUser {
    id: String,
    user: NativeUser,
}

pub(in crate::api) async fn query(mut call: Incoming<RequestBody>) -> Result<Response, ApiError> {
    // Users of this service have no profile, so none is shown.
    call.parameters.boolean("with_profile_uid", false)?;
    call.allow_source()?;
    let now = call.received();
    let request = call.read_body(move |body| SearchRequest::parse(body, now, Searched::Users)).await?;
    let call = call.parsed()?;
    request.check()?;
    let call = call.authorize(&ClusterRequest::Other(QUERY_USERS))?;
    let search = request.into_search()?;
    let store = call.store.clone();
    let look = move |budget: &mut Budget| {
        let mut users = Scanned::new(store.users().scan(None, budget.cancellation()));
        let result = search.run(users.by_ref().map(SearchedUser::from), TypedKeys::Plain, budget);
        users.end()?;
        let result = result?;
        let users: Vec<FoundUser> = result.hits.into_iter().map(FoundUser::from).collect();
        let mut text = AnswerText::new(budget);
        text.push_json(&Found { total: result.total, count: users.len(), users })?;
        Ok(text.finish())
    };
    Ok(call.search(look).await?.with_status(StatusCode::OK))
}

impl From<Hit<SearchedUser>> for FoundUser {
    fn from(hit: Hit<SearchedUser>) -> Self {
        let user = user_of(hit.key.user, RealmName::native());
        Self { user: ShownUser::from(user), _sort: hit.sort_values }
    }
}

impl From<NativeUser> for SearchedUser {
    fn from(user: NativeUser) -> Self {
        Self { id: format!("user-{}", user.username), user: user.described() }
    }
}

impl SearchedUser {
    fn profile(&self) -> &UserProfile {
        &self.user.profile
    }
}

impl Searchable for SearchedUser {
    fn id(&self) -> &str {
        &self.id
    }

    fn username(&self) -> &str {
        &self.user.username
    }

    fn roles(&self) -> &[String] {
        &self.profile().roles
    }

    fn full_name(&self) -> Option<&str> {
        self.profile().full_name.as_deref()
    }

    fn email(&self) -> Option<&str> {
        self.profile().email.as_deref()
    }

    fn is_enabled(&self) -> bool {
        self.profile().enabled
    }

    fn metadata(&self) -> &Map<String, Value> {
        &self.profile().metadata
    }

    fn written_len(&self) -> usize {
        let profile = self.profile();
        self.id.len()
            + json_len(&(&profile.roles, &profile.metadata))
            + profile.full_name.as_deref().map_or(0, str::len)
            + profile.email.as_deref().map_or(0, str::len)
    }

    fn held_len(&self) -> usize {
        size_of::<Self>() + self.written_len() + object_len(&self.profile().metadata)
    }
}
