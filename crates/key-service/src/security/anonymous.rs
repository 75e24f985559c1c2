//! Anonymous access: requests without a credential, where the operator allows them.
//!
//! Anonymous access is off unless the operator gives the anonymous user a role. Its roles then also count for
//! every other user, because an authenticated user must not be able to do less than an anonymous one
//! (Elasticsearch, "Enabling anonymous access").

use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::{Map, Value};

use crate::model::realm_name::RealmName;
use crate::security::realm::User;

/// The name and the type of the anonymous user's realm (Elasticsearch,
/// `AuthenticationField.ANONYMOUS_REALM_NAME`).
pub const ANONYMOUS_REALM: &str = "__anonymous";

/// The anonymous user's name when the operator chooses none (Elasticsearch,
/// `AnonymousUser.DEFAULT_ANONYMOUS_USERNAME`).
pub const ANONYMOUS_USERNAME: &str = "_anonymous";

/// The anonymous user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnonymousAccess {
    /// The name.
    pub username: String,
    /// The names of the roles; never empty.
    pub roles: Vec<String>,
    /// Whether the anonymous user gets 403 for what it may not do, rather than 401.
    pub authz_exception: bool,
}

impl AnonymousAccess {
    /// The anonymous user as a user.
    #[must_use]
    pub fn user(&self) -> User {
        User {
            username: self.username.clone(),
            realm: RealmName { name: ANONYMOUS_REALM.to_owned(), realm_type: ANONYMOUS_REALM.to_owned() },
            full_name: None,
            email: None,
            metadata: Map::from_iter([("_reserved".to_owned(), Value::Bool(true))]),
            roles: self.roles.clone(),
            enabled: true,
            password: None,
            is_service_account: false,
        }
    }
}

/// Whether a request without a usable credential may count as the anonymous user's. A request with a token or
/// an API key of any form does not (Elasticsearch, `AuthenticatorChain`).
#[must_use]
pub fn may_stand_in(headers: &HeaderMap) -> bool {
    headers.get_all(AUTHORIZATION).iter().all(|value| {
        ["Bearer ", "ApiKey "].iter().all(|scheme| {
            let value = value.as_bytes();
            let is_of_scheme =
                value.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()));
            !(is_of_scheme && value.len() > scheme.len())
        })
    })
}
