//! `GET /_security/user` and `GET /_security/user/{usernames}`.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::Response;
use latchkey_budget::Budget;
use latchkey_privileges::cluster_request::{ClusterRequest, GET_USERS};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::answer::members::Members;
use crate::api::call::{Allowed, Incoming};
use crate::api::error::ApiError;
use crate::model::realm_name::RealmName;
use crate::security::anonymous::AnonymousAccess;
use crate::security::realm::{ELASTIC, User};
use crate::security::realm_chain::user_of;
use crate::store::StoreError;

/// The fields have the order of Elasticsearch's answer.
#[derive(Serialize)]
pub(super) struct ShownUser {
    username: String,
    roles: Vec<String>,
    full_name: Option<String>,
    email: Option<String>,
    metadata: Map<String, Value>,
    enabled: bool,
}

pub(in crate::api) async fn list(mut call: Incoming) -> Result<Response, ApiError> {
    let names = call.path.names("username");
    // Users of this service have no profile, so none is shown.
    call.parameters.boolean("with_profile_uid", false)?;
    let call = call.parsed()?.authorize(&ClusterRequest::Other(GET_USERS))?;
    let of_the_service = users_of_the_service(&call, &names).await?;
    let is_for_all = names.is_empty();
    let store = call.store.clone();
    let write = move |budget: &mut Budget| {
        let names = (!names.is_empty()).then_some(names.as_slice());
        let mut users = store.users().scan(names, budget.cancellation());
        let mut shown = Members::begin(of_the_service, budget)?;
        while let Some(user) = users.blocking_next() {
            let user = user_of(user?, RealmName::native());
            shown.push(&user.username.clone(), &ShownUser::from(user))?;
        }
        shown.finish()
    };
    let (answer, has_any) = call.search(write).await?;
    // A list without names may be empty. A request that names users gets 404 if there are none of them.
    Ok(answer.with_status(if has_any || is_for_all { StatusCode::OK } else { StatusCode::NOT_FOUND }))
}

/// The reserved users, or those of them that are named.
async fn users_of_the_service(
    call: &Allowed,
    names: &[String],
) -> Result<BTreeMap<String, ShownUser>, StoreError> {
    let is_asked = |username: &str| names.is_empty() || names.iter().any(|name| name == username);
    let mut users = Vec::new();
    if is_asked(ELASTIC) {
        users.push(call.authenticator.realms().elastic().await?);
    }
    let anonymous = call.settings.anonymous.as_ref().map(AnonymousAccess::user);
    users.extend(anonymous.filter(|user| is_asked(&user.username)));
    Ok(users.into_iter().map(|user| (user.username.clone(), ShownUser::from(user))).collect())
}

impl From<User> for ShownUser {
    fn from(user: User) -> Self {
        Self {
            username: user.username,
            roles: user.roles,
            full_name: user.full_name,
            email: user.email,
            metadata: user.metadata,
            enabled: user.enabled,
        }
    }
}
