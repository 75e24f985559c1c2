//! Realms and users.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::model::password::PasswordHash;
use crate::model::realm_name::RealmName;
use crate::model::stored_key::KeyOwner;
use crate::security::roles::SUPERUSER;

/// A user of some realm.
#[derive(Clone, Debug)]
pub struct User {
    /// The name within the realm.
    pub username: String,
    /// The realm that knows the user.
    pub realm: RealmName,
    /// The full name, if there is one.
    pub full_name: Option<String>,
    /// The email address, if there is one.
    pub email: Option<String>,
    /// What the realm knows besides.
    pub metadata: Map<String, Value>,
    /// The names of the user's roles. A role that does not exist grants nothing.
    pub roles: Vec<String>,
    /// A user that is not enabled cannot log in.
    pub enabled: bool,
    /// The hash of the password; `None` for a user who came without one, such as by a token.
    pub password: Option<PasswordHash>,
    /// Whether it owns keys and has no password. Others may act as it (run-as).
    pub is_service_account: bool,
}

/// The users that the service is started with.
#[derive(Clone, Debug, Default)]
pub struct Realms {
    elastic: Option<PasswordHash>,
    file: BTreeMap<String, User>,
}

impl User {
    /// The super-user `elastic` with this password.
    #[must_use]
    pub fn elastic(password: Option<PasswordHash>) -> Self {
        Self {
            username: ELASTIC.to_owned(),
            realm: RealmName::reserved(),
            full_name: None,
            email: None,
            metadata: Map::from_iter([("_reserved".to_owned(), Value::Bool(true))]),
            roles: vec![SUPERUSER.to_owned()],
            enabled: true,
            password,
            is_service_account: false,
        }
    }

    /// A user who was authenticated without a password: by an access token or a JSON Web Token.
    #[must_use]
    pub fn vouched(known: KeyOwner, roles: Vec<String>) -> Self {
        let realm_type = known.realm_type.unwrap_or_default();
        Self {
            username: known.username,
            realm: RealmName { name: known.realm, realm_type },
            full_name: known.full_name,
            email: known.email,
            metadata: known.metadata,
            roles,
            enabled: true,
            password: None,
            is_service_account: false,
        }
    }

    /// A user whom no realm knows, and who may do nothing.
    #[must_use]
    pub fn nobody(username: String) -> Self {
        Self {
            username,
            realm: RealmName { name: String::new(), realm_type: String::new() },
            full_name: None,
            email: None,
            metadata: Map::new(),
            roles: Vec::new(),
            enabled: false,
            password: None,
            is_service_account: false,
        }
    }
}

/// As the owner of a key that the user makes now.
impl From<&User> for KeyOwner {
    fn from(user: &User) -> Self {
        Self {
            username: user.username.clone(),
            realm: user.realm.name.clone(),
            realm_type: Some(user.realm.realm_type.clone()),
            full_name: user.full_name.clone(),
            email: user.email.clone(),
            metadata: user.metadata.clone(),
        }
    }
}

/// The name of the super-user, which no other realm may have.
pub const ELASTIC: &str = "elastic";

impl Realms {
    /// The same, with this password for the super-user until another is stored.
    #[must_use]
    pub fn with_elastic(mut self, password: PasswordHash) -> Self {
        self.elastic = Some(password);
        self
    }

    /// The same, with these users of a file.
    #[must_use]
    pub fn with_file(mut self, users: impl IntoIterator<Item = User>) -> Self {
        self.file.extend(users.into_iter().map(|user| (user.username.clone(), user)));
        self
    }

    /// The super-user's password at the start, if there is one.
    #[must_use]
    pub fn elastic_password(&self) -> Option<&PasswordHash> {
        self.elastic.as_ref()
    }

    /// All users of the file.
    pub fn file_users(&self) -> impl Iterator<Item = &User> {
        self.file.values()
    }

    /// The user of the file with this name.
    #[must_use]
    pub fn file_user(&self, username: &str) -> Option<&User> {
        self.file.get(username)
    }
}
