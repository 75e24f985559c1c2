//! Who is asking.
//!
//! Four kinds of credential are known: an API key and an access token, checked against the store; a username with a
//! password, checked by the first realm that knows the username; and a JSON Web Token, checked by the realms of its issuer. Trouble of the store is a failure of its own, never a bad
//! credential. What authenticates is a proof: [`Authentication`] can only be made here.

use std::sync::Arc;

use axum::http::HeaderMap;
use latchkey_key_feed::UnixMillis;

use crate::security::api_key::{self, KeyRejection, VerifiedKey};
use crate::security::credential::bearer::BearerCredential;
use crate::security::credential::{
    ApiKeyCredential, BasicCredential, MalformedCredential, Presented, presented,
};
use crate::security::jwt::{JwtRealms, JwtRejection, VouchedUser};
use crate::security::password::{PasswordChecker, Saturated};
use crate::security::realm::{Realms, User};
use crate::security::token::{self, Access, Token, TokenDigest, TokenRejection};
use crate::store::tokens::StoredToken;
use crate::store::{KeyStore, StoreError};

/// Checks credentials.
#[derive(Clone, Debug)]
pub struct Authenticator {
    store: KeyStore,
    realms: Realms,
    passwords: PasswordChecker,
    jwt_realms: JwtRealms,
    schemes: Schemes,
}

/// Which credentials count besides passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schemes {
    /// API keys.
    pub api_keys: bool,
    /// Access tokens of this service.
    pub tokens: bool,
    /// JSON Web Tokens of issuers elsewhere.
    pub jwt: bool,
}

/// Proof of who is asking.
#[derive(Clone, Debug)]
pub struct Authentication {
    subject: Subject,
    means: Means,
}

