//! Who is asking.
//!
//! Two kinds of credential are known: an API key, checked against the store, and a username with a password, checked by the
//! first realm that knows the username. Trouble of the store is a failure of its own, never a bad credential. What
//! authenticates is a proof: [`Authentication`] can only be made here.

use std::sync::Arc;

use axum::http::HeaderMap;
use latchkey_key_feed::UnixMillis;

use crate::security::api_key::{self, KeyRejection, VerifiedKey};
use crate::security::credential::{
    ApiKeyCredential, BasicCredential, MalformedCredential, Presented, presented,
};
use crate::security::password::{PasswordChecker, Saturated};
use crate::security::realm::{Realms, User};
use crate::store::{KeyStore, StoreError};

/// Checks credentials.
#[derive(Clone, Debug)]
pub struct Authenticator {
    store: KeyStore,
    realms: Realms,
    passwords: PasswordChecker,
    api_keys: bool,
}

/// Proof of who is asking.
#[derive(Clone, Debug)]
pub struct Authentication(Subject);

/// Who is asking.
#[derive(Clone, Debug)]
pub enum Subject {
    /// Whoever holds an API key. Acts on behalf of the key's owner.
    ApiKey(Box<VerifiedKey>),
    /// A user with a password.
    User(Arc<User>),
}

/// Why nobody is known to be asking.
#[derive(Debug)]
pub enum AuthenticationFailure {
    /// There is a credential that cannot be read.
    Malformed(MalformedCredential),
    /// There is no credential.
    Missing,
    /// The API key cannot be used.
    RejectedKey(KeyRejection),
    /// The username and the password do not belong together, or the user is not enabled.
    RejectedUser {
        /// The username, as sent.
        username: String,
        /// Whether it is a password of an enabled user that was wrong; for the trail, never for the client.
        cause: UserRejection,
    },
    /// Too many passwords wait to be verified.
    Saturated,
    /// The store did not answer, so an API key could not be checked.
    Store(StoreError),
}

/// Why a username and a password were refused. Clients are never told which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserRejection {
    /// The user is not enabled.
    Disabled,
    /// No realm knows the username.
    Unknown,
    /// The password is not the user's.
    WrongPassword,
}

impl Authenticator {
    /// An authenticator. `api_keys` is whether API keys count as credentials.
    #[must_use]
    pub fn new(store: KeyStore, realms: Realms, passwords: PasswordChecker, api_keys: bool) -> Self {
        Self { store, realms, passwords, api_keys }
    }

    /// Who sent a request with these headers.
    ///
    /// # Errors
    ///
    /// [`AuthenticationFailure`] when nobody is proven to have.
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        now: UnixMillis,
    ) -> Result<Authentication, AuthenticationFailure> {
        let subject = match presented(headers, self.api_keys)? {
            None => return Err(AuthenticationFailure::Missing),
            Some(Presented::ApiKey(credential)) => self.key(&credential, now).await?,
            Some(Presented::Basic(credential)) => self.user(credential).await?,
        };
        Ok(Authentication(subject))
    }

    /// Whether what was proven a while ago still holds: a key may have ended meanwhile. Users last as long as the service.
    ///
    /// # Errors
    ///
    /// [`AuthenticationFailure`] when it does not.
    pub async fn still_holds(
        &self,
        authentication: &Authentication,
        now: UnixMillis,
    ) -> Result<(), AuthenticationFailure> {
        match &authentication.0 {
            Subject::ApiKey(key) => {
                let id = key.key().id.as_str();
                Ok(api_key::refuse_ended(id, self.store.find(id).await?, now).map(|_| ())?)
            }
            Subject::User(_) => Ok(()),
        }
    }

    /// Whom a username and a password prove, wherever they stood.
    ///
    /// # Errors
    ///
    /// [`AuthenticationFailure`] when nobody.
    pub async fn authenticate_user(
        &self,
        credential: BasicCredential,
    ) -> Result<Authentication, AuthenticationFailure> {
        self.user(credential).await.map(Authentication)
    }

    /// The user with this name, whom somebody wants to run as. Proves nothing.
    #[must_use]
    pub fn look_up(&self, username: &str) -> Option<Arc<User>> {
        self.realms.find(username).cloned()
    }

    async fn key(
        &self,
        credential: &ApiKeyCredential,
        now: UnixMillis,
    ) -> Result<Subject, AuthenticationFailure> {
        let found = self.store.find(&credential.id).await?;
        Ok(Subject::ApiKey(Box::new(api_key::verify(credential, found, now)?)))
    }

    async fn user(&self, credential: BasicCredential) -> Result<Subject, AuthenticationFailure> {
        let BasicCredential { username, password } = credential;
        let user = self.realms.find(&username);
        let matches = self.passwords.check(user.map(|user| &user.password), password).await?;
        let cause = match user {
            Some(user) if matches && user.enabled => return Ok(Subject::User(Arc::clone(user))),
            Some(_) if matches => UserRejection::Disabled,
            Some(_) => UserRejection::WrongPassword,
            None => UserRejection::Unknown,
        };
        Err(AuthenticationFailure::RejectedUser { username, cause })
    }
}

impl Authentication {
    /// Who is asking.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.0
    }

    /// The username on whose behalf the request is made: an API key's owner's.
    #[must_use]
    pub fn username(&self) -> &str {
        match &self.0 {
            Subject::ApiKey(key) => &key.key().owner.username,
            Subject::User(user) => &user.username,
        }
    }
}

impl AuthenticationFailure {
    /// Its kind, out of a fixed set, for metrics and the trail.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "credential_malformed",
            Self::Missing => "credential_missing",
            Self::RejectedKey(rejection) => rejection.kind(),
            Self::RejectedUser { cause: UserRejection::Disabled, .. } => "user_disabled",
            Self::RejectedUser { cause: UserRejection::Unknown, .. } => "user_unknown",
            Self::RejectedUser { cause: UserRejection::WrongPassword, .. } => "password_wrong",
            Self::Saturated => "saturated",
            Self::Store(_) => "store",
        }
    }
}

impl From<MalformedCredential> for AuthenticationFailure {
    fn from(malformed: MalformedCredential) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<KeyRejection> for AuthenticationFailure {
    fn from(rejection: KeyRejection) -> Self {
        Self::RejectedKey(rejection)
    }
}

impl From<Saturated> for AuthenticationFailure {
    fn from(Saturated: Saturated) -> Self {
        Self::Saturated
    }
}

impl From<StoreError> for AuthenticationFailure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
