//! Who is asking.
//!
//! Four kinds of credential are known: an API key and an access token, checked against the store; a username
//! with a password, checked by the realms; and a JSON Web Token, checked by the realms of its issuer. A
//! failure of the store is an error of its own, never a bad credential. [`Authentication`] is a proof: it can
//! only be made here.
//!
//! An authenticated caller may ask to act as another user (run-as). Whether that is allowed is decided later,
//! with the permissions; until then an unknown target looks like any other.

mod bearer;
mod failure;
mod password;
mod preconditions;
mod token_validity;

use std::sync::Arc;

use latchkey_edge_ledger::Holder;

use crate::model::source::Source;
use crate::model::token::{Access, TokenDigest};
use crate::security::anonymous::{self, AnonymousAccess};
use crate::security::api_key::{self, EndedKey, KeyRejection, VerifiedKey};
use crate::security::credential::{ApiKeyCredential, Presented, presented};
use crate::security::jwt::{JwtRealms, JwtRejection};
use crate::security::login_throttle::LoginThrottle;
use crate::security::login_throttle::attempts::LoginAttempts;
use crate::security::realm::User;
use crate::security::realm_chain::RealmChain;
use crate::store::{KeyStore, StoreError};
use crate::usage::UsageLog;
use http::{HeaderMap, HeaderName};
use latchkey_key_feed::{KeyUses, UnixMillis};

pub(crate) use failure::{AuthenticationFailure, UserRejection};
pub(crate) use preconditions::OwnerInvalid;

/// The header that names the user to act as (Elasticsearch, `AuthenticationServiceField.RUN_AS_USER_HEADER`).
const RUN_AS_HEADER: HeaderName = HeaderName::from_static("es-security-runas-user");

/// Checks credentials.
#[derive(Clone, Debug)]
pub(crate) struct Authenticator {
    store: KeyStore,
    realms: RealmChain,
    jwt_realms: JwtRealms,
    anonymous: Option<AnonymousAccess>,
    schemes: Schemes,
    /// `None` where failed logins are not limited.
    attempts: Option<Arc<LoginAttempts>>,
    /// Where uses of keys at this service are counted.
    usage: Arc<UsageLog>,
}

/// Which credentials count besides passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schemes {
    /// API keys.
    pub api_keys: bool,
    /// Access tokens of this service.
    pub tokens: bool,
    /// JSON Web Tokens of issuers elsewhere.
    pub jwt: bool,
}

/// Proof of who is asking.
#[derive(Clone, Debug)]
pub(crate) struct Authentication {
    authenticating: Subject,
    means: Means,
    run_as: Option<RunAs>,
}

/// The means of an authentication.
#[derive(Clone, Debug)]
pub(crate) enum Means {
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

/// The user to act as.
#[derive(Clone, Debug)]
struct RunAs {
    /// The user; one without roles when the name is unknown.
    target: Subject,
    is_known: bool,
}

/// Who is asking.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    /// The holder of an API key, who acts on behalf of the key's owner.
    ApiKey(Box<VerifiedKey>),
    /// A user with a password.
    User(Arc<User>),
}

impl Authenticator {
    /// An authenticator.
    #[must_use]
    pub(crate) fn new(
        store: KeyStore,
        realms: RealmChain,
        jwt_realms: JwtRealms,
        anonymous: Option<AnonymousAccess>,
        schemes: Schemes,
        throttle: Option<LoginThrottle>,
        usage: Arc<UsageLog>,
    ) -> Self {
        let attempts = throttle.map(|throttle| Arc::new(LoginAttempts::new(throttle)));
        Self { store, realms, jwt_realms, anonymous, schemes, attempts, usage }
    }

    /// Which credentials count besides passwords.
    #[must_use]
    pub(crate) fn schemes(&self) -> Schemes {
        self.schemes
    }

    /// The realms that it asks.
    #[must_use]
    pub(crate) fn realms(&self) -> &RealmChain {
        &self.realms
    }

