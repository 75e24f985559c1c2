//! What an authentication depends on, as far as the store can check it later.

use std::sync::Arc;

use super::{Authentication, Authenticator, Means, Subject};
use crate::model::footing::Footing;
use crate::model::password_stamp::PasswordStamp;
use crate::model::realm_name::{NATIVE, RESERVED, RealmName};
use crate::model::stored_key::KeyOwner;
use crate::model::stored_user::UserKind;
use crate::store::StoreError;

/// The owner of a key is shut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OwnerShutOut;

impl Authentication {
    /// What must still be valid when a change for this caller is written.
    #[must_use]
    pub(crate) fn footings(&self) -> Vec<Footing> {
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

impl Authenticator {
    /// What must be valid for the owner of a key. This service knows nothing of users of JWT realms. The
    /// owner of a key that another key made is known by name alone.
    ///
    /// # Errors
    ///
    /// The outer error when the store cannot tell.
    pub(crate) async fn footing_of_owner(
        &self,
        owner: &KeyOwner,
    ) -> Result<Result<Option<Footing>, OwnerShutOut>, StoreError> {
        if self.jwt_realms.has(&owner.realm) {
            return Ok(Ok(None));
        }
        let is_derived = owner.realm == RealmName::api_key().name;
        let found = if is_derived {
            self.realms.find(&owner.username).await?
        } else {
            self.realms.find_in(&owner.realm, &owner.username).await?
        };
        Ok(match found {
            Some(user) if user.enabled => Ok(Subject::User(Arc::new(user)).footing()),
            None if is_derived && self.schemes().jwt => Ok(None),
            Some(_) | None => Err(OwnerShutOut),
        })
    }
}

impl Subject {
    /// What must be valid for this subject.
    #[must_use]
    pub(crate) fn footing(&self) -> Option<Footing> {
        match self.footing_by_proof()? {
            Footing::User { kind, username, .. } => Some(Footing::User { kind, username, stamp: None }),
            footing => Some(footing),
        }
    }

    /// The same for a login by password, which must still be the user's password.
    #[must_use]
    pub(crate) fn footing_by_proof(&self) -> Option<Footing> {
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
