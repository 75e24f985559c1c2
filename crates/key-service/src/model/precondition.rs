//! What a change depends on.

use latchkey_key_feed::{KeyId, SecretDigest};

use crate::model::password_stamp::PasswordStamp;
use crate::model::stored_user::UserKind;
use crate::model::token::{Access, TokenDigest};

/// Something that must still be valid.
///
/// The store knows nothing of users of the users file, of JWT realms and of the anonymous user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// A key that has not ended.
    Key {
        /// Its id.
        id: KeyId,
        /// The digest of the secret that was presented; then it must still be one of the key's.
        presented: Option<SecretDigest>,
    },
    /// An access token that was not invalidated.
    Token(TokenDigest<Access>),
    /// A user who exists and is enabled.
    User {
        /// Where it is kept.
        kind: UserKind,
        /// The name within the realm.
        username: String,
        /// The stamp of the password that proved the user; then it must still be the password.
        stamp: Option<PasswordStamp>,
    },
}

impl Precondition {
    /// The name of the user or the id of the key; an access token has no name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Key { id, .. } => Some(id.as_str()),
            Self::Token(_) => None,
            Self::User { username, .. } => Some(username),
        }
    }
}