    /// Authenticates a request by its headers and source address.
    ///
    /// # Errors
    ///
    /// [`AuthenticationFailure`] when the credential is missing or not valid.
    pub(crate) async fn authenticate(
        &self,
        headers: &HeaderMap,
        source: Option<Source>,
        now: UnixMillis,
    ) -> Result<Authentication, AuthenticationFailure> {
        let proven = match presented(headers, self.schemes.api_keys)? {
            None => return self.stand_in(headers),
            Some(Presented::ApiKey(credential)) => self.key(&credential, now).await?,
            Some(Presented::Basic(credential)) => self.password(credential, source, now).await?,
            Some(Presented::Bearer(credential)) => self.bearer(credential, now).await?,
        };
        let run_as = self.run_as(headers, &proven.authenticating).await?;
        Ok(Authentication { run_as, ..proven })
    }

    /// Authenticates again what was authenticated a while ago: a key or a token may have ended meanwhile, a
    /// user may be gone or have other roles.
    ///
    /// # Errors
    ///
    /// [`AuthenticationFailure`] when it is no longer valid.
    pub(crate) async fn renewed(
        &self,
        authentication: &Authentication,
        now: UnixMillis,
    ) -> Result<Authentication, AuthenticationFailure> {
        let run_as = match &authentication.run_as {
            Some(RunAs { target, is_known: true }) => {
                Some(RunAs { target: self.renewed_subject(target, now).await?, is_known: true })
            }
            run_as => run_as.clone(),
        };
        let subject = &authentication.authenticating;
        let authenticating = match &authentication.means {
            Means::Jwt { expiration } if now >= *expiration => return Err(JwtRejection::Expired.into()),
            Means::Jwt { .. } => subject.clone(),
            Means::Own => self.renewed_subject(subject, now).await?,
            Means::Token(digest) => self.subject_of_access_token(digest, now).await?,
        };
        Ok(Authentication { authenticating, means: authentication.means.clone(), run_as })
    }

    /// The ended key whose secret is in these headers. It does not authenticate the request.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub(crate) async fn ended_key(
        &self,
        headers: &HeaderMap,
        now: UnixMillis,
    ) -> Result<Option<EndedKey>, StoreError> {
        let Ok(Some(Presented::ApiKey(credential))) = presented(headers, self.schemes.api_keys) else {
            return Ok(None);
        };
        if headers.contains_key(RUN_AS_HEADER) {
            return Ok(None);
        }
        let found = self.store.find_entry(&credential.id).await?;
        Ok(api_key::verify_ended(&credential, found, now))
    }

    /// The key that authenticated a request a while ago, if it has ended since.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub(crate) async fn key_ended_since(
        &self,
        authentication: &Authentication,
        now: UnixMillis,
    ) -> Result<Option<EndedKey>, StoreError> {
        let Authentication { authenticating: Subject::ApiKey(key), means: Means::Own, run_as: None } =
            authentication
        else {
            return Ok(None);
        };
        let found = self.store.find_entry(key.key().id.as_str()).await?;
        Ok(EndedKey::of_verified(key, found, now))
    }

    async fn renewed_subject(
        &self,
        subject: &Subject,
        now: UnixMillis,
    ) -> Result<Subject, AuthenticationFailure> {
        let user = match subject {
            Subject::ApiKey(key) => {
                let found = self.store.find_entry(key.key().id.as_str()).await?;
                return Ok(Subject::ApiKey(Box::new(key.renewed(found, now)?)));
            }
            Subject::User(user) => user,
        };
        let cause = match self.realms.find_in(&user.realm.name, &user.username).await? {
            Some(found) if found.enabled => return Ok(Subject::User(Arc::new(found))),
            Some(_) => UserRejection::Disabled,
            None => UserRejection::Unknown,
        };
        Err(AuthenticationFailure::RejectedUser { username: user.username.clone(), cause })
    }

    /// The anonymous user, if there is one and the request carries no credential.
    fn stand_in(&self, headers: &HeaderMap) -> Result<Authentication, AuthenticationFailure> {
        match &self.anonymous {
            Some(anonymous) if anonymous::may_stand_in(headers) => {
                Ok(Authentication::of(Subject::User(Arc::new(anonymous.user())), Means::Own))
            }
            _ => Err(AuthenticationFailure::Missing),
        }
    }

    async fn run_as(
        &self,
        headers: &HeaderMap,
        authenticating: &Subject,
    ) -> Result<Option<RunAs>, AuthenticationFailure> {
        let rejected = |cause| {
            let username = match authenticating {
                Subject::ApiKey(key) => key.key().id.to_string(),
                Subject::User(user) => user.username.clone(),
            };
            AuthenticationFailure::RejectedUser { username, cause }
        };
        let mut names = headers.get_all(RUN_AS_HEADER).iter();
        let Some(name) = names.next() else { return Ok(None) };
        if name.is_empty() || names.next().is_some() {
            return Err(rejected(UserRejection::RunAsMalformed));
        }
        let name = String::from_utf8_lossy(name.as_bytes()).into_owned();
        match self.realms.find(&name).await? {
            Some(user) if !user.enabled => Err(rejected(UserRejection::Disabled)),
            Some(user) => Ok(Some(RunAs { target: Subject::User(Arc::new(user)), is_known: true })),
            None => {
                let target = Subject::User(Arc::new(User::nobody(name)));
                Ok(Some(RunAs { target, is_known: false }))
            }
        }
    }

    async fn key(
        &self,
        credential: &ApiKeyCredential,
        now: UnixMillis,
    ) -> Result<Authentication, AuthenticationFailure> {
        let found = self.store.find_entry(&credential.id).await?;
        let verified = api_key::verify(credential, found, now);
        match &verified {
            Ok(verified) => {
                self.usage.count(&verified.key().id, KeyUses { proven: 1, wrong_secret: 0 }, None, now);
            }
            Err(KeyRejection::WrongSecret(id)) => {
                self.usage.count(id, KeyUses { proven: 0, wrong_secret: 1 }, None, now);
            }
            Err(_) => {}
        }
        let subject = Subject::ApiKey(Box::new(verified?));
        Ok(Authentication::of(subject, Means::Own))
    }
}

