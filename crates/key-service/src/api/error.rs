//! Errors as the interface writes them.
//!
//! ```json
//! {"error":{"root_cause":[{"type":"…","reason":"…"}],"type":"…","reason":"…","caused_by":{…}},"status":400}
//! ```
//!
//! An [`ErrorCause`] is one `type` and `reason`, possibly caused by another; pure code returns it. An
//! [`ApiError`] adds what only HTTP knows: a status that cannot be a success, headers, and which of the three
//! body shapes is used. What went wrong inside the service goes to the log, never to the client.

mod challenge;
mod envelope;

use std::error::Error;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use latchkey_elastic::{ErrorCause, ErrorType};
use serde_json::Value;

pub(crate) use challenge::Challenge;
pub(crate) use envelope::IsError;

/// A status that says failure: 4xx or 5xx, so that an error cannot be sent as a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorStatus(StatusCode);

/// A status code outside of 400 to 599.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnError(pub StatusCode);

/// A request that failed, ready to be answered.
#[derive(Debug)]
pub struct ApiError {
    status: ErrorStatus,
    body: ErrorBody,
    headers: Vec<(HeaderName, HeaderValue)>,
    internal: Option<Box<dyn Error + Send + Sync>>,
}

/// The three shapes of an error body.
#[derive(Debug)]
enum ErrorBody {
    /// The usual one, with `root_cause`.
    Envelope(ErrorCause),
    /// `{"error":"<text>","status":N}`, for a few errors of the transport; the one for an unknown path has no
    /// status.
    Flat { text: String, shows_status: bool },
    /// `{"error":"<code>","error_description":"<text>"}` of the token endpoint (RFC 6749 section 5.2).
    OAuth { code: OAuthError, description: String },
}

/// The error codes of the token endpoint. Its name, in snake case, is in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum OAuthError {
    /// The refresh token is invalid (RFC 6749 section 5.2).
    InvalidGrant,
    /// A field is missing or excess (RFC 6749 section 5.2).
    InvalidRequest,
    /// The grant type is missing, unknown, or does not go with a field (RFC 6749 section 5.2).
    UnsupportedGrantType,
}

/// A part of the service that can be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// API keys.
    ApiKeys,
    /// OAuth2 tokens.
    SecurityTokens,
}

impl ErrorStatus {
    /// 400.
    pub const BAD_REQUEST: Self = Self(StatusCode::BAD_REQUEST);
    /// 401.
    pub const UNAUTHORIZED: Self = Self(StatusCode::UNAUTHORIZED);
    /// 403.
    pub const FORBIDDEN: Self = Self(StatusCode::FORBIDDEN);
    /// 404.
    pub const NOT_FOUND: Self = Self(StatusCode::NOT_FOUND);
    /// 405.
    pub const METHOD_NOT_ALLOWED: Self = Self(StatusCode::METHOD_NOT_ALLOWED);
    /// 406.
    pub const NOT_ACCEPTABLE: Self = Self(StatusCode::NOT_ACCEPTABLE);
    /// 413.
    pub const PAYLOAD_TOO_LARGE: Self = Self(StatusCode::PAYLOAD_TOO_LARGE);
    /// 415.
    pub const UNSUPPORTED_MEDIA_TYPE: Self = Self(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    /// 429.
    pub const TOO_MANY_REQUESTS: Self = Self(StatusCode::TOO_MANY_REQUESTS);
    /// 500.
    pub const INTERNAL_SERVER_ERROR: Self = Self(StatusCode::INTERNAL_SERVER_ERROR);
    /// 503.
    pub const SERVICE_UNAVAILABLE: Self = Self(StatusCode::SERVICE_UNAVAILABLE);

    /// The code.
    #[must_use]
    pub fn code(self) -> StatusCode {
        self.0
    }
}

impl TryFrom<StatusCode> for ErrorStatus {
    type Error = NotAnError;

    fn try_from(status: StatusCode) -> Result<Self, NotAnError> {
        if status.is_client_error() || status.is_server_error() {
            Ok(Self(status))
        } else {
            Err(NotAnError(status))
        }
    }
}

impl ApiError {
    /// An error in the usual envelope, with a status of the caller's choice.
    #[must_use]
    pub fn new(status: ErrorStatus, cause: ErrorCause) -> Self {
        Self::of(status, ErrorBody::Envelope(cause))
    }

