//! The names and types of realms.

/// The type, and the usual name, of the realm of the users file.
pub const FILE: &str = "file";

/// The type, and the usual name, of the realm of the users that are managed over the interface.
pub const NATIVE: &str = "native";

/// The type and name of the realm of built-in users.
pub const RESERVED: &str = "reserved";

/// The name and the type of a realm, as the REST interface shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealmName {
    /// Which realm.
    pub name: String,
    /// What kind of realm.
    pub realm_type: String,
}

impl RealmName {
    /// The realm of built-in users, such as `elastic`.
    #[must_use]
    pub fn reserved() -> Self {
        Self { name: RESERVED.to_owned(), realm_type: RESERVED.to_owned() }
    }

    /// The realm of the users file.
    #[must_use]
    pub fn file() -> Self {
        Self { name: FILE.to_owned(), realm_type: FILE.to_owned() }
    }

    /// The realm of the users that are managed over the interface.
    #[must_use]
    pub fn native() -> Self {
        Self { name: NATIVE.to_owned(), realm_type: NATIVE.to_owned() }
    }

    /// The realm of requests that present an API key (Elasticsearch,
    /// `AuthenticationField.API_KEY_REALM_NAME`).
    #[must_use]
    pub fn api_key() -> Self {
        Self { name: "_es_api_key".to_owned(), realm_type: "_es_api_key".to_owned() }
    }
}
