//! How a refusal looks to the client.
//!
//! The shape is Elasticsearch's error body, which its official clients take apart, and every bad key has the
//! same words, because the precise reason would help an attacker who guesses. The response-code details have
//! it, for the access log.
//!
//! A gRPC client reads no body. Envoy turns a local reply to it into trailers whose `grpc-message` is the
//! body, so that is the bare reason then.

use std::time::Duration;

use latchkey_key_feed::credential::SCHEME;

use crate::credential::MalformedCredential;
use crate::denial::{Denial, Unauthenticated};
use crate::headers::Headers;
use crate::limits::REPLY_PATH_LEN_MAX;

/// A local reply, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u32,
    /// The headers, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body, or the message for a gRPC client.
    pub body: String,
    /// The gRPC status. The host uses it for gRPC requests and ignores it for others.
    pub grpc_status: i32,
    /// What the access log shows as response-code details.
    pub details: String,
}

/// The statuses of refusals. There is no other way to end a request here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenyStatus {
    /// The credential is missing or bad.
    Unauthorized401,
    /// The gate cannot tell, and the client may try again.
    Unavailable503,
}

/// For every bad key (Elasticsearch, `AuthenticationService`).
const BAD_KEY: &str =
    "unable to authenticate with provided credentials and anonymous access is not allowed for this request";

/// Whenever the gate cannot tell.
const UNAVAILABLE: &str = "API keys cannot be verified at the moment, try again later";

/// What stands for the end of a path that is not repeated whole.
const CUT: &str = "...";

impl DenyStatus {
    /// The HTTP status code.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Unauthorized401 => 401,
            Self::Unavailable503 => 503,
        }
    }

    /// The gRPC status code: 16 is UNAUTHENTICATED, 14 is UNAVAILABLE.
    #[must_use]
    pub const fn grpc_code(self) -> i32 {
        match self {
            Self::Unauthorized401 => 16,
            Self::Unavailable503 => 14,
        }
    }
}

impl From<Denial> for DenyStatus {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::Unauthenticated(_) => Self::Unauthorized401,
            Denial::Unavailable(_) => Self::Unavailable503,
        }
    }
}

impl Reply {
    /// The answer to a refused request, whose headers may be unknown. `retry_after` is when asking again may
    /// help; only a 503 tells it.
    #[must_use]
    pub fn to(denial: Denial, request: Option<&impl Headers>, retry_after: Duration) -> Self {
        let status = DenyStatus::from(denial);
        let reason = public_reason(denial, request);
        let mut headers = vec![match status {
            DenyStatus::Unauthorized401 => ("www-authenticate", SCHEME.to_owned()),
            DenyStatus::Unavailable503 => ("retry-after", whole_seconds(retry_after).to_string()),
        }];
        let body = if is_grpc(request) {
            reason
        } else {
            headers.push(("content-type", "application/json".to_owned()));
            envelope(status, &reason)
        };
        let details = ["latchkey_", denial.reason()].concat();
        Self { status: status.code(), headers, body, grpc_status: status.grpc_code(), details }
    }
}

/// What the client may know.
fn public_reason(denial: Denial, request: Option<&impl Headers>) -> String {
    match denial {
        // To Elasticsearch these are no credentials, and it says so.
        Denial::Unauthenticated(
            Unauthenticated::CredentialMissing
            | Unauthenticated::CredentialMalformed(
                MalformedCredential::Empty | MalformedCredential::SpaceMissing,
            ),
        ) => ["missing authentication credentials for REST request [", &path(request), "]"].concat(),
        Denial::Unauthenticated(
            Unauthenticated::CredentialMalformed(_)
            | Unauthenticated::KeyExpired
            | Unauthenticated::KeyRevoked
            | Unauthenticated::KeyUnknown
            | Unauthenticated::SecretWrong,
        ) => BAD_KEY.to_owned(),
        Denial::Unavailable(_) => UNAVAILABLE.to_owned(),
    }
}

/// Elasticsearch's error body. Its Python client reads the message from the first root cause. Whoever floods
/// the proxy with bad keys gets one of these each time, so it is put together from its parts and not from a
/// tree.
fn envelope(status: DenyStatus, reason: &str) -> String {
    let (kind, challenge, code) = match status {
        DenyStatus::Unauthorized401 => {
            ("security_exception", ",\"header\":{\"WWW-Authenticate\":\"ApiKey\"}", "401")
        }
        DenyStatus::Unavailable503 => ("status_exception", "", "503"),
    };
    // Text can always be written as JSON; were that ever to fail, the body would still be well-formed.
    let reason = serde_json::to_string(reason).unwrap_or_else(|_| "null".to_owned());
    let cause = ["\"type\":\"", kind, "\",\"reason\":", &reason, challenge].concat();
    ["{\"error\":{\"root_cause\":[{", &cause, "}],", &cause, "},\"status\":", code, "}"].concat()
}

/// The path and query of the request as text, cut to a length that costs little to send.
fn path(request: Option<&impl Headers>) -> String {
    let path = request.and_then(|request| request.first(":path")).unwrap_or_default();
    match path.get(..REPLY_PATH_LEN_MAX) {
        Some(start) if path.len() > REPLY_PATH_LEN_MAX => {
            // The cut may have left half a character.
            let start = String::from_utf8_lossy(start);
            [start.trim_end_matches(char::REPLACEMENT_CHARACTER), CUT].concat()
        }
        _ => String::from_utf8_lossy(path).into_owned(),
    }
}

/// At least one: a client that is told to wait for no time at all asks again at once.
fn whole_seconds(duration: Duration) -> u64 {
    let begun = u64::from(duration.subsec_nanos() > 0);
    duration.as_secs().saturating_add(begun).max(1)
}

/// Whether Envoy takes the request for gRPC (`Grpc::Common::hasGrpcContentType`): gRPC-Web, for one, is not.
fn is_grpc(request: Option<&impl Headers>) -> bool {
    request
        .and_then(|request| request.first("content-type"))
        .and_then(|value| value.strip_prefix(b"application/grpc"))
        .is_some_and(|rest| matches!(rest, [] | [b'+', ..]))
}

#[cfg(test)]
mod tests;
