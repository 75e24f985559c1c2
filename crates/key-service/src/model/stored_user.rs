//! Users that are managed over the REST interface, as they are stored.

use serde_json::{Map, Value};

use crate::model::password::PasswordHash;

/// What is shown among the metadata of a service account. Nobody chooses metadata of such names.
const SERVICE_ACCOUNT: &str = "_service_account";

/// What is shown there while the account's keys are suspended.
const KEYS_SUSPENDED: &str = "_keys_suspended";

/// A user of the native realm, as stored.
#[derive(Clone, Debug)]
pub struct NativeUser {
    /// The name within the realm.
    pub username: String,
    /// The hash of the password; `None` for a service account, as which nobody logs in.
    pub password: Option<PasswordHash>,
    /// The realm by which the keys name their owner, while they are suspended: those of a service account that
    /// was disabled.
    pub suspended_realm: Option<String>,
    /// What else is known.
    pub profile: UserProfile,
}

/// What a user who is written is to prove himself by.
#[derive(Clone, Debug)]
pub enum Proof {
    /// What it was before.
    Unchanged,
    /// This password.
    Password(Box<PasswordHash>),
    /// Nothing: it is a service account.
    ServiceAccount,
}

/// What is known of a native user besides name and password.
#[derive(Clone, Debug, PartialEq)]
pub struct UserProfile {
    /// The names of the roles.
    pub roles: Vec<String>,
    /// The full name, if there is one.
    pub full_name: Option<String>,
    /// The email address, if there is one.
    pub email: Option<String>,
    /// Whatever was attached to the user.
    pub metadata: Map<String, Value>,
    /// Whether the user is enabled.
    pub enabled: bool,
}

/// A profile as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenProfile {
    /// The profile.
    pub profile: UserProfile,
    /// Whether somebody said that the user is enabled, or is not. A service account that is disabled stays so where nobody
    /// did: its keys do not work again because its roles are written. A user is enabled then, as in Elasticsearch.
    pub enabled_is_said: bool,
}

impl From<UserProfile> for WrittenProfile {
    fn from(profile: UserProfile) -> Self {
        Self { profile, enabled_is_said: true }
    }
}

impl NativeUser {
    /// Whether it owns keys and cannot log in.
    #[must_use]
    pub fn is_service_account(&self) -> bool {
        self.password.is_none()
    }

    /// The same user with what the service says of it among the metadata, as Elasticsearch says `_reserved`.
    #[must_use]
    pub fn described(mut self) -> Self {
        let said =
            [(SERVICE_ACCOUNT, self.is_service_account()), (KEYS_SUSPENDED, self.suspended_realm.is_some())];
        for (name, _) in said.into_iter().filter(|(_, is_so)| *is_so) {
            self.profile.metadata.insert(name.to_owned(), Value::Bool(true));
        }
        self
    }
}

impl From<Option<PasswordHash>> for Proof {
    fn from(password: Option<PasswordHash>) -> Self {
        password.map_or(Self::Unchanged, |hash| Self::Password(Box::new(hash)))
    }
}

/// What was changed about a built-in user.
#[derive(Clone, Debug)]
pub struct ReservedUser {
    /// The password, when it was changed.
    pub password: Option<PasswordHash>,
    /// Whether the user is enabled.
    pub enabled: bool,
}

/// Which of the two kinds of users a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserKind {
    /// Of the native realm. Changing one who does not exist changes nothing.
    Native,
    /// A built-in user, which always exists.
    Reserved,
}