    /// 401 with the challenges as headers, and once more inside the body, where Elasticsearch's clients look
    /// for them.
    ///
    /// `unsuccessful` names each credential that was tried and failed, such as `API key: api key is expired`.
    #[must_use]
    pub fn unauthenticated(
        reason: impl Into<String>,
        challenges: &[Challenge],
        unsuccessful: &[String],
    ) -> Self {
        let mut cause = ErrorCause::new(ErrorType::Security, reason);
        if let Some(value) = one_or_several(unsuccessful) {
            cause = cause.with_extra("additional_unsuccessful_credentials", value);
        }
        let lines: Vec<&str> = challenges.iter().map(|challenge| challenge.as_str()).collect();
        if let Some(value) = one_or_several(&lines) {
            cause = cause.with_extra("header", serde_json::json!({ "WWW-Authenticate": value }));
        }
        let mut error = Self::new(ErrorStatus::UNAUTHORIZED, cause);
        for challenge in challenges {
            error = error.with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge.as_str()));
        }
        error
    }

    /// 403. `reason` is best made by `security::permission::denial`.
    #[must_use]
    pub fn unauthorized(reason: impl Into<String>) -> Self {
        Self::new(ErrorStatus::FORBIDDEN, ErrorCause::new(ErrorType::Security, reason))
    }

    /// The error for credentials inside a request, a grant or a clone. A 401 is wrapped in a 403, because the
    /// caller is authenticated; any other error stays as it is.
    #[must_use]
    pub fn inside_403(self, reason: &str) -> Self {
        match self.body {
            ErrorBody::Envelope(cause) if self.status == ErrorStatus::UNAUTHORIZED => {
                let shown = ErrorCause::new(ErrorType::Security, reason).caused_by(cause);
                Self::new(ErrorStatus::FORBIDDEN, shown)
            }
            body => Self { body, ..self },
        }
    }

    /// 400 for a part of the service that is switched off.
    #[must_use]
    pub fn not_enabled(feature: Feature) -> Self {
        let (name, reason) = match feature {
            Feature::ApiKeys => ("api_keys", "api keys are not enabled"),
            Feature::SecurityTokens => ("security_tokens", "security tokens are not enabled"),
        };
        ErrorCause::new(ErrorType::FeatureNotEnabled, reason)
            .with_extra("disabled.feature", Value::from(name))
            .into()
    }

    /// 429: all workers that hash passwords are busy.
    #[must_use]
    pub fn too_busy(reason: impl Into<String>) -> Self {
        ErrorCause::new(ErrorType::EsRejectedExecution, reason).into()
    }

    /// 429 with `Retry-After`: too many passwords from the same source were wrong.
    #[must_use]
    pub fn too_many_failed_logins(retry_after: Duration) -> Self {
        // Rounded up: a client must not come back too early.
        let seconds = retry_after.as_millis().div_ceil(1_000).max(1);
        let reason = format!("too many failed logins from this source, try again in [{seconds}s]");
        let error = Self::too_busy(reason);
        match HeaderValue::try_from(seconds.to_string()) {
            Ok(value) => error.with_header(header::RETRY_AFTER, value),
            Err(_) => error,
        }
    }

    /// 413: the body is longer than `len_max` bytes.
    #[must_use]
    pub fn body_too_large(len_max: usize) -> Self {
        let reason = format!("request body is larger than {len_max} bytes");
        Self::new(ErrorStatus::PAYLOAD_TOO_LARGE, ErrorCause::new(ErrorType::Status, reason))
    }

    /// 500. The client learns nothing else; the cause is logged when the answer is written.
    #[must_use]
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let mut error = Self::from(ErrorCause::new(ErrorType::Exception, "internal server error"));
        error.internal = Some(cause.into());
        error
    }

    /// 503 with `Retry-After`: the store cannot be reached. It looks like every other outage, and is never a
    /// 401.
    #[must_use]
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let shown = ErrorCause::new(ErrorType::Status, "the service is temporarily unavailable");
        let mut error = Self::new(ErrorStatus::SERVICE_UNAVAILABLE, shown);
        error.internal = Some(cause.into());
        error
    }

    /// 400 of the token endpoint, in the form of RFC 6749.
    #[must_use]
    pub fn oauth(code: OAuthError, description: impl Into<String>) -> Self {
        Self::of(ErrorStatus::BAD_REQUEST, ErrorBody::OAuth { code, description: description.into() })
    }

    /// 400: no route has this path. `uri` with its query, as the client sent it.
    #[must_use]
    pub fn no_handler(method: &Method, uri: &str) -> Self {
        let text = format!("no handler found for uri [{uri}] and method [{method}]");
        Self::of(ErrorStatus::BAD_REQUEST, ErrorBody::Flat { text, shows_status: false })
    }

    /// 405 with `Allow`: the path is known, but not for this method.
    #[must_use]
    pub fn wrong_method(method: &Method, uri: &str, allowed: &[Method]) -> Self {
        let names: Vec<&str> = allowed.iter().map(Method::as_str).collect();
        let allow = names.join(", ");
        let text = format!("Incorrect HTTP method for uri [{uri}] and method [{method}], allowed: [{allow}]");
        let error = Self::of(ErrorStatus::METHOD_NOT_ALLOWED, ErrorBody::Flat { text, shows_status: true });
        match HeaderValue::try_from(allow) {
            Ok(value) => error.with_header(header::ALLOW, value),
            Err(_) => error,
        }
    }

    /// 406: a body came without a media type.
    #[must_use]
    pub fn content_type_missing() -> Self {
        Self::not_acceptable("Content-Type header is missing".to_owned())
    }

    /// 406: a body came in a format that is not JSON.
    #[must_use]
    pub fn content_type_unsupported(content_type: &str) -> Self {
        Self::not_acceptable(format!("Content-Type header [{content_type}] is not supported"))
    }

    /// 415 with `Accept-Encoding` (RFC 9110, section 15.5.16): a body came in an encoding that is not decoded.
    #[must_use]
    pub fn content_encoding_unsupported(content_encoding: &str) -> Self {
        let reason = format!("Content-Encoding header [{content_encoding}] is not supported");
        let cause = ErrorCause::new(ErrorType::Status, reason);
        Self::new(ErrorStatus::UNSUPPORTED_MEDIA_TYPE, cause)
            .with_header(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate"))
    }

    /// Adds one header line to the answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The status that will be answered.
    #[must_use]
    pub fn status(&self) -> ErrorStatus {
        self.status
    }

    /// What the client will read as the reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        match &self.body {
            ErrorBody::Envelope(cause) => cause.reason(),
            ErrorBody::Flat { text, .. } => text,
            ErrorBody::OAuth { description, .. } => description,
        }
    }

    /// The cause in the envelope, for an entry of `error_details`; flat bodies have no cause.
    #[must_use]
    pub fn cause(&self) -> Option<&ErrorCause> {
        match &self.body {
            ErrorBody::Envelope(cause) => Some(cause),
            ErrorBody::Flat { .. } | ErrorBody::OAuth { .. } => None,
        }
    }

    fn not_acceptable(text: String) -> Self {
        Self::of(ErrorStatus::NOT_ACCEPTABLE, ErrorBody::Flat { text, shows_status: true })
    }

    fn of(status: ErrorStatus, body: ErrorBody) -> Self {
        Self { status, body, headers: Vec::new(), internal: None }
    }
}

