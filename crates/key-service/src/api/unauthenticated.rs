//! What a client learns if its authentication fails: 401 with challenges, 429 or 503.

use std::fmt;

use latchkey_elastic::{ErrorCause, ErrorType};

use crate::api::error::{ApiError, Challenge, ErrorStatus};
use crate::model::token::TokenRejection;
use crate::security::authentication::{AuthenticationFailure, Schemes};
use crate::security::credential::MalformedCredential;
use crate::security::jwt::JwtRejection;

/// What a credential was given for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked<'a> {
    /// An action that takes credentials in its body: its name.
    Action(&'a str),
    /// A request: its URI, with the query.
    Request(&'a str),
}

/// The reason for every credential that is well-formed and not valid.
const REJECTED: &str =
    "unable to authenticate with provided credentials and anonymous access is not allowed for this request";

/// The answer to a failed authentication, in Elasticsearch's words.
pub(super) fn unauthenticated(
    failure: AuthenticationFailure,
    asked: Asked<'_>,
    schemes: Schemes,
) -> ApiError {
    let challenges = challenges(schemes);
    let refused = |reason: String| ApiError::unauthenticated(reason, &challenges, &[]);
    let rejected = |kind: &str, message: &str| {
        ApiError::unauthenticated(REJECTED, &challenges, &[format!("{kind}: {message}")])
    };
    match failure {
        AuthenticationFailure::Missing => refused(format!("missing authentication credentials for {asked}")),
        AuthenticationFailure::Malformed(malformed) => match malformed {
            MalformedCredential::ApiKeyEncoding(_) | MalformedCredential::ApiKeyValue => {
                rejected("API key", &malformed.to_string())
            }
            MalformedCredential::BasicEncoding | MalformedCredential::BasicValue => {
                ApiError::unauthenticated(malformed.to_string(), &[Challenge::Basic], &[])
            }
            MalformedCredential::SeveralHeaders => {
                ApiError::unauthenticated(REJECTED, &challenges, &[malformed.to_string()])
            }
        },
        // Elasticsearch tries its own tokens first, and says so.
        AuthenticationFailure::RejectedJwt(JwtRejection::KeysUnavailable) => {
            ApiError::unavailable(JwtRejection::KeysUnavailable)
        }
        AuthenticationFailure::RejectedJwt(_) => {
            let tried = schemes.tokens.then(|| "oauth2 token: invalid token".to_owned());
            let reason = format!("unable to authenticate user [<unrecognized-jwt>] for {asked}");
            ApiError::unauthenticated(reason, &challenges, tried.as_slice())
        }
        AuthenticationFailure::RejectedKey(rejection) => rejected("API key", &rejection.to_string()),
        AuthenticationFailure::RejectedToken(
            TokenRejection::Ended | TokenRejection::SubjectOrClientInvalid,
        ) => ApiError::unauthenticated("token expired", &[Challenge::BearerExpired], &[]),
        AuthenticationFailure::RejectedToken(TokenRejection::Unknown) => {
            rejected("oauth2 token", "invalid token")
        }
        AuthenticationFailure::RejectedUser { username, .. } => {
            refused(format!("unable to authenticate user [{username}] for {asked}"))
        }
        AuthenticationFailure::ClientProofUnsupported => {
            let reason = "[client_authentication] not supported with the supplied access_token type";
            ApiError::new(ErrorStatus::BAD_REQUEST, ErrorCause::new(ErrorType::Security, reason))
        }
        AuthenticationFailure::Saturated => ApiError::too_busy("too many passwords wait to be verified"),
        AuthenticationFailure::Throttled { retry_after, .. } => ApiError::too_many_failed_logins(retry_after),
        AuthenticationFailure::Store(error) => error.into(),
    }
}

/// The answer if the authenticated caller is no longer valid when the change is written.
pub(super) fn precondition_failed() -> ApiError {
    let schemes = Schemes { api_keys: true, tokens: true, jwt: true };
    ApiError::unauthenticated(REJECTED, &challenges(schemes), &[])
}

/// The challenges of the accepted schemes, in Elasticsearch's order.
pub(super) fn challenges(schemes: Schemes) -> Vec<Challenge> {
    let mut challenges = vec![Challenge::Basic];
    if schemes.tokens || schemes.jwt {
        challenges.push(Challenge::Bearer);
    }
    if schemes.api_keys {
        challenges.push(Challenge::ApiKey);
    }
    challenges
}

/// In the form in which it ends a reason.
impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Action(action) => write!(f, "action [{action}]"),
            Self::Request(uri) => write!(f, "REST request [{uri}]"),
        }
    }
}
