//! `GET /_security/api_key`.

use axum::http::StatusCode;
use axum::response::Response;
use latchkey_budget::Budget;
use latchkey_elastic::{ErrorCause, ValidationProblems};
use latchkey_key_feed::UnixMillis;
use latchkey_privileges::cluster_request::{ClusterRequest, KeySelection};
use latchkey_privileges::role_descriptor::RoleDescriptors;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::api_key::listing::Listing;
use crate::api::api_key::{name_pattern, owned_by, require_api_keys};
use crate::api::call::Incoming;
use crate::api::call::authenticated::Authenticated;
use crate::api::error::ApiError;
use crate::api::parameters::Parameters;
use crate::model::stored_key::StoredKey;
use crate::store::KeyFilter;

/// What is asked. Blank texts count as absent.
#[derive(Debug)]
struct ListRequest {
    ids: Vec<String>,
    name: Option<String>,
    username: Option<String>,
    realm: Option<String>,
    owner: bool,
    with_limited_by: bool,
    active_only: bool,
}

/// The fields have the order of Elasticsearch's answer.
#[derive(Serialize)]
pub(super) struct ShownKey<'a> {
    id: &'a str,
    name: &'a str,
    r#type: &'static str,
    creation: UnixMillis,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<UnixMillis>,
    invalidated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    invalidation: Option<UnixMillis>,
    username: &'a str,
    realm: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    realm_type: Option<&'a str>,
    metadata: &'a Map<String, Value>,
    role_descriptors: &'a RoleDescriptors,
    #[serde(skip_serializing_if = "Option::is_none")]
    limited_by: Option<[&'a RoleDescriptors; 1]>,
    /// Latchkey's own, of a key that has stopped with its owner.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    suspended: bool,
    /// This and the next are Latchkey's own, of a key that was rotated.
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation: Option<UnixMillis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_secret_expiration: Option<UnixMillis>,
    #[serde(flatten)]
    usage: ShownUsage<'a>,
}

/// How often the key was used: Latchkey's own, of a key of which something was counted.
#[derive(Serialize)]
struct ShownUsage<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    uses_counted_since: Option<UnixMillis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used: Option<UnixMillis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_edge: Option<&'a str>,
    #[serde(skip_serializing_if = "is_none")]
    uses: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_wrong_secret: Option<UnixMillis>,
    #[serde(skip_serializing_if = "is_none")]
    wrong_secrets: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

pub(in crate::api) async fn list(call: Incoming) -> Result<Response, ApiError> {
    let (request, call) = call.parsed_by(ListRequest::read)?;
    require_api_keys(call.settings())?;
    request.validate()?;
    let call = call.authorize(&ClusterRequest::GetKeys {
        selection: request.selection(),
        with_limited_by: request.with_limited_by,
    })?;
    let filter = request.filter(&call.authenticated, call.now());
    let (store, with_limited_by) = (call.store.clone(), request.with_limited_by);
    let write = move |budget: &mut Budget| {
        // The scan begins here, once the work has a permit. Work that waits must not hold a connection to the
        // store.
        let mut keys = store.scan(&filter, budget.cancellation());
        let mut listing = Listing::begin(with_limited_by, budget)?;
        while let Some(key) = keys.blocking_next() {
            listing.push(&key?)?;
        }
        listing.finish()
    };
    let (answer, has_keys) = call.search(write).await?;
    let is_missing = !has_keys && !request.ids.is_empty();
    Ok(answer.with_status(if is_missing { StatusCode::NOT_FOUND } else { StatusCode::OK }))
}

impl ListRequest {
    fn read(mut parameters: Parameters) -> Result<Self, ErrorCause> {
        let request = Self {
            ids: parameters.non_blank("id").into_iter().collect(),
            name: parameters.non_blank("name"),
            username: parameters.non_blank("username"),
            realm: parameters.non_blank("realm_name"),
            owner: parameters.boolean("owner", false)?,
            with_limited_by: parameters.boolean("with_limited_by", false)?,
            active_only: parameters.boolean("active_only", false)?,
        };
        // Users of this service have no profile, so none is shown.
        parameters.boolean("with_profile_uid", false)?;
        parameters.finish()?;
        Ok(request)
    }

    fn validate(&self) -> Result<(), ErrorCause> {
        let by_key = !self.ids.is_empty() || self.name.is_some();
        let by_owner = self.username.is_some() || self.realm.is_some();
        let mut problems = ValidationProblems::new();
        problems.add_if(
            by_key && by_owner,
            "username or realm name must not be specified when the api key id or api key name is specified",
        );
        problems.add_if(
            self.owner && by_owner,
            "neither username nor realm-name may be specified when retrieving owned API keys",
        );
        problems.add_if(
            !self.ids.is_empty() && self.name.is_some(),
            "only one of [api key id, api key name] can be specified",
        );
        problems.into_result()
    }

    fn selection(&self) -> KeySelection<'_> {
        KeySelection {
            ids: &self.ids,
            username: self.username.as_deref(),
            realm: self.realm.as_deref(),
            owner: self.owner,
        }
    }

    fn filter(&self, authenticated: &Authenticated, now: UnixMillis) -> KeyFilter {
        let filter = KeyFilter {
            ids: (!self.ids.is_empty()).then(|| self.ids.clone()),
            name: self.name.as_deref().map(name_pattern),
            username: self.username.clone(),
            realm: self.realm.clone(),
            active_at: self.active_only.then_some(now),
        };
        if self.owner { owned_by(authenticated, filter) } else { filter }
    }
}

pub(super) fn shown(key: &StoredKey, with_limited_by: bool) -> ShownKey<'_> {
    ShownKey {
        id: key.id.as_str(),
        name: &key.name,
        r#type: "rest",
        creation: key.creation,
        expiration: key.expiration,
        invalidated: key.invalidation.is_some(),
        invalidation: key.invalidation,
        username: &key.owner.username,
        realm: &key.owner.realm,
        realm_type: key.owner.realm_type.as_deref(),
        metadata: &key.metadata,
        role_descriptors: &key.role_descriptors,
        limited_by: with_limited_by.then_some([&key.limited_by]),
        suspended: key.is_suspended && key.invalidation.is_none(),
        rotation: key.rotation,
        previous_secret_expiration: key.secrets.previous.map(|previous| previous.until),
        usage: ShownUsage {
            uses_counted_since: key.usage.counted_since,
            last_used: key.usage.last_used,
            last_used_edge: key.usage.last_used_edge.as_deref(),
            uses: key.usage.uses,
            last_wrong_secret: key.usage.last_wrong_secret,
            wrong_secrets: key.usage.wrong_secrets,
        },
    }
}
