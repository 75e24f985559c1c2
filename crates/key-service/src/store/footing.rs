//! What a change depends on: the user, key or token that asked for it must still be valid when it is written.
//!
//! A credential is checked when the headers of a request have come. The body may arrive later, and the change
//! may wait in a queue. Meanwhile the user may be disabled, or the key may be invalidated. So the transaction
//! that writes the change checks once more at its beginning. It holds the lock that disabling a user and
//! invalidating a key need too. So either the change comes first, and what it created ends with the user, or
//! it comes too late and nothing is written.

use latchkey_key_feed::KeyId;

use crate::audit::{self, Actor, ShutOutEvent};
use crate::security::token::stamp::PasswordStamp;
use crate::security::token::{Access, TokenDigest};
use crate::store::StoreError;
use crate::store::directory::users::UserKind;
use crate::telemetry;

/// Something that must still hold.
///
/// The store knows nothing of users of the users file, of JWT realms and of the anonymous user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Footing {
    /// A key that was not invalidated.
    Key(KeyId),
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

impl Footing {
    /// The name of the user or the id of the key; an access token has no name.
    fn name(&self) -> Option<&str> {
        match self {
            Self::Key(id) => Some(id.as_str()),
            Self::Token(_) => None,
            Self::User { username, .. } => Some(username),
        }
    }
}

/// Records in the audit log and the metrics that a change was refused because its user, key or token was no
/// longer valid. The store does this and not the request handler, so that a client cannot prevent the line by
/// hanging up.
pub(super) fn tell_if_shut_out<T>(outcome: &Result<T, StoreError>, action: &'static str, actor: &Actor) {
    if let Err(error @ StoreError::ShutOut(footing)) = outcome {
        telemetry::authentication_failed(error.kind());
        audit::record_shut_out(&ShutOutEvent {
            action,
            actor,
            reason: error.kind(),
            claimed: footing.name(),
        });
    }
}
