//! Where a request carries its credential, case by case, and what the upstream sees of it.
//!
//! Each row holds whether the filter's own code reads it or a whole proxy does. This file needs nothing but
//! the language, so any test may include it.

/// All places of these cases, as the operator writes them.
pub(crate) const SOURCES: &str = r#"[
    {"authorization": ["ApiKey", "Bearer", "Basic"]},
    {"header": "x-api-key"},
    {"header": "x-plain-key", "format": "id:secret"},
    {"query": "api_key", "format": "encoded"},
    {"query": "plain.key", "format": "id:secret"},
    {"cookie": "api_key"},
    {"cookie": "plain", "format": "id:secret"}
]"#;

/// One request.
pub(crate) struct Case {
    /// What it is about.
    pub(crate) name: &'static str,
    /// Its path and query.
    pub(crate) target: &'static str,
    /// Its headers, in order.
    pub(crate) headers: Headers,
    /// What it comes to.
    pub(crate) meaning: Meaning,
}

/// Names and values.
pub(crate) type Headers = &'static [(&'static str, &'static str)];

/// What a request comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It has no credential. Where a key is optional it passes as it is.
    Absent,
    /// It has this credential.
    Key {
        /// The key's id, and its secret.
        id: &'static str,
        secret: &'static str,
        /// The path and query that the upstream gets.
        target: &'static str,
        /// What the upstream gets of the headers.
        headers: Headers,
    },
    /// It has something that is no single credential; this is the reason that details show.
    Malformed(&'static str),
}

const fn case(name: &'static str, target: &'static str, headers: Headers, meaning: Meaning) -> Case {
    Case { name, target, headers, meaning }
}

/// The key `id` with the secret `secret`: `printf id:secret | base64` is `aWQ6c2VjcmV0`.
const fn key(target: &'static str, headers: Headers) -> Meaning {
    key_with("secret", target, headers)
}

const fn key_with(secret: &'static str, target: &'static str, headers: Headers) -> Meaning {
    Meaning::Key { id: "id", secret, target, headers }
}

/// The key of [`ONE_TOKEN`].
const fn key_of_token(target: &'static str, headers: Headers) -> Meaning {
    let (id, secret) = ("VuaCfGcBCdbkQm-e5aOx", "lk_live_00000000000000000000004K2bhn");
    Meaning::Key { id, secret, target, headers }
}

const ABSENT: Meaning = Meaning::Absent;
const BAD_BASE64: Meaning = Meaning::Malformed("credential_bad_base64");
const BAD_ESCAPE: Meaning = Meaning::Malformed("credential_bad_escape");
const COLON_MISSING: Meaning = Meaning::Malformed("credential_colon_missing");
const DUPLICATE: Meaning = Meaning::Malformed("credential_duplicate");
const EMPTY: Meaning = Meaning::Malformed("credential_empty");
const ID_EMPTY: Meaning = Meaning::Malformed("credential_id_empty");

