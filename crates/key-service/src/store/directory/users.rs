//! The users that are managed over the REST interface, and what ends when one of them is shut out.
//!
//! To shut a user out is to disable or delete the user. The user's tokens end in the same transaction, for
//! ever: they stay ended when the user is enabled again, or when another user of the same name is created.
//! Keys go on working, as in Elasticsearch, unless the change ends them in the same transaction. Very many are ended in parts:
//! the first with the user, and then more, between which other changes are made.
//!
//! Keys of a service account may also be suspended: they stop with the account, and work again with it.

mod keys;

use latchkey_budget::Cancellation;
use latchkey_key_feed::UnixMillis;
use tracing::Instrument as _;

use super::{Written, event, write};
use crate::audit::Actor;
use crate::audit::directory_events::DirectoryAction;
use crate::model::password::PasswordHash;
use crate::model::realm_name::{RESERVED, RealmName};
use crate::model::stored_user::{NativeUser, Proof, ReservedUser, UserKind, WrittenProfile};
use crate::store::scan::Scan;
use crate::store::sql::directory_rows::users;
use crate::store::sql::scan::Selection;
use crate::store::{KeyFilter, KeyStore, StoreError};

use keys::RESUMED;
pub(in crate::store) use keys::ShutOut;
pub(crate) use keys::{KeysLeft, KeysOfUser};

/// A user whose account is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The name within the realm.
    pub username: String,
    /// The realm, by which tokens and keys name the user.
    pub realm: String,
    /// Where it is kept.
    pub kind: UserKind,
}

/// Why a user was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserRefusal {
    /// The user would be new, and there are as many as there may be.
    Full,
    /// The user has a password, and so is no service account and never becomes one.
    NoServiceAccount,
    /// The user would be new, and a new user needs a password.
    PasswordRequired,
    /// It is a service account, which never has a password.
    ServiceAccount,
}

/// The users of a store.
#[derive(Clone, Copy, Debug)]
pub struct Users<'a>(pub(in crate::store) &'a KeyStore);

