//! The users that are managed over the REST interface, and what ends when one of them is shut out.
//!
//! To shut a user out is to disable or delete the user. The user's tokens end in the same transaction, for
//! ever: they stay ended when the user is enabled again, or when another user of the same name is created.
//! Keys go on working, as in Elasticsearch, unless the change ends them in the same transaction. Very many are ended in parts:
//! the first with the user, and then more, between which other changes are made.

use latchkey_budget::Cancellation;
use latchkey_key_feed::{Cursor, KeyId, UnixMillis};
use tracing::Instrument as _;

use super::{Written, event, write};
use crate::audit::directory_events::DirectoryAction;
use crate::audit::{Actor, ChangeAction, ChangeEvent};
use crate::limits::KEYS_ENDED_AT_ONCE_MAX;
use crate::model::password::PasswordHash;
use crate::model::realm_name::{RESERVED, RealmName};
use crate::model::stored_user::{NativeUser, ReservedUser, UserKind, UserProfile};
use crate::store::scan::Scan;
use crate::store::sql::directory_rows::users;
use crate::store::sql::scan::Selection;
use crate::store::{KeyFilter, KeyStore, StoreError, invalidation};

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
    /// The user would be new, and a new user needs a password.
    PasswordRequired,
}

/// What happens to the keys of a user who is shut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysOfUser {
    /// They end: so many in the same transaction, and the rest in parts of as many.
    End {
        /// How many.
        at_once_max: usize,
    },
    /// They go on working.
    Keep,
}

/// What happened to the keys of a user who was shut out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeysLeft {
    /// The keys that were ended.
    pub ended: Vec<KeyId>,
    /// How many go on working.
    pub working: u64,
    /// The cursor after the keys were ended; `None` when none was.
    pub cursor: Option<Cursor>,
}

/// What a transaction did that shuts a user out.
#[derive(Debug)]
pub(in crate::store) struct ShutOut {
    pub(in crate::store) left: KeysLeft,
    /// Whether it ended all keys that were to end.
    pub(in crate::store) is_whole: bool,
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

    /// Creates or replaces a native user. Without a `password` the user keeps the old one. A user who is not
    /// enabled then is shut out; the answer says what happened to the keys.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing was written.
    pub async fn put(
        self,
        account: Account,
        profile: UserProfile,
        password: Option<PasswordHash>,
        keys: KeysOfUser,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<Result<(Written, KeysLeft), UserRefusal>, StoreError> {
        let event = event(DirectoryAction::PutUser, vec![account.username.clone()], actor.clone(), now);
        let store = self.0.clone();
        to_the_end(async move {
            let owner = account.clone();
            let written = write(&store, event, move |database, event| async move {
                users::put_user(&database, &account, &profile, password.as_ref(), keys, event).await
            });
            match written.await? {
                Ok((written, mut shut_out)) => {
                    shut_out.end_the_rest(&store, &owner, keys, actor, now).await?;
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
                shut_out.end_the_rest(&store, &account, keys, actor.clone(), now).await?;
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

    /// Enables a user, and tells whether there is such a user.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing was changed.
    pub async fn enable(self, account: Account, actor: Actor, now: UnixMillis) -> Result<bool, StoreError> {
        let event = event(DirectoryAction::EnableUser, vec![account.username.clone()], actor, now);
        write(self.0, event, move |database, event| async move {
            users::enable_user(&database, &account, event).await
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
            shut_out.end_the_rest(&store, &owner, keys, actor, now).await?;
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

impl KeysOfUser {
    /// They end.
    pub const END: Self = Self::End { at_once_max: KEYS_ENDED_AT_ONCE_MAX };
}

impl KeysLeft {
    fn append(&mut self, later: Self) {
        self.ended.extend(later.ended);
        self.working = later.working;
        self.cursor = later.cursor.or(self.cursor);
    }
}

impl ShutOut {
    /// Ends the keys that the transaction left for later, part by part, until there are none. If that fails, whoever asks
    /// for the change again ends them: the user is still there, and disabled.
    async fn end_the_rest(
        &mut self,
        store: &KeyStore,
        account: &Account,
        keys: KeysOfUser,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let KeysOfUser::End { at_once_max } = keys else { return Ok(()) };
        if self.is_whole {
            return Ok(());
        }
        let action = ChangeAction::InvalidateApiKeys;
        let event = ChangeEvent { at: now, action, actor, key_ids: Vec::new() };
        let [of_keys, own] = account.keys();
        // Between two parts a key that still lives may have made another.
        for filter in [of_keys.clone(), own, of_keys] {
            let part = invalidation::in_parts(store.clone(), filter, event.clone(), at_once_max).await?;
            self.left.ended.extend(part.outcome);
            self.left.cursor = part.cursor.or(self.left.cursor);
        }
        Ok(())
    }
}

impl Default for ShutOut {
    fn default() -> Self {
        Self { left: KeysLeft::default(), is_whole: true }
    }
}

/// Does it in a task of its own, so that no part is left out when the caller goes away.
async fn to_the_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::spawn(change.in_current_span()).await.map_err(|failed| StoreError::Unavailable(failed.into()))?
}
