//! `GET /_security/user` and `GET /_security/user/{usernames}`.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use latchkey_privileges::cluster_request::{ClusterRequest, GET_USERS};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::authenticated::Authenticated;
use crate::api::error::ApiError;
use crate::api::parameters::Parameters;
use crate::api::path_text::PathTexts;
use crate::api::routing::NoBody;
use crate::api::{Service, SharedService};
use crate::security::anonymous::AnonymousAccess;
use crate::security::realm::{ELASTIC, RealmName, User};
use crate::security::realm_chain::user_of;
use crate::store::StoreError;

/// In the order of Elasticsearch's own answer.
#[derive(Serialize)]
struct ShownUser {
    username: String,
    roles: Vec<String>,
    full_name: Option<String>,
    email: Option<String>,
    metadata: Map<String, Value>,
    enabled: bool,
}

pub(in crate::api) async fn list(
    State(service): State<SharedService>,
    authenticated: Authenticated,
    mut path: PathTexts,
    mut parameters: Parameters,
    _: NoBody,
) -> Result<Response, ApiError> {
    let names = path.names("username");
    // Nobody here has a profile, so nothing is shown of one.
    parameters.boolean("with_profile_uid", false)?;
    parameters.finish()?;
    authenticated.authorize(&ClusterRequest::Other(GET_USERS))?;
    let users = service.users((!names.is_empty()).then_some(names.as_slice())).await?;
    // Who asks for nobody in particular is answered with nobody; who asks for somebody has not found him.
    let is_missing = !names.is_empty() && users.is_empty();
    let status = if is_missing { StatusCode::NOT_FOUND } else { StatusCode::OK };
    let shown: BTreeMap<String, ShownUser> =
        users.into_iter().map(|user| (user.username.clone(), ShownUser::from(user))).collect();
    service.write_answer(&authenticated, status, shown).await
}

impl Service {
    /// The users that are managed over the interface, or those of them that are named.
    async fn users(&self, names: Option<&[String]>) -> Result<Vec<User>, StoreError> {
        let is_asked = |username: &str| names.is_none_or(|names| names.iter().any(|name| name == username));
        let mut users = Vec::new();
        if is_asked(ELASTIC) {
            users.push(self.authenticator.realms().elastic().await?);
        }
        let anonymous = self.settings.anonymous.as_ref().map(AnonymousAccess::user);
        users.extend(anonymous.filter(|user| is_asked(&user.username)));
        let native = self.store.native_users(names).await?;
        users.extend(native.into_iter().map(|user| user_of(user, RealmName::native())));
        Ok(users)
    }
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
