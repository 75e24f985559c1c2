//! `GET /_security/_authenticate`: who am I?

use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::answer;
use crate::api::authenticated::Authenticated;
use crate::api::error::ApiError;
use crate::api::parameters::Parameters;
use crate::api::routing::NoBody;
use crate::security::authentication::{Means, Subject};
use crate::security::realm::{RealmName, User};
use crate::security::request::ClusterRequest;
use crate::store::StoredKey;

/// In the order of Elasticsearch's own answer.
#[derive(Serialize)]
pub(super) struct Identity<'a> {
    username: &'a str,
    roles: &'a [String],
    full_name: Option<&'a str>,
    email: Option<&'a str>,
    metadata: &'a Map<String, Value>,
    enabled: bool,
    authentication_realm: Realm,
    lookup_realm: Realm,
    authentication_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<PresentedKey<'a>>,
}

#[derive(Serialize)]
struct Realm {
    name: String,
    r#type: String,
}

#[derive(Serialize)]
struct PresentedKey<'a> {
    id: &'a str,
    name: &'a str,
    managed_by: &'static str,
}

pub(super) async fn show(
    authenticated: Authenticated,
    parameters: Parameters,
    _: NoBody,
) -> Result<Response, ApiError> {
    parameters.finish()?;
    authenticated.authorize(&ClusterRequest::Authenticate)?;
    let identity = identity(authenticated.authentication.subject());
    match authenticated.authentication.means() {
        Means::Jwt { .. } | Means::Own => answer::ok(&identity),
        Means::Token(_) => answer::ok(&Identity { authentication_type: "token", ..identity }),
    }
}

/// Who somebody is, as if authenticated by a credential of the subject's own.
pub(super) fn identity(subject: &Subject) -> Identity<'_> {
    match subject {
        Subject::ApiKey(key) => identity_of_key(key.key()),
        Subject::User(user) => identity_of_user(user),
    }
}

fn identity_of_user(user: &User) -> Identity<'_> {
    Identity {
        username: &user.username,
        roles: &user.roles,
        full_name: user.full_name.as_deref(),
        email: user.email.as_deref(),
        metadata: &user.metadata,
        enabled: true,
        authentication_realm: shown(&user.realm),
        lookup_realm: shown(&user.realm),
        authentication_type: "realm",
        api_key: None,
    }
}

/// The owner, as the owner was when the key was made. `metadata` is the owner's, not the key's.
fn identity_of_key(key: &StoredKey) -> Identity<'_> {
    let realm = RealmName::api_key();
    Identity {
        username: &key.owner.username,
        roles: &[],
        full_name: key.owner.full_name.as_deref(),
        email: key.owner.email.as_deref(),
        metadata: &key.owner.metadata,
        enabled: true,
        authentication_realm: shown(&realm),
        lookup_realm: shown(&realm),
        authentication_type: "api_key",
        api_key: Some(PresentedKey { id: key.id.as_str(), name: &key.name, managed_by: "elasticsearch" }),
    }
}

fn shown(realm: &RealmName) -> Realm {
    Realm { name: realm.name.clone(), r#type: realm.realm_type.clone() }
}
