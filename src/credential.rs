//! The credential inside a request.
//!
//! ```abnf
//! authorization = scheme SP encoded           ; surrounding white space is not part of it (RFC 9110, section 5.5)
//! scheme        = "ApiKey"                    ; in any case (RFC 9110, section 11.1)
//! encoded       = 1*( ALPHA / DIGIT / "+" / "/" ) *2"="
//!                                             ; Base64 (RFC 4648, section 4) of `credential`
//! credential    = id ":" secret               ; split at the first colon
//! id            = 1*( any character of UTF-8 but ":" )
//! secret        = *OCTET
//! ```
//!
//! Exactly one space follows the scheme. Padding may be left out, but if there is any it is right; the unused bits of the last
//! character are not looked at. These are the rules of Elasticsearch (`ApiKeyService#getCredentialsFromHeader` and Java's
//! basic Base64 decoder), so that what its clients send means here what it means there.
//!
//! A request has no credential, one, or a malformed one, and these are three answers. Any other scheme is none. The scheme is a token
//! (RFC 9110, section 5.6.2): it ends before the first character that no token has, and that has to be a space. So the scheme alone, or
//! with a tab after it, is malformed: Elasticsearch takes that for no credential, but where a key is optional, whoever means to show one
//! must not pass as nobody. Two `authorization` headers are malformed whatever they hold: another reader of the request could pick the
//! other one. Envoy joins them with a comma before the filter runs, so a comma in a value that names this scheme is malformed
//! too; no Base64 has one.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use latchkey_key_feed::{InvalidKeyId, KeyId, KeySecret};

use crate::headers::Headers;
use crate::limits::CREDENTIAL_LEN_MAX;

/// What a client presents.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The public half.
    pub id: KeyId,
    /// The private half.
    pub secret: KeySecret,
}

/// Why there is a credential and it cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MalformedCredential {
    /// It is not standard Base64.
    BadBase64,
    /// Nothing separates id and secret.
    ColonMissing,
    /// There are several `authorization` headers, or several values joined into one.
    Duplicate,
    /// Nothing follows the scheme.
    Empty,
    /// The colon comes first.
    IdEmpty,
    /// The id is not UTF-8.
    IdNotUtf8,
    /// The id is longer than any key's ([`latchkey_key_feed::limits::KEY_ID_LEN_MAX`]).
    IdTooLong,
    /// Something else than a space follows the scheme, such as a tab.
    SpaceMissing,
    /// The Base64 text is longer than [`CREDENTIAL_LEN_MAX`].
    TooLong,
}

/// Name of the header, in lower case.
pub const HEADER: &str = "authorization";

/// Name of the scheme, as a challenge spells it.
pub const SCHEME: &str = "ApiKey";

static UNPADDED: GeneralPurpose = decoder(DecodePaddingMode::RequireNone);
static PADDED: GeneralPurpose = decoder(DecodePaddingMode::RequireCanonical);

impl MalformedCredential {
    /// The reason in snake case: a metric's label and a response-code detail, never shown to the client.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::BadBase64 => "credential_bad_base64",
            Self::ColonMissing => "credential_colon_missing",
            Self::Duplicate => "credential_duplicate",
            Self::Empty => "credential_empty",
            Self::IdEmpty => "credential_id_empty",
            Self::IdNotUtf8 => "credential_id_not_utf8",
            Self::IdTooLong => "credential_id_too_long",
            Self::SpaceMissing => "credential_space_missing",
            Self::TooLong => "credential_too_long",
        }
    }
}

impl fmt::Display for MalformedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for MalformedCredential {}

/// The credential of a request; `None` when it has none.
///
/// # Errors
///
/// [`MalformedCredential`] when there is something that is meant as a credential and cannot be read as exactly one.
pub fn extract(headers: &impl Headers) -> Result<Option<Credential>, MalformedCredential> {
    let mut value = None;
    for other in values(headers) {
        if value.replace(other).is_some() {
            return Err(MalformedCredential::Duplicate);
        }
    }
    let Some(value) = value else { return Ok(None) };
    if value.contains(&b',') && names_scheme(value) {
        return Err(MalformedCredential::Duplicate);
    }
    match after_scheme(value) {
        None => Ok(None),
        Some([]) => Err(MalformedCredential::Empty),
        Some([b' ', encoded @ ..]) => decode(encoded).map(Some),
        Some(_) => Err(MalformedCredential::SpaceMissing),
    }
}

/// Whether a request carries anything of this scheme, well-formed or not: what must not reach the upstream.
#[must_use]
pub fn is_present(headers: &impl Headers) -> bool {
    values(headers).any(names_scheme)
}

/// Reads what follows the scheme: the Base64 of id, colon and secret.
///
/// # Errors
///
/// [`MalformedCredential`], never with any of the bytes.
pub fn decode(encoded: &[u8]) -> Result<Credential, MalformedCredential> {
    if encoded.len() > CREDENTIAL_LEN_MAX {
        return Err(MalformedCredential::TooLong);
    }
    let decoder = if encoded.ends_with(b"=") { &PADDED } else { &UNPADDED };
    let mut id = decoder.decode(encoded).map_err(|_| MalformedCredential::BadBase64)?;
    let colon = id.iter().position(|byte| *byte == b':').ok_or(MalformedCredential::ColonMissing)?;
    let secret = id.split_off(colon + 1);
    id.truncate(colon);
    let id = String::from_utf8(id).map_err(|_| MalformedCredential::IdNotUtf8)?;
    let id = KeyId::try_from(id).map_err(|invalid| match invalid {
        // What comes before the first colon has none.
        InvalidKeyId::Empty | InvalidKeyId::HasColon => MalformedCredential::IdEmpty,
        InvalidKeyId::TooLong => MalformedCredential::IdTooLong,
    })?;
    Ok(Credential { id, secret: KeySecret::presented(secret) })
}

fn values(headers: &impl Headers) -> impl Iterator<Item = &[u8]> {
    headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(HEADER.as_bytes()))
        .map(|(_, value)| trimmed(value))
}

/// What follows the scheme; `None` under any other scheme.
fn after_scheme(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(SCHEME.len())?;
    let ends = !rest.first().is_some_and(|byte| is_of_token(*byte));
    (scheme.eq_ignore_ascii_case(SCHEME.as_bytes()) && ends).then_some(rest)
}

/// Whether the scheme begins any of the values that were joined by commas.
fn names_scheme(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|part| after_scheme(trimmed(part)).is_some())
}

/// Whether a token may hold this (RFC 9110, section 5.6.2, `tchar`).
const fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Without the white space around it, as RFC 9110 (section 5.6.3) means it: not all that Rust would call white space.
fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

const fn decoder(padding: DecodePaddingMode) -> GeneralPurpose {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(padding).with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&alphabet::STANDARD, config)
}

#[cfg(test)]
mod tests;
