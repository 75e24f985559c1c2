//! Which headers can tell an identity, and which can carry a credential.

use std::fmt;

use crate::headers::look_alike;
use crate::limits::HEADER_NAME_LEN_MAX;

/// Why a text cannot be the name of an identity header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidHeaderName {
    /// It is not a header name in lower case (RFC 9110, section 5.6.2; RFC 9113, section 8.2.1).
    BadCharacter,
    /// It has no character at all.
    Empty,
    /// It looks like the name of another identity header.
    LooksLikeAnother,
    /// HTTP or the proxy gives it a meaning, so it cannot carry an identity.
    Reserved,
    /// It is longer than [`HEADER_NAME_LEN_MAX`] bytes.
    TooLong,
}

/// Names with a meaning of their own: framing and connection (RFC 9110, section 7.6.1; RFC 9112), what clients
/// send of themselves (RFC 9110, sections 10.1, 12.5 and 14.2), the credential, and what Envoy tells the
/// upstream about the connection.
const RESERVED: &[&str] = &[
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "authorization",
    "b3",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "max-forwards",
    "origin",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "referer",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-client-trace-id",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-request-id",
];

/// Beginnings of names that steer Envoy itself, and of those that CORS (Fetch, section 3.2), conditional
/// requests (RFC 9110, section 13.1), browsers, tracing and gRPC keep for themselves.
const RESERVED_PREFIXES: &[&str] = &["access-control-", "grpc-", "if-", "sec-", "x-b3-", "x-envoy-"];

/// The beginning of names that proxies write. One of them may tell an identity, as `x-forwarded-user` often
/// does, but what a proxy before this one wrote there is no credential.
const FORWARDED_PREFIX: &str = "x-forwarded-";

impl fmt::Display for InvalidHeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadCharacter => f.write_str("is not a header name in lower case"),
            Self::Empty => f.write_str("is empty"),
            Self::LooksLikeAnother => {
                f.write_str("is the name of another identity header, or looks like it to an upstream")
            }
            Self::Reserved => f.write_str("has a meaning of its own in HTTP or in Envoy"),
            Self::TooLong => write!(f, "is longer than {HEADER_NAME_LEN_MAX} bytes"),
        }
    }
}

impl std::error::Error for InvalidHeaderName {}

/// Whether an identity can be told in a header of this name.
pub(super) fn check(name: &str) -> Result<(), InvalidHeaderName> {
    if name.is_empty() {
        return Err(InvalidHeaderName::Empty);
    }
    if name.len() > HEADER_NAME_LEN_MAX {
        return Err(InvalidHeaderName::TooLong);
    }
    // A pseudo-header field is no header field (RFC 9113, section 8.3).
    if name.starts_with(':') {
        return Err(InvalidHeaderName::Reserved);
    }
    if !name.bytes().all(is_lower_case_token) {
        return Err(InvalidHeaderName::BadCharacter);
    }
    if RESERVED.iter().any(|reserved| look_alike(reserved.as_bytes(), name.as_bytes()))
        || RESERVED_PREFIXES.iter().any(|prefix| begins_like(name, prefix))
    {
        return Err(InvalidHeaderName::Reserved);
    }
    Ok(())
}

/// Whether a credential can come in a header of this name.
pub(super) fn check_source(name: &str) -> Result<(), InvalidHeaderName> {
    check(name)?;
    if begins_like(name, FORWARDED_PREFIX) { Err(InvalidHeaderName::Reserved) } else { Ok(()) }
}

fn begins_like(name: &str, prefix: &str) -> bool {
    name.as_bytes().get(..prefix.len()).is_some_and(|start| look_alike(start, prefix.as_bytes()))
}

/// Whether the byte may stand in a header name (RFC 9110, section 5.6.2, `tchar`) and is not a capital.
fn is_lower_case_token(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9') || b"!#$%&'*+-.^_`|~".contains(&byte)
}