impl Users<'_> {
    /// The native user with this name.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn native(self, username: &str) -> Result<Option<NativeUser>, StoreError> {
        users::find_native_user(&self.0.database, username).await
    }

    /// Whether a native user is enabled.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn has_enabled(self) -> Result<bool, StoreError> {
        users::has_enabled_user(&self.0.database).await
    }

    /// What was changed about a built-in user; `None` while nothing was.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn reserved(self, username: &str) -> Result<Option<ReservedUser>, StoreError> {
        users::find_reserved_user(&self.0.database, username).await
    }

    /// Creates or replaces a native user. A user who is not enabled then is shut out; the answer says what happened to the
    /// keys.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing was written.
    pub async fn put(
        self,
        account: Account,
        profile: impl Into<WrittenProfile>,
        proof: impl Into<Proof>,
        keys: KeysOfUser,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<Result<(Written, KeysLeft), UserRefusal>, StoreError> {
        let (profile, proof) = (profile.into(), proof.into());
        let is_enabled = profile.profile.enabled;
        let event = event(DirectoryAction::PutUser, vec![account.username.clone()], actor.clone(), now);
        let store = self.0.clone();
        to_the_end(async move {
            let owner = account.clone();
            let written = write(&store, event, move |database, event| async move {
                users::put_user(&database, &account, &profile, &proof, keys, event).await
            });
            match written.await? {
                Ok((written, mut shut_out)) => {
                    if is_enabled {
                        shut_out.tell_the_rest(&store, &owner, RESUMED, actor, now).await?;
                    } else {
                        shut_out.finish(&store, &owner, keys, actor, now).await?;
                    }
                    Ok(Ok((written, shut_out.left)))
                }
                Err(refusal) => Ok(Err(refusal)),
            }
        })
        .await
    }

    /// Removes a native user, and tells what happened to the keys; `None` when there was no such user.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing was removed.
    pub async fn delete(
        self,
        account: Account,
        keys: KeysOfUser,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<Option<KeysLeft>, StoreError> {
        let event = event(DirectoryAction::DeleteUser, vec![account.username.clone()], actor.clone(), now);
        let store = self.0.clone();
        to_the_end(async move {
            let mut ended = KeysLeft::default();
            loop {
                let (removed, event) = (account.clone(), event.clone());
                let removed = write(&store, event, move |database, event| async move {
                    users::delete_user(&database, &removed, keys, event).await
                });
                let Some(mut shut_out) = removed.await? else { return Ok(None) };
                let is_removed = shut_out.is_whole;
                shut_out.finish(&store, &account, keys, actor.clone(), now).await?;
                ended.append(shut_out.left);
                if is_removed {
                    return Ok(Some(ended));
                }
            }
        })
        .await
    }

    /// Gives a user another password, and tells whether there is such a user. Tokens that the old password
    /// gave end with that.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing was changed.
    pub async fn change_password(
        self,
        account: Account,
        password: PasswordHash,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let event = event(DirectoryAction::ChangePassword, vec![account.username.clone()], actor, now);
        write(self.0, event, move |database, event| async move {
            users::change_password(&database, &account, &password, event).await
        })
        .await
    }

    /// Enables a user, and tells which keys work again with that; `None` when there is no such user.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing was changed.
    pub async fn enable(
        self,
        account: Account,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<Option<KeysLeft>, StoreError> {
        let event = event(DirectoryAction::EnableUser, vec![account.username.clone()], actor.clone(), now);
        let store = self.0.clone();
        to_the_end(async move {
            let (owner, (_, keys_max)) = (account.clone(), RESUMED);
            let enabled = write(&store, event, move |database, event| async move {
                users::enable_user(&database, &account, keys_max, event).await
            });
            let Some(mut shut_out) = enabled.await? else { return Ok(None) };
            shut_out.tell_the_rest(&store, &owner, RESUMED, actor, now).await?;
            Ok(Some(shut_out.left))
        })
        .await
    }

    /// Disables a user, and tells what happened to the keys; `None` when there is no such user.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing was changed.
    pub async fn disable(
        self,
        account: Account,
        keys: KeysOfUser,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<Option<KeysLeft>, StoreError> {
        let event = event(DirectoryAction::DisableUser, vec![account.username.clone()], actor.clone(), now);
        let store = self.0.clone();
        to_the_end(async move {
            let owner = account.clone();
            let disabled = write(&store, event, move |database, event| async move {
                users::disable_user(&database, &account, keys, event).await
            });
            let Some(mut shut_out) = disabled.await? else { return Ok(None) };
            shut_out.finish(&store, &owner, keys, actor, now).await?;
            Ok(Some(shut_out.left))
        })
        .await
    }

    /// Resets a built-in user to what it was at the first start.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing was forgotten.
    pub async fn reset(self, account: Account, actor: Actor, now: UnixMillis) -> Result<bool, StoreError> {
        let event = event(DirectoryAction::ResetUser, vec![account.username.clone()], actor, now);
        write(self.0, event, move |database, event| async move {
            users::reset_reserved_user(&database, &account, event).await
        })
        .await
    }

    /// The native users with these names, or all of them, in the order of their names, until the work is
    /// cancelled that reads them.
    #[must_use]
    pub fn scan(self, names: Option<&[String]>, cancellation: Cancellation) -> Scan<NativeUser> {
        Scan::begin(self.0.database.clone(), Selection::of_users(names), cancellation)
    }
}

impl Account {
    /// A built-in user, of the realm `reserved`.
    #[must_use]
    pub fn reserved(username: impl Into<String>) -> Self {
        let realm = RESERVED.to_owned();
        Self { username: username.into(), realm, kind: UserKind::Reserved }
    }

    /// The realms under which keys name it as their owner: the one of keys that its keys made (`_es_api_key`), and its
    /// own. The former do not keep the owner's realm, so those of a user with the same name in another realm count too.
    pub(in crate::store) fn realms_of_keys(&self) -> [String; 2] {
        [RealmName::api_key().name, self.realm.clone()]
    }

    /// Its keys. Its own come last: among them may be the key of an edge, whose last page reaches up to the end of the change
    /// that ends it.
    pub(in crate::store) fn keys(&self) -> [KeyFilter; 2] {
        self.realms_of_keys().map(|realm| KeyFilter {
            username: Some(self.username.clone()),
            realm: Some(realm),
            ..KeyFilter::default()
        })
    }
}

/// Does it in a task of its own, so that no part is left out when the caller goes away.
async fn to_the_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::spawn(change.in_current_span()).await.map_err(|failed| StoreError::Unavailable(failed.into()))?
}
