//! What an `authorization` header means, case by case.
//!
//! Each row holds whether the filter's own code reads it or a whole proxy does: Envoy joins equal headers
//! with a comma before the filter sees them, and trims the white space around a value. This file needs
//! nothing but the language, so any test may include it.

/// The meaning of the `authorization` headers of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The request has no credential.
    Absent,
    /// The request has this credential.
    Credential {
        /// The public half.
        id: &'static str,
        /// The private half.
        secret: &'static [u8],
    },
    /// The request has something that is no single credential; this is the reason that metrics and details
    /// show.
    Malformed(&'static str),
}

/// Name of the case, values of the `authorization` headers in order, meaning.
pub(crate) type Case = (&'static str, &'static [&'static [u8]], Outcome);

/// The credential of most rows: `printf id:secret | base64` is `aWQ6c2VjcmV0`.
const ID_SECRET: Outcome = Outcome::Credential { id: "id", secret: b"secret" };

const BAD_BASE64: Outcome = Outcome::Malformed("credential_bad_base64");
const DUPLICATE: Outcome = Outcome::Malformed("credential_duplicate");
const EMPTY: Outcome = Outcome::Malformed("credential_empty");
const SPACE_MISSING: Outcome = Outcome::Malformed("credential_space_missing");

/// The cases.
pub(crate) const CASES: &[Case] = &[
    // Well-formed.
    ("plain", &[b"ApiKey aWQ6c2VjcmV0"], ID_SECRET),
    ("scheme in lower case", &[b"apikey aWQ6c2VjcmV0"], ID_SECRET),
    ("scheme in upper case", &[b"APIKEY aWQ6c2VjcmV0"], ID_SECRET),
    ("white space around the value", &[b" \tApiKey aWQ6c2VjcmV0 \t"], ID_SECRET),
    (
        "both characters that URL-safe Base64 replaces",
        &[b"ApiKey aWQ6fn5+Pz8/"],
        Outcome::Credential { id: "id", secret: b"~~~???" },
    ),
    // A secret may contain colons, since the first one ends the id.
    ("colons in the secret", &[b"ApiKey aWQ6YTpiOg=="], Outcome::Credential { id: "id", secret: b"a:b:" }),
    // No key has an empty secret, so this is refused later, as a wrong one.
    ("empty secret", &[b"ApiKey aWQ6"], Outcome::Credential { id: "id", secret: b"" }),
    ("secret of no text", &[b"ApiKey aWQ6AP//"], Outcome::Credential { id: "id", secret: b"\0\xFF\xFF" }),
    ("id beyond ASCII", &[b"ApiKey w6Q6cw=="], Outcome::Credential { id: "ä", secret: b"s" }),
    // Padding.
    ("padding of two", &[b"ApiKey aWQ6cw=="], Outcome::Credential { id: "id", secret: b"s" }),
    ("padding of two left out", &[b"ApiKey aWQ6cw"], Outcome::Credential { id: "id", secret: b"s" }),
    ("padding of one", &[b"ApiKey aWQ6c3M="], Outcome::Credential { id: "id", secret: b"ss" }),
    ("padding of one left out", &[b"ApiKey aWQ6c3M"], Outcome::Credential { id: "id", secret: b"ss" }),
    ("padding half there", &[b"ApiKey aWQ6cw="], BAD_BASE64),
    ("padding without need", &[b"ApiKey aWQ6c2VjcmV0===="], BAD_BASE64),
    ("padding in the middle", &[b"ApiKey aWQ6cw==aWQ6"], BAD_BASE64),
    ("nothing but padding", &[b"ApiKey ===="], BAD_BASE64),
    // `x` for `w`: its last four bits are not zero, which neither Java nor this parser looks at.
    ("unused bits set", &[b"ApiKey aWQ6cx"], Outcome::Credential { id: "id", secret: b"s" }),
    ("one character too many", &[b"ApiKey aWQ6c2VjcmV0c"], BAD_BASE64),
    // Not standard Base64.
    ("URL-safe Base64", &[b"ApiKey aWQ6fn5-Pz8_"], BAD_BASE64),
    ("not encoded", &[b"ApiKey id:secret"], BAD_BASE64),
    ("two spaces", &[b"ApiKey  aWQ6c2VjcmV0"], BAD_BASE64),
    ("text after the credential", &[b"ApiKey aWQ6c2VjcmV0 x"], BAD_BASE64),
    ("bytes beyond ASCII", &[b"ApiKey \xFF\xFE"], BAD_BASE64),
    // Base64 of no credential.
    ("no colon", &[b"ApiKey aWRzZWNyZXQ="], Outcome::Malformed("credential_colon_missing")),
    ("colon first", &[b"ApiKey OnNlY3JldA=="], Outcome::Malformed("credential_id_empty")),
    ("colon alone", &[b"ApiKey Og=="], Outcome::Malformed("credential_id_empty")),
    ("id not UTF-8", &[b"ApiKey /zpz"], Outcome::Malformed("credential_id_not_utf8")),
    // None.
    ("no header", &[], Outcome::Absent),
    ("empty header", &[b""], Outcome::Absent),
    ("another scheme", &[b"Basic aWQ6c2VjcmV0"], Outcome::Absent),
    ("another scheme that begins alike", &[b"ApiKeys aWQ6c2VjcmV0"], Outcome::Absent),
    ("another scheme, of a name with a hyphen", &[b"ApiKey-v2 aWQ6c2VjcmV0"], Outcome::Absent),
    ("another scheme that ends alike", &[b"MyApiKey aWQ6c2VjcmV0"], Outcome::Absent),
    ("the scheme as the credential of another", &[b"Bearer ApiKey"], Outcome::Absent),
    ("no scheme", &[b"aWQ6c2VjcmV0"], Outcome::Absent),
    // The scheme and no space after it. To Elasticsearch this is no credential, and to the gate none that is
    // good.
    ("scheme alone", &[b"ApiKey"], EMPTY),
    ("scheme alone, in lower case", &[b"apikey"], EMPTY),
    ("scheme and a space", &[b"ApiKey "], EMPTY),
    ("scheme and a tab", &[b"ApiKey\t"], EMPTY),
    ("tab for space", &[b"ApiKey\taWQ6c2VjcmV0"], SPACE_MISSING),
    ("tab for space, in upper case", &[b"APIKEY\taWQ6c2VjcmV0"], SPACE_MISSING),
    ("tab before the space", &[b"ApiKey\t aWQ6c2VjcmV0"], SPACE_MISSING),
    ("tab after the space", &[b"ApiKey \taWQ6c2VjcmV0"], BAD_BASE64),
    ("colon for space", &[b"ApiKey:aWQ6c2VjcmV0"], SPACE_MISSING),
    ("equals sign for space", &[b"ApiKey=aWQ6c2VjcmV0"], SPACE_MISSING),
    ("a byte beyond ASCII for space", &[b"ApiKey\xA0aWQ6c2VjcmV0"], SPACE_MISSING),
    // Commas belong to the syntax of other schemes.
    ("another scheme with a comma", &[b"Digest realm=\"a\", nonce=\"b\""], Outcome::Absent),
    // Several. (Of an empty header beside another nothing is left once Envoy has joined them, so no row has
    // one.)
    ("two headers", &[b"ApiKey aWQ6c2VjcmV0", b"ApiKey b3RoZXI6c2VjcmV0"], DUPLICATE),
    ("the same header twice", &[b"ApiKey aWQ6c2VjcmV0", b"ApiKey aWQ6c2VjcmV0"], DUPLICATE),
    ("two headers, the first of another scheme", &[b"Basic YTpi", b"ApiKey aWQ6c2VjcmV0"], DUPLICATE),
    ("two headers, the second of another scheme", &[b"ApiKey aWQ6c2VjcmV0", b"Basic YTpi"], DUPLICATE),
    ("two headers, one the scheme alone", &[b"ApiKey", b"Basic YTpi"], DUPLICATE),
    ("two headers, both the scheme alone", &[b"ApiKey", b"ApiKey"], DUPLICATE),
    ("two headers, one with a tab for space", &[b"Bearer t", b"ApiKey\taWQ6c2VjcmV0"], DUPLICATE),
    ("three headers, one the scheme alone", &[b"Bearer t", b"Basic YTpi", b"apikey"], DUPLICATE),
    ("joined by a comma", &[b"ApiKey aWQ6c2VjcmV0,ApiKey b3RoZXI6c2VjcmV0"], DUPLICATE),
    ("joined by a comma and a space", &[b"Basic YTpi, apikey aWQ6c2VjcmV0"], DUPLICATE),
    ("joined with a second credential of no scheme", &[b"ApiKey aWQ6c2VjcmV0,aWQ6c2VjcmV0"], DUPLICATE),
    ("the scheme alone joined to another", &[b"Bearer t, ApiKey"], DUPLICATE),
    ("a comma for space", &[b"ApiKey,aWQ6c2VjcmV0"], DUPLICATE),
    ("a comma at the end", &[b"ApiKey aWQ6c2VjcmV0,"], DUPLICATE),
];
