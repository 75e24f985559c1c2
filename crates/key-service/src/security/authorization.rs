//! What somebody may do who has proven who he is.
//!
//! That follows from role descriptors, which may be megabytes: the roles of a user, or those of a key and of
//! its owner. Short ones are read at once. Long ones are read in a lane of their own, on the account of the
//! user: so whoever makes a long key, and asks with it as often as he can, waits for himself. The memory that
//! is taken for what they say is given back when the request is answered.

use std::sync::Arc;

use latchkey_budget::{Allowance, Budget, BudgetExceeded, Holding, Principal, SharedMemory};
use latchkey_privileges::caller::Caller;
use latchkey_privileges::permission::EffectivePermission;
use tokio::runtime::Handle;

use crate::lane::{Cost, Lane, LaneBounds};
use crate::limits::work_limits::{
    LONG_ROLES_ALLOWANCE, LONG_ROLES_MAX, LONG_ROLES_MEMORY, LONG_ROLES_PER_PRINCIPAL_MAX,
    ROLES_HELD_PER_BYTE, RUN_AS_STEPS_MAX,
};
use crate::model::stored_key::StoredKey;
use crate::security::authentication::Subject;
use crate::security::key_permission::LatestKeyPermission;
use crate::security::realm::User;
use crate::security::roles::{RoleResolver, UserRoles, caller_of_key};
use crate::store::key_entry::KeyEntry;
use crate::store::{KeyStore, StoreError};

/// Finds out what somebody may do.
#[derive(Debug)]
pub(crate) struct AuthorizationService {
    store: KeyStore,
    roles: RoleResolver,
    latest_key: LatestKeyPermission,
    /// Apart, so that long keys do not drive out that of the edges.
    latest_long_key: LatestKeyPermission,
    lane: Lane,
    memory: SharedMemory,
    /// Apart: anybody may make long keys, and users get long roles only from those who manage security.
    memory_of_users: SharedMemory,
}

/// Somebody as a caller, and what he may do.
#[derive(Debug)]
pub(crate) struct AuthorizationInfo {
    /// Who he is.
    pub caller: Caller,
    /// What he may do.
    pub permission: Arc<EffectivePermission>,
    /// His roles; none when it is a key.
    pub roles: UserRoles,
}

/// A key with all that it says.
#[derive(Debug)]
pub(crate) struct WholeKey {
    /// The key.
    pub key: Arc<StoredKey>,
    _held: Option<Holding>,
}

impl AuthorizationInfo {
    /// Whether he may run as this user.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`] when his patterns are so many and so long that nobody may ask that of them.
    pub(crate) fn allows_run_as(&self, username: &str) -> Result<bool, BudgetExceeded> {
        let mut budget = Budget::alone(Allowance { steps: RUN_AS_STEPS_MAX, bytes: 0 });
        self.permission.allows_run_as(username, &mut budget)
    }
}

/// Why it is not known what somebody may do.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizationError {
    /// The store cannot tell.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There was no permit, or it cost too much.
    #[error(transparent)]
    BudgetExceeded(#[from] BudgetExceeded),
}

impl AuthorizationService {
    /// With permits and memory of their own.
    #[must_use]
    pub(crate) fn new(store: KeyStore, roles: RoleResolver) -> Self {
        let bounds = LaneBounds {
            permits_max: LONG_ROLES_MAX,
            principal_permits_max: LONG_ROLES_PER_PRINCIPAL_MAX,
            allowance: LONG_ROLES_ALLOWANCE,
        };
        Self {
            store,
            roles,
            latest_key: LatestKeyPermission::default(),
            latest_long_key: LatestKeyPermission::default(),
            lane: Lane::new("standing", bounds),
            memory: SharedMemory::new(LONG_ROLES_MEMORY, LONG_ROLES_MEMORY / 2),
            memory_of_users: SharedMemory::new(LONG_ROLES_MEMORY, LONG_ROLES_MEMORY / 2),
        }
    }

    /// Where what is long is read.
    #[must_use]
    pub(crate) fn lane(&self) -> &Lane {
        &self.lane
    }

    /// What somebody may do. `teller` makes what hears of the cost, if there is one that is worth telling.
    ///
    /// # Errors
    ///
    /// [`AuthorizationError`] when that is not known.
    pub(crate) async fn of<F, G>(
        &self,
        subject: &Subject,
        teller: F,
    ) -> Result<AuthorizationInfo, AuthorizationError>
    where
        F: FnOnce() -> G,
        G: FnOnce(&Cost) + Send + 'static,
    {
        match subject {
            Subject::ApiKey(key) => self.of_key(key.key(), teller).await,
            Subject::User(user) => self.of_user(user, teller).await,
        }
    }

    /// What the holder of a key may do, also of one that has ended.
    ///
    /// # Errors
    ///
    /// As of [`Self::of`].
    pub(crate) async fn of_key<F, G>(
        &self,
        entry: &Arc<KeyEntry>,
        teller: F,
    ) -> Result<AuthorizationInfo, AuthorizationError>
    where
        F: FnOnce() -> G,
        G: FnOnce(&Cost) + Send + 'static,
    {
        let permission = match &entry.whole {
            Some(key) => self.permission_of(entry, key),
            None => self.permission_of_long(entry, teller).await?,
        };
        Ok(AuthorizationInfo { caller: caller_of_key(entry), permission, roles: UserRoles::default() })
    }