/// By what somebody was authenticated.
#[derive(Clone, Debug)]
pub enum Means {
    /// A credential of the subject's own: its password, or the key itself.
    Own,
    /// A JSON Web Token.
    Jwt {
        /// When it ends.
        expiration: UnixMillis,
    },
    /// An access token of this service.
    Token(TokenDigest<Access>),
}

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
    /// The JSON Web Token vouches for nobody.
    RejectedJwt(JwtRejection),
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
    /// The access token cannot be used.
    RejectedToken(TokenRejection),
    /// A proof of the client came with an access token that takes none.
    ClientProofUnsupported,
    /// The store did not answer, so an API key or a token could not be checked.
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
    /// An authenticator.
    #[must_use]
    pub fn new(
        store: KeyStore,
        realms: Realms,
        passwords: PasswordChecker,
        jwt_realms: JwtRealms,
        schemes: Schemes,
    ) -> Self {
        Self { store, realms, passwords, jwt_realms, schemes }
    }

    /// Which credentials count besides passwords.
    #[must_use]
    pub fn schemes(&self) -> Schemes {
        self.schemes
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
        match presented(headers, self.schemes.api_keys)? {
            None => Err(AuthenticationFailure::Missing),
            Some(Presented::ApiKey(credential)) => self.key(&credential, now).await,
            Some(Presented::Basic(credential)) => self.password(credential).await,
            Some(Presented::Bearer(credential)) => self.bearer(credential, now).await,
        }
    }

    /// Whom an access token stands for, when it comes inside of a request: a grant. What `credential` says of the client counts
    /// for tokens of realms that ask for it, and is refused with others.
    ///
    /// # Errors
    ///
    /// [`AuthenticationFailure`] when it stands for nobody.
    pub async fn access_token(
        &self,
        credential: BearerCredential,
        now: UnixMillis,
    ) -> Result<Authentication, AuthenticationFailure> {
        if credential.client_secret.is_some() && !self.jwt_realms.knows_the_form_of(&credential) {
            return Err(AuthenticationFailure::ClientProofUnsupported);
        }
        match self.bearer(credential, now).await {
            Err(AuthenticationFailure::Missing) => {
                Err(AuthenticationFailure::RejectedToken(TokenRejection::Unknown))
            }
            outcome => outcome,
        }
    }

    /// Who has this username and this password.
    ///
    /// # Errors
    ///
    /// [`AuthenticationFailure`] when nobody has.
    pub async fn password(
        &self,
        credential: BasicCredential,
    ) -> Result<Authentication, AuthenticationFailure> {
        let BasicCredential { username, password } = credential;
        let user = self.realms.find(&username);
        let hash = user.and_then(|user| user.password.as_ref());
        let matches = self.passwords.check(hash, password).await?;
        let cause = match user {
            Some(user) if matches && user.enabled => {
                let subject = Subject::User(Arc::clone(user));
                return Ok(Authentication { subject, means: Means::Own });
            }
            Some(_) if matches => UserRejection::Disabled,
            Some(_) => UserRejection::WrongPassword,
            None => UserRejection::Unknown,
        };
        Err(AuthenticationFailure::RejectedUser { username, cause })
    }

    /// Whether what was proven a while ago still holds: a key or a token may have ended meanwhile. Users last as long as the
    /// service.
    ///
    /// # Errors
    ///
    /// [`AuthenticationFailure`] when it does not.
    pub async fn still_holds(
        &self,
        authentication: &Authentication,
        now: UnixMillis,
    ) -> Result<(), AuthenticationFailure> {
        match &authentication.means {
            Means::Jwt { expiration } if now.0 >= expiration.0 => return Err(JwtRejection::Expired.into()),
            Means::Jwt { .. } | Means::Own => {}
            Means::Token(digest) => drop(self.living_token(digest, now).await?),
        }
        match &authentication.subject {
            Subject::ApiKey(key) => {
                let id = key.key().id.as_str();
                Ok(api_key::refuse_ended(id, self.store.find(id).await?, now).map(|_| ())?)
            }
            Subject::User(_) => Ok(()),
        }
    }

    async fn key(
        &self,
        credential: &ApiKeyCredential,
        now: UnixMillis,
    ) -> Result<Authentication, AuthenticationFailure> {
        let found = self.store.find(&credential.id).await?;
        let subject = Subject::ApiKey(Box::new(api_key::verify(credential, found, now)?));
        Ok(Authentication { subject, means: Means::Own })
    }

    async fn bearer(
        &self,
        credential: BearerCredential,
        now: UnixMillis,
    ) -> Result<Authentication, AuthenticationFailure> {
        if self.schemes.tokens {
            match self.token(&credential, now).await {
                Err(AuthenticationFailure::RejectedToken(TokenRejection::Unknown)) => {}
                outcome => return outcome,
            }
        }
        match self.jwt_realms.authenticate(&credential, now).await? {
            Some(VouchedUser { user, expiration }) => {
                let subject = Subject::User(Arc::new(user));
                Ok(Authentication { subject, means: Means::Jwt { expiration } })
            }
            None if self.schemes.tokens => Err(TokenRejection::Unknown.into()),
            None => Err(AuthenticationFailure::Missing),
        }
    }

    async fn token(
        &self,
        credential: &BearerCredential,
        now: UnixMillis,
    ) -> Result<Authentication, AuthenticationFailure> {
        let token = Token::<Access>::parse(credential.token.expose()).ok_or(TokenRejection::Unknown)?;
        let digest = token.digest();
        let subject = self.subject_of(self.living_token(&digest, now).await?, now).await?;
        Ok(Authentication { subject, means: Means::Token(digest) })
    }

    async fn living_token(
        &self,
        digest: &TokenDigest<Access>,
        now: UnixMillis,
    ) -> Result<StoredToken, AuthenticationFailure> {
        let token = self.store.find_access_token(digest).await?.ok_or(TokenRejection::Unknown)?;
        token::refuse_ended(&token, now)?;
        Ok(token)
    }

    /// On whose behalf a token acts: a user as the user was when the token was made; an API key as it is now. A key that has ended
    /// takes its tokens with it.
    ///
    /// # Errors
    ///
    /// [`AuthenticationFailure`] when the key has ended, or the store cannot tell.
    pub async fn subject_of(
        &self,
        token: StoredToken,
        now: UnixMillis,
    ) -> Result<Subject, AuthenticationFailure> {
        let Some(id) = token.subject.api_key else {
            return Ok(Subject::User(Arc::new(User::vouched(token.subject.user, token.subject.roles))));
        };
        let found = self.store.find(id.as_str()).await?;
        let key = api_key::of_token(id.as_str(), found, now).map_err(|_| TokenRejection::Ended)?;
        Ok(Subject::ApiKey(Box::new(key)))
    }
}

impl Authentication {
    /// Who is asking.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// By what that was proven.
    #[must_use]
    pub fn means(&self) -> &Means {
        &self.means
    }

    /// The username on whose behalf the request is made: an API key's owner's.
    #[must_use]
    pub fn username(&self) -> &str {
        match &self.subject {
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
            Self::RejectedJwt(rejection) => rejection.kind(),
            Self::RejectedKey(rejection) => rejection.kind(),
            Self::RejectedUser { cause: UserRejection::Disabled, .. } => "user_disabled",
            Self::RejectedUser { cause: UserRejection::Unknown, .. } => "user_unknown",
            Self::RejectedUser { cause: UserRejection::WrongPassword, .. } => "password_wrong",
            Self::RejectedToken(rejection) => rejection.kind(),
            Self::ClientProofUnsupported => "client_proof_unsupported",
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

impl From<JwtRejection> for AuthenticationFailure {
    fn from(rejection: JwtRejection) -> Self {
        Self::RejectedJwt(rejection)
    }
}

impl From<TokenRejection> for AuthenticationFailure {
    fn from(rejection: TokenRejection) -> Self {
        Self::RejectedToken(rejection)
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
