//! The realms, in the order in which they are asked.
//!
//! | realm | its users | asked |
//! |---|---|---|
//! | reserved | `elastic`, and the anonymous user by name | first, and nobody else about its names |
//! | file | the users file, read when the service starts | in the order that the operator chose |
//! | native | the store, read at every request | likewise |
//!
//! When a realm's user has another password, the next realm is asked (Elasticsearch, `RealmsAuthenticator`).
//! A username that no realm knows costs one verification, as a wrong password does.

use std::sync::Arc;

use latchkey_key_feed::UnixMillis;

use crate::audit::Actor;
use crate::model::password::Password;
use crate::model::realm_name::{FILE, NATIVE, RESERVED, RealmName};
use crate::model::source::Source;
use crate::model::stored_user::NativeUser;
use crate::security::anonymous::AnonymousAccess;
use crate::security::authentication::{AuthenticationFailure, UserRejection};
use crate::security::credential::BasicCredential;
use crate::security::password::PasswordChecker;
use crate::security::password_cache::PasswordCaches;
use crate::security::realm::{ELASTIC, Realms, User};
use crate::store::key_entry::any_is_active;
use crate::store::tokens::TokenSelection;
use crate::store::{KeyStore, StoreError};

/// Finds users in all realms.
#[derive(Clone, Debug)]
pub struct RealmChain {
    store: KeyStore,
    realms: Realms,
    order: Vec<RealmName>,
    anonymous: Option<AnonymousAccess>,
    passwords: PasswordChecker,
    caches: PasswordCaches,
}

impl RealmChain {
    /// A chain of the reserved realm and those of `order`, which are of the types `file` and `native`.
    #[must_use]
    pub fn new(
        store: KeyStore,
        realms: Realms,
        order: Vec<RealmName>,
        anonymous: Option<AnonymousAccess>,
        passwords: PasswordChecker,
        caches: PasswordCaches,
    ) -> Self {
        Self { store, realms, order, anonymous, passwords, caches }
    }

    /// The user to whom this username and this password belong, which come from there.
    ///
    /// # Errors
    ///
    /// [`AuthenticationFailure`] when there is none who is enabled.
    pub async fn authenticate(
        &self,
        credential: BasicCredential,
        source: Option<Source>,
    ) -> Result<Arc<User>, AuthenticationFailure> {
        let BasicCredential { username, password } = credential;
        let login = self.passwords.login(source, &username)?;
        let mut candidates = self.candidates(&username).await?;
        // It has no password that could be right, and is refused as a user whom nobody knows.
        candidates.retain(|user| !user.is_service_account);
        let mut cause = UserRejection::Unknown;
        for user in &candidates {
            let again = Password::presented(password.expose().to_vec());
            let cache = if user.realm.realm_type == FILE { self.caches.file } else { self.caches.native };
            if login.check(user.password.as_ref(), again, cache).await? {
                if user.enabled {
                    return Ok(Arc::new(user.clone()));
                }
                cause = UserRejection::Disabled;
                break;
            }
            cause = UserRejection::WrongPassword;
        }
        if candidates.is_empty() {
            login.check(None, password, self.caches.native).await?;
        }
        Err(AuthenticationFailure::RejectedUser { username, cause })
    }