    fn permission_of(&self, entry: &Arc<KeyEntry>, key: &StoredKey) -> Arc<EffectivePermission> {
        if let Some(known) = self.latest_key.known(entry) {
            return known;
        }
        let permission = Arc::new(of_key(key));
        self.latest_key.keep(entry, &permission);
        permission
    }

    /// Whoever shares a reading waits for the first of them to work it out.
    async fn permission_of_long<F, G>(
        &self,
        entry: &Arc<KeyEntry>,
        teller: F,
    ) -> Result<Arc<EffectivePermission>, AuthorizationError>
    where
        F: FnOnce() -> G,
        G: FnOnce(&Cost) + Send + 'static,
    {
        let _first = entry.rest.lock().await;
        if let Some(known) = self.latest_long_key.known(entry) {
            return Ok(known);
        }
        let permission = |key: StoredKey, held| Arc::new(of_key(&key).precomputed(held));
        let permission = self.read_key(entry, teller(), permission).await?;
        self.latest_long_key.keep(entry, &permission);
        Ok(permission)
    }

    /// What a user may do.
    ///
    /// # Errors
    ///
    /// As of [`Self::of`].
    pub(crate) async fn of_user<F, G>(
        &self,
        user: &Arc<User>,
        teller: F,
    ) -> Result<AuthorizationInfo, AuthorizationError>
    where
        F: FnOnce() -> G,
        G: FnOnce(&Cost) + Send + 'static,
    {
        if let Some(roles) = self.roles.of_user(user).await? {
            let permission = Arc::new(roles.permission_of(user));
            return Ok(AuthorizationInfo { caller: roles.caller(user), permission, roles });
        }
        let (runtime, resolver, of_user) = (Handle::current(), self.roles.clone(), Arc::clone(user));
        let read = move |budget: &mut Budget| {
            let unread = runtime.block_on(resolver.unread(&of_user))?;
            let held = charge(unread.texts_len(), budget)?;
            let roles = resolver.read(&of_user, unread)?;
            let permission = Arc::new(roles.permission_of(&of_user).precomputed(held));
            Ok::<_, AuthorizationError>((roles, permission))
        };
        let principal = Principal::new(&user.username, &user.realm.name);
        let (roles, permission) = self.lane.run(&principal, &self.memory_of_users, read, teller()).await?;
        Ok(AuthorizationInfo { caller: roles.caller(user), permission, roles })
    }

    /// All of a key.
    ///
    /// # Errors
    ///
    /// As of [`Self::of`].
    pub(crate) async fn whole_key<F, G>(
        &self,
        entry: &Arc<KeyEntry>,
        teller: F,
    ) -> Result<WholeKey, AuthorizationError>
    where
        F: FnOnce() -> G,
        G: FnOnce(&Cost) + Send + 'static,
    {
        if let Some(key) = &entry.whole {
            return Ok(WholeKey { key: Arc::clone(key), _held: None });
        }
        self.read_key(entry, teller(), |key, held| WholeKey { key: Arc::new(key), _held: held }).await
    }

    /// Reads a long key when it is its owner's turn, and makes something of it.
    async fn read_key<T, F, G>(
        &self,
        entry: &Arc<KeyEntry>,
        tell: G,
        make: F,
    ) -> Result<T, AuthorizationError>
    where
        T: Send + 'static,
        F: FnOnce(StoredKey, Option<Holding>) -> T + Send + 'static,
        G: FnOnce(&Cost) + Send + 'static,
    {
        let (runtime, store, of_entry) = (Handle::current(), self.store.clone(), Arc::clone(entry));
        let read = move |budget: &mut Budget| {
            let unread = runtime.block_on(store.find_unread(of_entry.id.as_str()))?;
            let unread = unread.ok_or_else(changed)?;
            let held = charge(unread.texts_len(), budget)?;
            let key = unread.read()?;
            if !of_entry.is_of(&key) {
                return Err(changed().into());
            }
            Ok(make(key, held))
        };
        self.lane.run(&entry.principal(), &self.memory, read, tell).await
    }
}

fn of_key(key: &StoredKey) -> EffectivePermission {
    EffectivePermission::of_key(&key.role_descriptors, &key.limited_by)
}

/// Takes the memory for what is made of texts. What an older version has left may be longer than anything
/// new, and is still read.
fn charge(texts_len: usize, budget: &mut Budget) -> Result<Option<Holding>, BudgetExceeded> {
    budget.read(texts_len)?;
    budget.keep(texts_len.saturating_mul(ROLES_HELD_PER_BYTE).min(LONG_ROLES_MEMORY / 2))
}

/// Between two readings another key has taken its place: whoever asks once more is told what is so now.
fn changed() -> StoreError {
    StoreError::Unavailable("the API key was replaced while it was read".into())
}

#[cfg(test)]
mod tests;
