//! How a refusal looks to the client.
//!
//! The shape is Elasticsearch's error body, which its official clients take apart, or what the operator wants
//! in its place ([`Replies`]). Every bad key has the same words: what was wrong with it would help whoever
//! guesses. The precise reason stands in the response-code details, for the access log.
//!
//! A gRPC client reads no body. Envoy turns a local reply to it into trailers whose `grpc-message` is the
//! body, so that is the bare reason then.

use std::time::Duration;

use latchkey_key_feed::KeyId;

use crate::credential::MalformedCredential;
use crate::denial::{Denial, Unauthenticated, Unavailable};
use crate::headers::Headers;
use crate::limits::REPLY_PATH_LEN_MAX;
use crate::rules::Ambiguous;

mod body;
mod replies;

use body::Told;
pub use replies::{BodyFormat, Replies, ReplyChoices};

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
    /// Whether it goes to a gRPC client: a host that does not see to that itself has to tell the status.
    pub is_grpc: bool,
    /// What the access log shows as response-code details.
    pub details: String,
}

/// The statuses of refusals. There is no other way to end a request here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenyStatus {
    /// The request can be read in several ways.
    BadRequest400,
    /// The credential is missing or bad.
    Unauthorized401,
    /// The key may not do this.
    Forbidden403,
    /// The gate cannot tell, and the client may try again.
    Unavailable503,
}

/// For every bad key (Elasticsearch, `AuthenticationService`).
const BAD_KEY: &str =
    "unable to authenticate with provided credentials and anonymous access is not allowed for this request";

/// Whenever the gate cannot tell.
const UNAVAILABLE: &str = "API keys cannot be verified at the moment, try again later";

/// Of a host that a rule cannot be looked up by.
const AMBIGUOUS_HOST: &str = "the host of the request is not one host name or address";

/// Of a path that a rule cannot be looked up by.
const AMBIGUOUS_PATH: &str = "the path of the request can be read in several ways, send it normalized";

/// Of a method that some upstream reads in upper case.
const AMBIGUOUS_METHOD: &str = "the method of the request is not in upper case";

/// Of a route that a forged header chose.
const AMBIGUOUS_ROUTE: &str = "the request has a header that only the gateway may set";

/// Of a key that may not, where no rule is known.
const FORBIDDEN: &str = "action is unauthorized for this API key";

/// What stands for the end of a path that is not repeated whole.
const CUT: &str = "...";

impl DenyStatus {
    /// The HTTP status code.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::BadRequest400 => 400,
            Self::Unauthorized401 => 401,
            Self::Forbidden403 => 403,
            Self::Unavailable503 => 503,
        }
    }

    /// The gRPC status code: 3 is INVALID_ARGUMENT, 7 is PERMISSION_DENIED, 14 is UNAVAILABLE, and 16 is
    /// UNAUTHENTICATED.
    #[must_use]
    pub const fn grpc_code(self) -> i32 {
        match self {
            Self::BadRequest400 => 3,
            Self::Unauthorized401 => 16,
            Self::Forbidden403 => 7,
            Self::Unavailable503 => 14,
        }
    }
}

impl From<Denial> for DenyStatus {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::Ambiguous(_) => Self::BadRequest400,
            Denial::Forbidden | Denial::ForbiddenByRoute => Self::Forbidden403,
            Denial::Unauthenticated(_) => Self::Unauthorized401,
            Denial::Unavailable(_) => Self::Unavailable503,
        }
    }
}

impl Replies {
    /// The answer to a refused request, whose headers may be unknown. `path` is its path without a credential.
    /// `retry_after` is when asking again may help; a 401 does not tell it.
    #[must_use]
    pub fn to(
        &self,
        denial: Denial,
        request: Option<&impl Headers>,
        path: Option<&[u8]>,
        retry_after: Duration,
    ) -> Reply {
        self.with(denial, public_reason(denial, path.unwrap_or_default()), request, retry_after)
    }

    /// The answer to a request whose key is good and may not do what the rule of that name is for. As in
    /// Elasticsearch the client reads what it may not do and by which key; which right is missing, and whose
    /// key it is, it does not.
    #[must_use]
    pub fn forbidden(&self, rule: &str, id: &KeyId, request: Option<&impl Headers>) -> Reply {
        let reason = ["action [", rule, "] is unauthorized for API key id [", id.as_str(), "]"].concat();
        let mut reply = self.with(Denial::Forbidden, reason, request, Duration::ZERO);
        reply.details = [&reply.details, "{", rule, "}"].concat();
        reply
    }

    fn with(
        &self,
        denial: Denial,
        reason: String,
        request: Option<&impl Headers>,
        retry_after: Duration,
    ) -> Reply {
        let status = DenyStatus::from(denial);
        let code = match denial {
            Denial::Unavailable(Unavailable::TableAbsent) => self.table_absent_status,
            _ => status.code(),
        };
        let reason = self.text(status).map_or(reason, str::to_owned);
        let mut headers = Vec::new();
        match status {
            DenyStatus::BadRequest400 | DenyStatus::Forbidden403 => {}
            DenyStatus::Unauthorized401 => {
                for challenge in &self.challenges {
                    headers.push(("www-authenticate", challenge.clone()));
                }
            }
            DenyStatus::Unavailable503 => {
                headers.push(("retry-after", whole_seconds(retry_after).to_string()));
            }
        }
        let is_grpc = is_grpc(request);
        let body = if is_grpc {
            reason
        } else {
            headers.push(("content-type", self.format.content_type().to_owned()));
            self.format.body(&Told { status, code, reason: &reason, challenges: &self.challenges_in_body })
        };
        let details = ["latchkey_", denial.reason()].concat();
        Reply { status: code, headers, body, grpc_status: status.grpc_code(), is_grpc, details }
    }
}

/// What the client may know.
fn public_reason(denial: Denial, path: &[u8]) -> String {
    match denial {
        Denial::Ambiguous(Ambiguous::Host) => AMBIGUOUS_HOST.to_owned(),
        Denial::Ambiguous(Ambiguous::Method) => AMBIGUOUS_METHOD.to_owned(),
        Denial::Ambiguous(Ambiguous::Path) => AMBIGUOUS_PATH.to_owned(),
        Denial::Ambiguous(Ambiguous::Route) => AMBIGUOUS_ROUTE.to_owned(),
        Denial::Forbidden | Denial::ForbiddenByRoute => FORBIDDEN.to_owned(),
        // To Elasticsearch these are no credentials, and it says so.
        Denial::Unauthenticated(
            Unauthenticated::CredentialMissing
            | Unauthenticated::CredentialMalformed(
                MalformedCredential::Empty | MalformedCredential::SpaceMissing,
            ),
        ) => ["missing authentication credentials for REST request [", &shown(path), "]"].concat(),
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

/// The path and query of the request as text, cut to a length that costs little to send.
fn shown(path: &[u8]) -> String {
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
#[must_use]
pub fn is_grpc(request: Option<&impl Headers>) -> bool {
    request
        .and_then(|request| request.first("content-type"))
        .and_then(|value| value.strip_prefix(b"application/grpc"))
        .is_some_and(|rest| matches!(rest, [] | [b'+', ..]))
}

#[cfg(test)]
mod tests;