    /// The user of this name in the first realm that knows it, enabled or not.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn find(&self, username: &str) -> Result<Option<User>, StoreError> {
        Ok(self.candidates(username).await?.into_iter().next())
    }

    /// The user of this name in this realm, as it is now.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn find_in(&self, realm: &str, username: &str) -> Result<Option<User>, StoreError> {
        Ok(self.candidates(username).await?.into_iter().find(|user| user.realm.name == realm))
    }

    /// The super-user.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn elastic(&self) -> Result<User, StoreError> {
        let stored = self.store.users().reserved(ELASTIC).await?;
        let enabled = stored.as_ref().is_none_or(|stored| stored.enabled);
        let password =
            stored.and_then(|stored| stored.password).or_else(|| self.realms.elastic_password().cloned());
        Ok(User { enabled, ..User::elastic(password) })
    }

    /// The anonymous user, if it has this name.
    fn anonymous(&self, username: &str) -> Option<User> {
        let anonymous = self.anonymous.as_ref().filter(|anonymous| anonymous.username == username);
        anonymous.map(AnonymousAccess::user)
    }

    /// The user of the users file with this name, if the file realm is enabled.
    #[must_use]
    pub fn file_user(&self, username: &str) -> Option<User> {
        let realm = self.order.iter().find(|realm| realm.realm_type == FILE)?;
        Some(User { realm: realm.clone(), ..self.realms.file_user(username)?.clone() })
    }

    /// All users of this name, in the order in which they are asked.
    async fn candidates(&self, username: &str) -> Result<Vec<User>, StoreError> {
        if username == ELASTIC {
            return Ok(vec![self.elastic().await?]);
        }
        if let Some(anonymous) = self.anonymous(username) {
            return Ok(vec![anonymous]);
        }
        let mut users = Vec::new();
        for realm in &self.order {
            let user = match realm.realm_type.as_str() {
                FILE => {
                    self.realms.file_user(username).map(|user| User { realm: realm.clone(), ..user.clone() })
                }
                NATIVE => self.store.users().native(username).await?.map(|user| user_of(user, realm.clone())),
                _ => None,
            };
            users.extend(user);
        }
        Ok(users)
    }
}

/// Ends the tokens of users who were removed from the users file or disabled in it since it was last read.
/// These tokens would be refused anyway, but would work again once the user came back.
///
/// # Errors
///
/// [`StoreError`] when none was ended.
pub async fn end_tokens_of_the_gone(
    store: &KeyStore,
    realms: &Realms,
    order: &[RealmName],
    now: UnixMillis,
) -> Result<(), StoreError> {
    let Some(realm) = order.iter().find(|realm| realm.realm_type == FILE) else { return Ok(()) };
    let let_in = realms.file_users().filter(|user| user.enabled);
    let usernames = let_in.map(|user| user.username.clone()).collect();
    let selection = TokenSelection::HeldByOthers { realm: realm.name.clone(), usernames };
    store.tokens().invalidate(selection, Actor::service(), now).await.map(|_| ())
}

/// Whether anybody could be let in: a user with a password, or an API key that works at this moment.
///
/// # Errors
///
/// [`StoreError`] when the store cannot tell.
pub async fn knows_anybody(
    store: &KeyStore,
    realms: &Realms,
    order: &[RealmName],
    now: UnixMillis,
) -> Result<bool, StoreError> {
    let asks = |realm_type: &str| order.iter().any(|realm| realm.realm_type == realm_type);
    if asks(FILE) && realms.file_users().any(|user| user.enabled) {
        return Ok(true);
    }
    let elastic = store.users().reserved(ELASTIC).await?;
    let is_enabled = elastic.as_ref().is_none_or(|elastic| elastic.enabled);
    let has_password =
        elastic.is_some_and(|elastic| elastic.password.is_some()) || realms.elastic_password().is_some();
    if is_enabled && has_password {
        return Ok(true);
    }
    Ok((asks(NATIVE) && store.users().has_enabled().await?) || any_is_active(store, now).await?)
}

/// Whether a user's password can be changed over the interface.
#[must_use]
pub fn keeps_passwords(realm: &RealmName) -> bool {
    realm.realm_type == NATIVE || realm.realm_type == RESERVED
}

/// A stored user as a user of this realm.
#[must_use]
pub fn user_of(stored: NativeUser, realm: RealmName) -> User {
    let is_service_account = stored.is_service_account();
    let NativeUser { username, password, suspended_realm: _, profile } = stored.described();
    User {
        username,
        realm,
        full_name: profile.full_name,
        email: profile.email,
        metadata: profile.metadata,
        roles: profile.roles,
        enabled: profile.enabled,
        password,
        is_service_account,
    }
}
