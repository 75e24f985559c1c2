//! Why authentication failed.

use std::time::Duration;

use crate::model::token::TokenRejection;
use crate::security::api_key::KeyRejection;
use crate::security::credential::MalformedCredential;
use crate::security::jwt::JwtRejection;
use crate::security::password::Saturated;
use crate::store::StoreError;

/// Why authentication failed.
#[derive(Debug, derive_more::From)]
pub enum AuthenticationFailure {
    /// There is a credential that cannot be read.
    #[from]
    Malformed(MalformedCredential),
    /// There is no credential.
    Missing,
    /// The JSON Web Token is not valid.
    #[from]
    RejectedJwt(JwtRejection),
    /// The API key cannot be used.
    #[from]
    RejectedKey(KeyRejection),
    /// The username and the password do not belong together, or the user is not enabled.
    RejectedUser {
        /// The username, as sent.
        username: String,
        /// Whether the password of an enabled user was wrong; for the audit log, never for the client.
        cause: UserRejection,
    },
    /// Too many passwords wait to be verified.
    Saturated,
    /// Too many passwords from the same source were wrong; this one was not checked.
    Throttled {
        /// The username, as sent.
        username: String,
        /// When the next login may be tried.
        retry_after: Duration,
    },
    /// The access token cannot be used.
    #[from]
    RejectedToken(TokenRejection),
    /// A proof of the client came with an access token that takes none.
    ClientProofUnsupported,
    /// The store did not answer, so an API key or a token could not be checked.
    #[from]
    Store(StoreError),
}

/// Why a username and a password were refused. Clients are never told which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserRejection {
    /// The user is not enabled, or the user to act as is not.
    Disabled,
    /// The user to act as has no name, or several.
    RunAsMalformed,
    /// No realm knows the username.
    Unknown,
    /// The password is not the user's.
    WrongPassword,
}

impl AuthenticationFailure {
    /// The kind of the failure, from a fixed set, for metrics and the audit log.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "credential_malformed",
            Self::Missing => "credential_missing",
            Self::RejectedJwt(rejection) => rejection.into(),
            Self::RejectedKey(rejection) => rejection.into(),
            Self::RejectedUser { cause: UserRejection::Disabled, .. } => "user_disabled",
            Self::RejectedUser { cause: UserRejection::RunAsMalformed, .. } => "run_as_malformed",
            Self::RejectedUser { cause: UserRejection::Unknown, .. } => "user_unknown",
            Self::RejectedUser { cause: UserRejection::WrongPassword, .. } => "password_wrong",
            Self::RejectedToken(rejection) => rejection.into(),
            Self::ClientProofUnsupported => "client_proof_unsupported",
            Self::Saturated => "saturated",
            Self::Store(_) => "store",
            Self::Throttled { .. } => "login_throttled",
        }
    }
}

impl AuthenticationFailure {
    /// Whether the service could not check the credential, which may be good.
    #[must_use]
    pub const fn is_trouble(&self) -> bool {
        match self {
            Self::Saturated | Self::Store(_) | Self::RejectedJwt(JwtRejection::KeysUnavailable) => true,
            Self::Malformed(_)
            | Self::Missing
            | Self::RejectedJwt(_)
            | Self::RejectedKey(_)
            | Self::RejectedUser { .. }
            | Self::RejectedToken(_)
            | Self::ClientProofUnsupported
            | Self::Throttled { .. } => false,
        }
    }
}

impl From<Saturated> for AuthenticationFailure {
    fn from(Saturated: Saturated) -> Self {
        Self::Saturated
    }
}
