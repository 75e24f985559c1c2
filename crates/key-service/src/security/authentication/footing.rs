//! What an authentication depends on, as far as the store can check it later.

use super::{Authentication, Means, Subject};
use crate::security::realm::{NATIVE, RESERVED};
use crate::security::token::stamp::PasswordStamp;
use crate::store::directory::users::UserKind;
use crate::store::footing::Footing;

impl Authentication {
    /// What must still be valid when a change for this caller is written.
    #[must_use]
    pub fn footings(&self) -> Vec<Footing> {
        let mut footings = Vec::new();
        footings.extend(self.authenticating.footing_by_proof());
        if let Means::Token(digest) = &self.means {
            footings.push(Footing::Token(*digest));
        }
        if self.is_run_as() {
            footings.extend(self.subject().footing());
        }
        footings
    }
}

impl Subject {
    /// What must be valid for this subject.
    #[must_use]
    pub fn footing(&self) -> Option<Footing> {
        match self.footing_by_proof()? {
            Footing::User { kind, username, .. } => Some(Footing::User { kind, username, stamp: None }),
            footing => Some(footing),
        }
    }

    /// The same for a login by password, which must still be the user's password.
    #[must_use]
    pub fn footing_by_proof(&self) -> Option<Footing> {
        let user = match self {
            Self::ApiKey(key) => return Some(Footing::Key(key.key().id.clone())),
            Self::User(user) => user,
        };
        let kind = match user.realm.realm_type.as_str() {
            NATIVE => UserKind::Native,
            RESERVED => UserKind::Reserved,
            _ => return None,
        };
        let stamp = user.password.as_ref().map(PasswordStamp::of);
        Some(Footing::User { kind, username: user.username.clone(), stamp })
    }
}
