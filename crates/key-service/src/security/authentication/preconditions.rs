//! What an authentication depends on, as far as the store can check it later.

use std::sync::Arc;

use super::{Authentication, Authenticator, Means, Subject};
use crate::model::password_stamp::PasswordStamp;
use crate::model::precondition::Precondition;
use crate::model::realm_name::{NATIVE, RESERVED, RealmName};
use crate::model::stored_key::KeyOwner;
use crate::model::stored_user::UserKind;
use crate::store::StoreError;

/// The owner of a key is shut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OwnerInvalid;

impl Authentication {
    /// What must still be valid when a change for this caller is written.
    #[must_use]
    pub(crate) fn preconditions(&self) -> Vec<Precondition> {
        let mut preconditions = Vec::new();
        preconditions.extend(self.authenticating.precondition_by_proof());
        if let Means::Token(digest) = &self.means {
            preconditions.push(Precondition::Token(*digest));
        }
        if self.is_run_as() {
            preconditions.extend(self.subject().precondition());
        }
        preconditions
    }
}

impl Authenticator {
    /// What must be valid for the owner of a key. This service knows nothing of users of JWT realms. The
    /// owner of a key that another key made is known by name alone.
    ///
    /// # Errors
    ///
    /// The outer error when the store cannot tell.
    pub(crate) async fn precondition_of_owner(
        &self,
        owner: &KeyOwner,
    ) -> Result<Result<Option<Precondition>, OwnerInvalid>, StoreError> {
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
            Some(user) if user.enabled => Ok(Subject::User(Arc::new(user)).precondition()),
            None if is_derived && self.schemes().jwt => Ok(None),
            Some(_) | None => Err(OwnerInvalid),
        })
    }
}

impl Subject {
    /// What must be valid for this subject.
    #[must_use]
    pub(crate) fn precondition(&self) -> Option<Precondition> {
        match self.precondition_by_proof()? {
            Precondition::User { kind, username, .. } => {
                Some(Precondition::User { kind, username, stamp: None })
            }
            Precondition::Key { id, .. } => Some(Precondition::Key { id, presented: None }),
            precondition @ Precondition::Token(_) => Some(precondition),
        }
    }

    /// The same for what proved it: the user's password, or the key's secret, must still be the same.
    #[must_use]
    pub(crate) fn precondition_by_proof(&self) -> Option<Precondition> {
        let user = match self {
            Self::ApiKey(key) => return Some(key.precondition()),
            Self::User(user) => user,
        };
        let kind = match user.realm.realm_type.as_str() {
            NATIVE => UserKind::Native,
            RESERVED => UserKind::Reserved,
            _ => return None,
        };
        let stamp = user.password.as_ref().map(PasswordStamp::of);
        Some(Precondition::User { kind, username: user.username.clone(), stamp })
    }
}