/// The status that goes with the type; 400 for most.
impl From<ErrorCause> for ApiError {
    fn from(cause: ErrorCause) -> Self {
        Self::new(usual_status(cause.error_type()), cause)
    }
}

/// The status that usually goes with it. A security error is 403 unless it is made with challenges.
fn usual_status(error_type: ErrorType) -> ErrorStatus {
    match error_type {
        ErrorType::ActionRequestValidation
        | ErrorType::BadParameter
        | ErrorType::FeatureNotEnabled
        | ErrorType::IllegalArgument
        | ErrorType::MediaTypeHeader
        | ErrorType::NumberFormat
        | ErrorType::Parse
        | ErrorType::Parsing
        | ErrorType::Status
        | ErrorType::Validation
        | ErrorType::XContentParse => ErrorStatus::BAD_REQUEST,
        ErrorType::CircuitBreaking | ErrorType::EsRejectedExecution => ErrorStatus::TOO_MANY_REQUESTS,
        ErrorType::Exception | ErrorType::IllegalState => ErrorStatus::INTERNAL_SERVER_ERROR,
        ErrorType::ResourceNotFound => ErrorStatus::NOT_FOUND,
        ErrorType::Security => ErrorStatus::FORBIDDEN,
        ErrorType::Timeout => ErrorStatus::SERVICE_UNAVAILABLE,
    }
}

/// One text is written as a string, several as an array, and none is left out.
fn one_or_several<T: AsRef<str>>(texts: &[T]) -> Option<Value> {
    match texts {
        [] => None,
        [only] => Some(Value::from(only.as_ref())),
        several => Some(several.iter().map(|text| Value::from(text.as_ref())).collect()),
    }
}

#[cfg(test)]
mod tests;