/// A JSON Web Token, cut short.
const TOKEN: (&str, &str) = ("authorization", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhOmIifQ.c2ln");

/// An id and a secret with a prefix and a checksum, in one text; and with another checksum.
const ONE_TOKEN: &str = "lk_live_VuaCfGcBCdbkQm-e5aOx_00000000000000000000004K2bhn";
const NO_TOKEN: &str = "lk_live_VuaCfGcBCdbkQm-e5aOx_00000000000000000000004K2bhm";

/// The cases.
pub(crate) const CASES: &[Case] = &[
    // The token of a key.
    case(
        "one token",
        "/s",
        &[("authorization", "Bearer lk_live_VuaCfGcBCdbkQm-e5aOx_00000000000000000000004K2bhn")],
        key_of_token("/s", &[]),
    ),
    case("one token in a header", "/s", &[("x-api-key", ONE_TOKEN)], key_of_token("/s", &[])),
    case("one token in a plain header", "/s", &[("x-plain-key", ONE_TOKEN)], key_of_token("/s", &[])),
    case(
        "one token in the query",
        "/s?api_key=lk_live_VuaCfGcBCdbkQm-e5aOx_00000000000000000000004K2bhn&a=1",
        &[],
        key_of_token("/s?a=1", &[]),
    ),
    case(
        "one token after ApiKey",
        "/s",
        &[("authorization", "ApiKey lk_live_VuaCfGcBCdbkQm-e5aOx_00000000000000000000004K2bhn")],
        BAD_BASE64,
    ),
    case(
        "a token with another checksum",
        "/s",
        &[("authorization", "Bearer lk_live_VuaCfGcBCdbkQm-e5aOx_00000000000000000000004K2bhm")],
        ABSENT,
    ),
    case("a header with another checksum", "/s", &[("x-api-key", NO_TOKEN)], BAD_BASE64),
    case("a plain header with another checksum", "/s", &[("x-plain-key", NO_TOKEN)], COLON_MISSING),
    case("a token twice", "/s", &[("x-api-key", ONE_TOKEN), ("x-plain-key", ONE_TOKEN)], DUPLICATE),
    // The `authorization` header.
    case("ApiKey", "/s?a=1", &[("authorization", "ApiKey aWQ6c2VjcmV0")], key("/s?a=1", &[])),
    case("Bearer", "/s", &[("authorization", "Bearer aWQ6c2VjcmV0")], key("/s", &[])),
    case("bearer in lower case", "/s", &[("authorization", "bearer aWQ6c2VjcmV0")], key("/s", &[])),
    case("Basic", "/s", &[("authorization", "Basic aWQ6c2VjcmV0")], key("/s", &[])),
    case("Basic without padding", "/s", &[("authorization", "Basic aWQ6cw")], key_with("s", "/s", &[])),
    case("a token", "/s", &[TOKEN], ABSENT),
    case("a token that is no Base64", "/s", &[("authorization", "Bearer aWQ6c2VjcmV0-_")], ABSENT),
    case("Bearer alone", "/s", &[("authorization", "Bearer")], ABSENT),
    case("Bearer and a tab", "/s", &[("authorization", "Bearer\taWQ6c2VjcmV0")], ABSENT),
    case("Bearer and two spaces", "/s", &[("authorization", "Bearer  aWQ6c2VjcmV0")], ABSENT),
    case("Bearer of Base64 without colon", "/s", &[("authorization", "Bearer aWRzZWNyZXQ=")], ABSENT),
    case("Bearer of Base64 of no text", "/s", &[("authorization", "Bearer aWQ6AP//")], ABSENT),
    case("Bearer of a line break", "/s", &[("authorization", "Bearer aWQ6cwo=")], ABSENT),
    case("Basic of an empty user", "/s", &[("authorization", "Basic OnNlY3JldA==")], ABSENT),
    case("Basic that is not encoded", "/s", &[("authorization", "Basic id:secret")], ABSENT),
    case("Negotiate", "/s", &[("authorization", "Negotiate aWQ6c2VjcmV0")], ABSENT),
    case("ApiKey alone", "/s", &[("authorization", "ApiKey")], EMPTY),
    case(
        "ApiKey and a tab",
        "/s",
        &[("authorization", "ApiKey\taWQ6c2VjcmV0")],
        Meaning::Malformed("credential_space_missing"),
    ),
    case("Bearer joined to another", "/s", &[("authorization", "Bearer t,Bearer aWQ6c2VjcmV0")], DUPLICATE),
    case("a key joined to a token", "/s", &[("authorization", "Basic aWQ6c2VjcmV0, Bearer t")], DUPLICATE),
    case(
        "two headers",
        "/s",
        &[("authorization", "Bearer aWQ6c2VjcmV0"), ("authorization", "Bearer aWQ6c2VjcmV0")],
        DUPLICATE,
    ),
    // A header of the operator's.
    case(
        "header",
        "/s",
        &[("x-api-key", "aWQ6c2VjcmV0"), ("x-other", "kept")],
        key("/s", &[("x-other", "kept")]),
    ),
    case("header beside a token", "/s", &[TOKEN, ("x-api-key", "aWQ6c2VjcmV0")], key("/s", &[TOKEN])),
    case("header, not encoded", "/s", &[("x-plain-key", "id:secret")], key("/s", &[])),
    case("header, colons in the secret", "/s", &[("x-plain-key", "id:a:b")], key_with("a:b", "/s", &[])),
    case("header, a comma in the secret", "/s", &[("x-plain-key", "id:a,b")], key_with("a,b", "/s", &[])),
    case("header with a scheme", "/s", &[("x-api-key", "ApiKey aWQ6c2VjcmV0")], BAD_BASE64),
    case("header of the other format", "/s", &[("x-api-key", "id:secret")], BAD_BASE64),
    case("header of the other format, encoded", "/s", &[("x-plain-key", "aWQ6c2VjcmV0")], COLON_MISSING),
    case("header without id", "/s", &[("x-plain-key", ":secret")], ID_EMPTY),
    case("empty header", "/s", &[("x-api-key", "")], EMPTY),
    case("header with a comma", "/s", &[("x-api-key", "aWQ6c2VjcmV0,aWQ6c2VjcmV0")], DUPLICATE),
    case(
        "the header twice",
        "/s",
        &[("x-api-key", "aWQ6c2VjcmV0"), ("X-Api-Key", "aWQ6c2VjcmV0")],
        DUPLICATE,
    ),
    case(
        "the header twice, once empty",
        "/s",
        &[("x-api-key", ""), ("x-api-key", "aWQ6c2VjcmV0")],
        DUPLICATE,
    ),
    case("a header that looks alike", "/s", &[("x_api_key", "aWQ6c2VjcmV0")], ABSENT),
    // A parameter of the query.
    case("parameter", "/s?api_key=aWQ6c2VjcmV0", &[], key("/s", &[])),
    case("parameter, first", "/s?api_key=aWQ6c2VjcmV0&b=%7E+&c", &[], key("/s?b=%7E+&c", &[])),
    case("parameter, in between", "/s?b=2&api_key=aWQ6c2VjcmV0&a=1&&", &[], key("/s?b=2&a=1&&", &[])),
    case("parameter, last", "/s?b=2&api_key=aWQ6c2VjcmV0", &[], key("/s?b=2", &[])),
    case("parameter with padding", "/s?api_key=aWQ6cw==", &[], key_with("s", "/s", &[])),
    case("parameter with encoded padding", "/s?api_key=aWQ6cw%3D%3d", &[], key_with("s", "/s", &[])),
    case("parameter with a plus", "/s?api_key=aWQ6fn5+Pz8/", &[], key_with("~~~???", "/s", &[])),
    case("parameter with an encoded plus", "/s?api_key=aWQ6fn5%2BPz8%2F", &[], key_with("~~~???", "/s", &[])),
    case("parameter with a space for the plus", "/s?api_key=aWQ6fn5%20Pz8/", &[], BAD_BASE64),
    case("parameter encoded twice", "/s?api_key=aWQ6cw%253D%253D", &[], BAD_BASE64),
    case("parameter with its name encoded", "/s?api%5fkey=aWQ6c2VjcmV0&x", &[], key("/s?x", &[])),
    case("parameter with its name encoded twice", "/s?api%255Fkey=aWQ6c2VjcmV0", &[], ABSENT),
    case("parameter in another case", "/s?API_KEY=aWQ6c2VjcmV0", &[], ABSENT),
    case("parameter behind a semicolon", "/s?a=1;api_key=aWQ6c2VjcmV0", &[], ABSENT),
    case("parameter in the path", "/s/api_key=aWQ6b3RoZXI", &[], ABSENT),
    case("parameter, not encoded", "/s?plain.key=id:secret&a=1", &[], key("/s?a=1", &[])),
    case("parameter, not encoded, escaped", "/s?plain%2Ekey=id%3Ase%63ret", &[], key("/s", &[])),
    case("parameter, not encoded, with a plus", "/s?plain.key=id:a+b", &[], key_with("a+b", "/s", &[])),
    case("parameter of the other format", "/s?api_key=id:secret", &[], BAD_BASE64),
    case("empty parameter", "/s?api_key=", &[], EMPTY),
    case("parameter without value", "/s?a&api_key", &[], EMPTY),
    case("parameter with half an escape", "/s?plain.key=id:secret%2", &[], BAD_ESCAPE),
    case("parameter with no escape", "/s?api_key=aWQ6%zz", &[], BAD_ESCAPE),
    case("the parameter twice", "/s?api_key=aWQ6c2VjcmV0&api_key=aWQ6c2VjcmV0", &[], DUPLICATE),
    case("the parameter twice, once encoded", "/s?api_key=aWQ6c2VjcmV0&%61pi_key=x", &[], DUPLICATE),
    case("the parameter twice, once empty", "/s?api_key&api_key=aWQ6c2VjcmV0", &[], DUPLICATE),
    // A cookie.
    case("cookie", "/s", &[("cookie", "api_key=aWQ6c2VjcmV0")], key("/s", &[])),
    case(
        "cookie, first",
        "/s",
        &[("cookie", "api_key=aWQ6c2VjcmV0; a=1; b=\"2\"")],
        key("/s", &[("cookie", "a=1; b=\"2\"")]),
    ),
    case(
        "cookie, in between",
        "/s",
        &[("cookie", "b=2;api_key=aWQ6c2VjcmV0;  a=1")],
        key("/s", &[("cookie", "b=2;  a=1")]),
    ),
    case(
        "cookie, last",
        "/s",
        &[("cookie", "a=1; api_key=aWQ6cw==")],
        key_with("s", "/s", &[("cookie", "a=1")]),
    ),
    case("cookie in quotes", "/s", &[("cookie", "api_key=\"aWQ6c2VjcmV0\"")], key("/s", &[])),
    case("cookie, percent-encoded", "/s", &[("cookie", "api_key=aWQ6cw%3D%3D")], BAD_BASE64),
    case("cookie, not encoded", "/s", &[("cookie", "plain=id:secret")], key("/s", &[])),
    case("cookie in another case", "/s", &[("cookie", "Api_Key=aWQ6c2VjcmV0")], ABSENT),
    case("cookie inside another", "/s", &[("cookie", "a=api_key=aWQ6c2VjcmV0")], ABSENT),
    case("empty cookie", "/s", &[("cookie", "api_key=")], EMPTY),
    case("empty cookie in quotes", "/s", &[("cookie", "api_key=\"\"")], EMPTY),
    case("the cookie twice", "/s", &[("cookie", "api_key=aWQ6c2VjcmV0; api_key=aWQ6c2VjcmV0")], DUPLICATE),
    case(
        "the cookie in two headers",
        "/s",
        &[("cookie", "api_key=aWQ6c2VjcmV0"), ("cookie", "api_key=x")],
        DUPLICATE,
    ),
    case(
        "the cookie in one of two headers",
        "/s",
        &[("cookie", "a=1"), ("cookie", "api_key=aWQ6c2VjcmV0")],
        DUPLICATE,
    ),
    case("two headers of other cookies", "/s", &[("cookie", "a=1"), ("cookie", "b=2")], ABSENT),
    // Two places.
    case(
        "scheme and header",
        "/s",
        &[("authorization", "ApiKey aWQ6c2VjcmV0"), ("x-api-key", "aWQ6c2VjcmV0")],
        DUPLICATE,
    ),
    case("header and parameter", "/s?api_key=aWQ6c2VjcmV0", &[("x-api-key", "aWQ6c2VjcmV0")], DUPLICATE),
    case("parameter and cookie", "/s?api_key=aWQ6c2VjcmV0", &[("cookie", "plain=id:secret")], DUPLICATE),
    case("two parameters", "/s?api_key=aWQ6c2VjcmV0&plain.key=id:secret", &[], DUPLICATE),
    case(
        "scheme and an empty parameter",
        "/s?api_key",
        &[("authorization", "ApiKey aWQ6c2VjcmV0")],
        DUPLICATE,
    ),
    case("token and a malformed header", "/s", &[TOKEN, ("x-api-key", "?")], BAD_BASE64),
    case(
        "scheme and a malformed cookie",
        "/s",
        &[("authorization", "Basic aWQ6cw=="), ("cookie", "plain=x")],
        DUPLICATE,
    ),
];
