//! `GET /_security/_authenticate`: who am I?

use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::answer;
use crate::api::authenticated::Authenticated;
use crate::api::error::ApiError;
use crate::api::parameters::Parameters;
use crate::api::routing::NoBody;
use crate::security::authentication::Subject;
use crate::security::realm::{RealmName, User};
use crate::security::request::ClusterRequest;
use crate::store::StoredKey;

/// In the order of Elasticsearch's own answer.
#[derive(Serialize)]
struct Identity<'a> {
    username: &'a str,
    roles: &'a [String],
    full_name: Option<&'a str>,
    email: Option<&'a str>,
    metadata: &'a Map<String, Value>,
    enabled: bool,
    authentication_realm: Realm<'a>,
    lookup_realm: Realm<'a>,
    authentication_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<PresentedKey<'a>>,
}

#[derive(Serialize)]
struct Realm<'a> {
    name: &'a str,
    r#type: &'a str,
}

#[derive(Serialize)]
struct PresentedKey<'a> {
    id: &'a str,
    name: &'a str,
    managed_by: &'static str,
}

/// Who vouches for whom, and how: with run-as, the first realm is the runner's and the second that of the user he acts as.
struct Proof {
    authentication_realm: RealmName,
    lookup_realm: RealmName,
    authentication_type: &'static str,
}

pub(super) async fn show(
    authenticated: Authenticated,
    parameters: Parameters,
    _: NoBody,
) -> Result<Response, ApiError> {
    parameters.finish()?;
    authenticated.authorize(&ClusterRequest::Authenticate)?;
    let authentication = &authenticated.authentication;
    let proof = Proof {
        authentication_realm: realm_of(authentication.authenticating()),
        lookup_realm: realm_of(authentication.subject()),
        authentication_type: match authentication.authenticating() {
            Subject::ApiKey(_) => "api_key",
            Subject::User(_) if authenticated.is_anonymous() => "anonymous",
            Subject::User(_) => "realm",
        },
    };
    match authentication.subject() {
        Subject::ApiKey(key) => answer::ok(&identity_of_key(key.key(), &proof)),
        Subject::User(user) => answer::ok(&identity_of_user(user, &authenticated.roles.assigned, &proof)),
    }
}

/// The realm that vouches for somebody.
fn realm_of(subject: &Subject) -> RealmName {
    match subject {
        Subject::ApiKey(_) => RealmName::api_key(),
        Subject::User(user) => user.realm.clone(),
    }
}

fn identity_of_user<'a>(user: &'a User, roles: &'a [String], proof: &'a Proof) -> Identity<'a> {
    Identity {
        username: &user.username,
        roles,
        full_name: user.full_name.as_deref(),
        email: user.email.as_deref(),
        metadata: &user.metadata,
        enabled: true,
        authentication_realm: shown(&proof.authentication_realm),
        lookup_realm: shown(&proof.lookup_realm),
        authentication_type: proof.authentication_type,
        api_key: None,
    }
}

/// The owner, as the owner was when the key was made. `metadata` is the owner's, not the key's.
fn identity_of_key<'a>(key: &'a StoredKey, proof: &'a Proof) -> Identity<'a> {
    Identity {
        username: &key.owner.username,
        roles: &[],
        full_name: key.owner.full_name.as_deref(),
        email: key.owner.email.as_deref(),
        metadata: &key.owner.metadata,
        enabled: true,
        authentication_realm: shown(&proof.authentication_realm),
        lookup_realm: shown(&proof.lookup_realm),
        authentication_type: proof.authentication_type,
        api_key: Some(PresentedKey { id: key.id.as_str(), name: &key.name, managed_by: "elasticsearch" }),
    }
}

fn shown(realm: &RealmName) -> Realm<'_> {
    Realm { name: &realm.name, r#type: &realm.realm_type }
}