impl Authentication {
    fn of(authenticating: Subject, means: Means) -> Self {
        Self { authenticating, means, run_as: None }
    }

    /// Who is asking: with run-as, the user to act as.
    #[must_use]
    pub(crate) fn subject(&self) -> &Subject {
        self.run_as.as_ref().map_or(&self.authenticating, |run_as| &run_as.target)
    }

    /// The means of authentication.
    #[must_use]
    pub(crate) fn means(&self) -> &Means {
        &self.means
    }

    /// Whose credential it was.
    #[must_use]
    pub(crate) fn authenticating(&self) -> &Subject {
        &self.authenticating
    }

    /// Whether it was a password, and not a key or a token, which somebody else may have by now.
    #[must_use]
    pub(crate) fn came_with_password(&self) -> bool {
        matches!(&self.authenticating, Subject::User(user) if user.password.is_some())
    }

    /// Whether the caller acts as another user.
    #[must_use]
    pub(crate) fn is_run_as(&self) -> bool {
        self.run_as.is_some()
    }

    /// Whether a realm knows the user. Only the target of a run-as can be unknown.
    #[must_use]
    pub(crate) fn is_known(&self) -> bool {
        self.run_as.as_ref().is_none_or(|run_as| run_as.is_known)
    }

    /// The username on whose behalf the request is made: an API key's owner's.
    #[must_use]
    pub(crate) fn username(&self) -> &str {
        self.subject().username()
    }
}

impl Subject {
    /// As the holder of a credential with which an edge asks.
    #[must_use]
    pub(crate) fn holder(&self) -> Holder {
        match self {
            Self::ApiKey(key) => {
                let key = key.key();
                Holder { key: Some(key.id.clone()), username: key.username.clone(), realm: key.realm.clone() }
            }
            Self::User(user) => {
                Holder { key: None, username: user.username.clone(), realm: user.realm.name.clone() }
            }
        }
    }

    /// The username: an API key's owner's.
    #[must_use]
    pub(crate) fn username(&self) -> &str {
        match self {
            Self::ApiKey(key) => &key.key().username,
            Self::User(user) => &user.username,
        }
    }
}
