//! `GET /_security/_authenticate`: who am I?

use std::sync::Arc;

use axum::response::Response;
use latchkey_privileges::cluster_request::ClusterRequest;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::answer;
use crate::api::call::{Allowed, Incoming};
use crate::api::error::ApiError;
use crate::model::realm_name::RealmName;
use crate::model::stored_key::StoredKey;
use crate::security::authentication::{Means, Subject};
use crate::security::authorization::WholeKey;
use crate::security::realm::User;

/// The fields have the order of Elasticsearch's answer.
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

/// A user or key with all that is known about it.
pub(super) enum Identified {
    ApiKey(WholeKey),
    User(Arc<User>),
}

/// The realms and the kind of the authentication. With run-as, the first realm is the runner's, and the
/// second that of the user as whom the runner acts.
pub(super) struct Proof {
    authentication_realm: RealmName,
    lookup_realm: RealmName,
    authentication_type: &'static str,
}

pub(super) async fn show(call: Incoming) -> Result<Response, ApiError> {
    let mut call = call.parsed()?.authorize(&ClusterRequest::Authenticate)?;
    // The memory is given back before more is read.
    call.authenticated.give_back_permission();
    let authentication = &call.authenticated.authentication;
    let proof = Proof {
        authentication_realm: realm_of(authentication.authenticating()),
        lookup_realm: realm_of(authentication.subject()),
        authentication_type: match (authentication.means(), authentication.authenticating()) {
            (Means::Token(_), _) => "token",
            (Means::Jwt { .. } | Means::Own, Subject::ApiKey(_)) => "api_key",
            (Means::Own, Subject::User(_)) if call.authenticated.is_anonymous() => "anonymous",
            (Means::Jwt { .. } | Means::Own, Subject::User(_)) => "realm",
        },
    };
    let who = Identified::of(&call, authentication.subject()).await?;
    answer::ok(&identity(&who, &call.authenticated.roles.assigned, &proof))
}

impl Proof {
    /// The description of a caller with a credential of its own, without run-as.
    pub(super) fn own(subject: &Subject) -> Self {
        Self {
            authentication_realm: realm_of(subject),
            lookup_realm: realm_of(subject),
            authentication_type: match subject {
                Subject::ApiKey(_) => "api_key",
                Subject::User(_) => "realm",
            },
        }
    }
}

/// The identity. `roles` are those of the user; a key has none.
pub(super) fn identity<'a>(who: &'a Identified, roles: &'a [String], proof: &'a Proof) -> Identity<'a> {
    match who {
        Identified::ApiKey(whole) => identity_of_key(&whole.key, proof),
        Identified::User(user) => identity_of_user(user, roles, proof),
    }
}

impl Identified {
    /// A user or key with all that is known about it.
    ///
    /// # Errors
    ///
    /// When the store does not answer, or the budget is exceeded.
    pub(super) async fn of(call: &Allowed, subject: &Subject) -> Result<Self, ApiError> {
        Ok(match subject {
            Subject::ApiKey(key) => Self::ApiKey(call.whole_key(key).await?),
            Subject::User(user) => Self::User(Arc::clone(user)),
        })
    }
}

/// The realm that has authenticated the user or key.
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

/// The owner as it was when the key was made. `metadata` is that of the owner, not that of the key.
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

fn shown(realm: &RealmName) -> Realm {
    Realm { name: realm.name.clone(), r#type: realm.realm_type.clone() }
}
