//! The credential inside a request.
//!
//! [`latchkey_key_feed::credential`] reads one value of the header. What a request as a whole presents is
//! decided here: no credential, one, or a malformed one. These are three answers, and there is no fourth. Any
//! other scheme is no credential. The scheme alone, or with a tab after it, is malformed: Elasticsearch takes
//! that for no credential, but where a key is optional, whoever means to show one must not pass as nobody.
//! Two `authorization` headers are malformed whatever they hold: another reader of the request could pick the
//! other one. Envoy joins them with a comma before the filter runs, so a comma in a value that names this
//! scheme is malformed too; no Base64 has one.

use std::fmt;

use latchkey_key_feed::credential::{Authorization, DecodedCredential, HEADER, UndecodableCredential};
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
    /// The id is longer than any key's ([`latchkey_key_feed::format_limits::KEY_ID_LEN_MAX`]).
    IdTooLong,
    /// Something else than a space follows the scheme, such as a tab.
    SpaceMissing,
    /// The Base64 text is longer than [`CREDENTIAL_LEN_MAX`].
    TooLong,
}

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
/// [`MalformedCredential`] when there is something that is meant as a credential and cannot be read as
/// exactly one.
pub fn extract(headers: &impl Headers) -> Result<Option<Credential>, MalformedCredential> {
    let mut value = None;
    for other in values(headers) {
        if value.replace(other).is_some() {
            return Err(MalformedCredential::Duplicate);
        }
    }
    let Some(value) = value else { return Ok(None) };
    if value.contains(&b',') && Authorization::names_scheme(value) {
        return Err(MalformedCredential::Duplicate);
    }
    match Authorization::read(value) {
        Authorization::Encoded(encoded) => decode(encoded).map(Some),
        Authorization::OtherScheme => Ok(None),
        Authorization::SchemeAlone => Err(MalformedCredential::Empty),
        Authorization::SpaceMissing => Err(MalformedCredential::SpaceMissing),
    }
}

/// Whether a request carries anything of this scheme, well-formed or not: what must not reach the upstream.
#[must_use]
pub fn is_present(headers: &impl Headers) -> bool {
    values(headers).any(Authorization::names_scheme)
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
    let DecodedCredential { id, secret } = DecodedCredential::decode(encoded)?;
    let id = String::from_utf8(id).map_err(|_| MalformedCredential::IdNotUtf8)?;
    let id = KeyId::try_from(id).map_err(|invalid| match invalid {
        // What comes before the first colon has none.
        InvalidKeyId::Empty | InvalidKeyId::HasColon => MalformedCredential::IdEmpty,
        InvalidKeyId::TooLong => MalformedCredential::IdTooLong,
    })?;
    Ok(Credential { id, secret })
}

fn values(headers: &impl Headers) -> impl Iterator<Item = &[u8]> {
    headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(HEADER.as_bytes())).map(|(_, value)| value)
}

impl From<UndecodableCredential> for MalformedCredential {
    fn from(undecodable: UndecodableCredential) -> Self {
        match undecodable {
            UndecodableCredential::ColonMissing => Self::ColonMissing,
            UndecodableCredential::IdEmpty => Self::IdEmpty,
            UndecodableCredential::NotBase64 => Self::BadBase64,
        }
    }
}

#[cfg(test)]
mod tests;
