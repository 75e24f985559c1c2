//! Users that are managed over the REST interface, as they are stored.

use serde_json::{Map, Value};

use crate::model::password::PasswordHash;

/// A user of the native realm, as stored.
#[derive(Clone, Debug)]
pub struct NativeUser {
    /// The name within the realm.
    pub username: String,
    /// The hash of the password.
    pub password: PasswordHash,
    /// What else is known.
    pub profile: UserProfile,
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
