//! `GET` and `POST /_security/_query/role`: searching the roles that are managed over the interface, and the reserved ones
//! (Elasticsearch, `QueryableBuiltInRolesSynchronizer`, 9.1). Those of the users file are not found.

use axum::http::StatusCode;
use axum::response::Response;
use latchkey_budget::Budget;
use latchkey_privileges::cluster_request::{ClusterRequest, QUERY_ROLES};
use latchkey_privileges::role_descriptor::RoleDescriptor;
use latchkey_query::{ApplicationPart, Hit, SearchRequest, Searchable, Searched, TypedKeys};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::answer::text::AnswerText;
use crate::api::call::Incoming;
use crate::api::call::request_body::RequestBody;
use crate::api::error::ApiError;
use crate::api::scanned::Scanned;
use crate::security::roles::reserved;
use crate::store::written_len::json_len;

/// Bytes of memory for each byte of a role's JSON: its texts are short, and each is a `String` of its own.
const HELD_PER_WRITTEN: usize = 2;

/// The fields have the order of Elasticsearch's answer (`QueryRoleResponse`, 9.1).
#[derive(Serialize)]
struct Found<'a> {
    total: u64,
    count: usize,
    roles: Vec<FoundRole<'a>>,
}

#[derive(Serialize)]
struct FoundRole<'a> {
    name: &'a str,
    #[serde(flatten)]
    role: &'a RoleDescriptor,
    #[serde(skip_serializing_if = "<[Value]>::is_empty")]
    _sort: &'a [Value],
}

/// A role, with the id of Elasticsearch's document.
struct SearchedRole {
    id: String,
    name: String,
    role: RoleDescriptor,
    written_len: usize,
}

pub(in crate::api) async fn query(mut call: Incoming<RequestBody>) -> Result<Response, ApiError> {
    call.allow_source()?;
    let now = call.received();
    let request = call.read_body(move |body| SearchRequest::parse(body, now, Searched::Roles)).await?;
    let call = call.parsed()?;
    request.check()?;
    let call = call.authorize(&ClusterRequest::Other(QUERY_ROLES))?;
    let search = request.into_search()?;
    let store = call.store.clone();
    let look = move |budget: &mut Budget| {
        let mut stored = Scanned::new(store.directory().scan_roles(None, budget.cancellation()));
        let reserved: Vec<_> =
            reserved().iter().map(|(name, role)| (name.to_owned(), role.clone())).collect();
        let roles = reserved.into_iter().chain(stored.by_ref()).map(SearchedRole::from);
        let result = search.run(roles, TypedKeys::Plain, budget);
        stored.end()?;
        let result = result?;
        let roles: Vec<FoundRole<'_>> = result.hits.iter().map(FoundRole::from).collect();
        let mut text = AnswerText::new(budget);
        text.push_json(&Found { total: result.total, count: roles.len(), roles })?;
        Ok(text.finish())
    };
    Ok(call.search(look).await?.with_status(StatusCode::OK))
}

impl<'a> From<&'a Hit<SearchedRole>> for FoundRole<'a> {
    fn from(Hit { key, sort_values }: &'a Hit<SearchedRole>) -> Self {
        Self { name: &key.name, role: &key.role, _sort: sort_values }
    }
}

impl From<(String, RoleDescriptor)> for SearchedRole {
    fn from((name, role): (String, RoleDescriptor)) -> Self {
        let written_len = name.len() + json_len(&role);
        Self { id: format!("role-{name}"), name, role, written_len }
    }
}

impl Searchable for SearchedRole {
    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn description(&self) -> Option<&str> {
        self.role.description.as_deref()
    }

    fn applications(&self, part: ApplicationPart) -> Vec<&str> {
        let blocks = self.role.applications.iter();
        match part {
            ApplicationPart::Application => blocks.map(|block| block.application.as_str()).collect(),
            ApplicationPart::Privileges => {
                blocks.flat_map(|block| &block.privileges).map(String::as_str).collect()
            }
            ApplicationPart::Resources => {
                blocks.flat_map(|block| &block.resources).map(String::as_str).collect()
            }
        }
    }

    fn metadata(&self) -> &Map<String, Value> {
        &self.role.metadata
    }

    fn written_len(&self) -> usize {
        self.written_len
    }

    fn held_len(&self) -> usize {
        size_of::<Self>() + HELD_PER_WRITTEN * self.written_len
    }
}
