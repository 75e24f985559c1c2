//! Keys that are one opaque text: where they may stand, and what the upstream sees.
//!
//! Each row holds whether the filter's own code reads it or a whole proxy does. This file needs nothing but
//! the language, so any test may include it.

/// All places of these cases, as the operator writes them.
pub(crate) const OPAQUE_SOURCES: &str = r#"[
    {"authorization": ["ApiKey", "Bearer", "Basic"], "bearer": "keys"},
    {"header": "x-api-key"},
    {"header": "x-plain-key", "format": "id:secret"},
    {"query": "api_key"},
    {"cookie": "api_key"}
]"#;

/// A text that is a key, one that was a key, and one that never was.
pub(crate) const OPAQUE: &str = "sk.Zm9v-4f1c9a5e7d3b2a10-live";
pub(crate) const OPAQUE_REVOKED: &str = "5f0f3b0c-55aa-4c1f-9a4e-6b1d2a7c8e90";

/// One request.
pub(crate) struct OpaqueCase {
    /// What it is about.
    pub(crate) name: &'static str,
    /// Its path and query.
    pub(crate) target: &'static str,
    /// Its headers, in order.
    pub(crate) headers: &'static [(&'static str, &'static str)],
    /// What it comes to where there are opaque keys.
    pub(crate) outcome: OpaqueOutcome,
    /// The reason of its refusal where there are none.
    pub(crate) without: &'static str,
}

/// What a request comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpaqueOutcome {
    /// It is admitted as [`OPAQUE`], and the upstream gets this path and query.
    Admitted(&'static str),
    /// It is refused; this is the reason that details show.
    Refused(&'static str),
}

use OpaqueOutcome::{Admitted, Refused};

const fn case(
    name: &'static str,
    target: &'static str,
    headers: &'static [(&'static str, &'static str)],
    outcome: OpaqueOutcome,
    without: &'static str,
) -> OpaqueCase {
    OpaqueCase { name, target, headers, outcome, without }
}

const BAD_BASE64: &str = "credential_bad_base64";
const COLON_MISSING: &str = "credential_colon_missing";

/// The cases.
pub(crate) const OPAQUE_CASES: &[OpaqueCase] = &[
    case("header", "/s", &[("x-api-key", OPAQUE)], Admitted("/s"), BAD_BASE64),
    case("plain header", "/s", &[("x-plain-key", OPAQUE)], Admitted("/s"), COLON_MISSING),
    case("parameter", "/s?a=1&api_key=sk.Zm9v-4f1c9a5e7d3b2a10-live", &[], Admitted("/s?a=1"), BAD_BASE64),
    case("parameter, escaped", "/s?api_key=sk%2EZm9v-4f1c9a5e7d3b2a10-live", &[], Admitted("/s"), BAD_BASE64),
    case("cookie", "/s", &[("cookie", "api_key=sk.Zm9v-4f1c9a5e7d3b2a10-live")], Admitted("/s"), BAD_BASE64),
    case(
        "Bearer",
        "/s",
        &[("authorization", "Bearer sk.Zm9v-4f1c9a5e7d3b2a10-live")],
        Admitted("/s"),
        BAD_BASE64,
    ),
    case(
        "white space around it",
        "/s",
        &[("x-api-key", " sk.Zm9v-4f1c9a5e7d3b2a10-live\t")],
        Admitted("/s"),
        BAD_BASE64,
    ),
    case("revoked", "/s", &[("x-api-key", OPAQUE_REVOKED)], Refused("key_revoked"), BAD_BASE64),
    case(
        "unknown",
        "/s",
        &[("x-api-key", "sk.Zm9v-4f1c9a5e7d3b2a10-liv")],
        Refused("key_unknown"),
        BAD_BASE64,
    ),
    case(
        "in another case",
        "/s",
        &[("x-api-key", "SK.Zm9v-4f1c9a5e7d3b2a10-live")],
        Refused("key_unknown"),
        BAD_BASE64,
    ),
    case("unknown Base64", "/s", &[("x-api-key", "aWRzZWNyZXQ=")], Refused("key_unknown"), COLON_MISSING),
    case(
        "Base64 of a colon and no text",
        "/s",
        &[("x-api-key", "aWQ6AP//")],
        Refused("key_unknown"),
        "key_unknown",
    ),
    case(
        "Bearer of a JSON Web Token",
        "/s",
        &[("authorization", "Bearer e30.e30.c2ln")],
        Refused("key_unknown"),
        BAD_BASE64,
    ),
    case(
        "Bearer alone",
        "/s",
        &[("authorization", "Bearer")],
        Refused("credential_empty"),
        "credential_empty",
    ),
    case(
        "Bearer and a tab",
        "/s",
        &[("authorization", "Bearer\tsk.Zm9v-4f1c9a5e7d3b2a10-live")],
        Refused("credential_space_missing"),
        "credential_space_missing",
    ),
    case(
        "after ApiKey",
        "/s",
        &[("authorization", "ApiKey sk.Zm9v-4f1c9a5e7d3b2a10-live")],
        Refused(BAD_BASE64),
        BAD_BASE64,
    ),
    case(
        "after Basic",
        "/s",
        &[("authorization", "Basic sk.Zm9v-4f1c9a5e7d3b2a10-live")],
        Refused("credential_missing"),
        "credential_missing",
    ),
    case("an id and a secret", "/s", &[("x-api-key", "aWQ6c2VjcmV0")], Refused("key_unknown"), "key_unknown"),
    case(
        "not encoded where it must be",
        "/s",
        &[("x-api-key", "id:secret")],
        Refused(BAD_BASE64),
        BAD_BASE64,
    ),
    case("a space in it", "/s", &[("x-api-key", "sk.Zm9v 4f1c")], Refused(BAD_BASE64), BAD_BASE64),
    case("empty", "/s", &[("x-api-key", "")], Refused("credential_empty"), "credential_empty"),
    case(
        "in two places",
        "/s?api_key=sk.Zm9v-4f1c9a5e7d3b2a10-live",
        &[("x-api-key", OPAQUE)],
        Refused("credential_duplicate"),
        "credential_duplicate",
    ),
    case(
        "two in one header",
        "/s",
        &[("x-api-key", "sk.Zm9v-4f1c9a5e7d3b2a10-live,sk.Zm9v-4f1c9a5e7d3b2a10-live")],
        Refused("credential_duplicate"),
        "credential_duplicate",
    ),
];
