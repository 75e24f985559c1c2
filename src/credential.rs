//! The credential inside a request.
//!
//! [`latchkey_key_feed::credential`] reads one value. What a request as a whole presents is decided here: no
//! credential, one, or a malformed one. These are three answers, and there is no fourth. [`CredentialSources`]
//! says where to look. A request that carries something in two of these places, or twice in one, is
//! malformed, whatever it is: another reader of the request could pick the other one.
//!
//! What stands in a place that is only for keys is meant as a key, and malformed where it is none. That is a
//! named header, parameter or cookie, and whatever follows the scheme `ApiKey`, if only a tab or nothing:
//! Elasticsearch takes that for no credential, but where a key is optional, whoever means to show one must not
//! pass as nobody. The schemes `Bearer` and `Basic` carry other credentials too, so there only what has the
//! shape of a key is one, and the rest is the upstream's; unless the operator says that `Bearer` is only for keys.
//!
//! In a named place, and after a `Bearer` that is only for keys, a text in none of these forms may be an opaque
//! key ([`Presented`]). Whether there are such keys, only the table knows.

use std::fmt;

use latchkey_key_feed::credential::{DecodedCredential, UndecodableCredential};
use latchkey_key_feed::{InvalidKeyId, KeyId, KeySecret};

use crate::limits::CREDENTIAL_LEN_MAX;

mod authorization;
mod cookie;
mod presented;
mod query;
mod sources;
mod stripping;

pub use presented::{OpaqueText, Presented};
pub use sources::{Bearer, CredentialSource, CredentialSources, Place, Schemes, SourceFormat};
pub use stripping::Stripped;

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
    /// A parameter of the query is not percent-encoded as it should be (RFC 3986, section 2.1).
    BadEscape,
    /// Nothing separates id and secret.
    ColonMissing,
    /// Two places carry one, or one place two. Several `authorization` headers count as that, and several
    /// values joined into one.
    Duplicate,
    /// The place of a credential holds nothing, or nothing follows the scheme.
    Empty,
    /// The colon comes first.
    IdEmpty,
    /// The id is not UTF-8.
    IdNotUtf8,
    /// The id is longer than any key's ([`latchkey_key_feed::format_limits::KEY_ID_LEN_MAX`]).
    IdTooLong,
    /// Something else than a space follows the scheme, such as a tab.
    SpaceMissing,
    /// The text is longer than [`CREDENTIAL_LEN_MAX`].
    TooLong,
}

impl MalformedCredential {
    /// The reason in snake case: a metric's label and a response-code detail, never shown to the client.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::BadBase64 => "credential_bad_base64",
            Self::BadEscape => "credential_bad_escape",
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

/// Reads what follows the scheme: the Base64 of id, colon and secret.
///
/// # Errors
///
/// [`MalformedCredential`], never with any of the bytes.
pub fn decode(encoded: &[u8]) -> Result<Credential, MalformedCredential> {
    if encoded.len() > CREDENTIAL_LEN_MAX {
        return Err(MalformedCredential::TooLong);
    }
    DecodedCredential::decode(encoded)?.try_into()
}

/// Reads `id:secret` as it is.
fn plain(text: &[u8]) -> Result<Credential, MalformedCredential> {
    if text.len() > CREDENTIAL_LEN_MAX {
        return Err(MalformedCredential::TooLong);
    }
    DecodedCredential::of(text.to_vec())?.try_into()
}

impl Credential {
    /// Whether id and secret are texts without control characters, as those of every key are.
    fn is_text(&self) -> bool {
        let secret = std::str::from_utf8(self.secret.expose());
        secret.is_ok_and(|secret| {
            ![self.id.as_str(), secret].into_iter().any(|it| it.contains(char::is_control))
        })
    }
}

impl TryFrom<DecodedCredential> for Credential {
    type Error = MalformedCredential;

    fn try_from(decoded: DecodedCredential) -> Result<Self, MalformedCredential> {
        let DecodedCredential { id, secret } = decoded;
        let id = String::from_utf8(id).map_err(|_| MalformedCredential::IdNotUtf8)?;
        let id = KeyId::try_from(id).map_err(|invalid| match invalid {
            // What comes before the first colon has none.
            InvalidKeyId::Empty | InvalidKeyId::HasColon => MalformedCredential::IdEmpty,
            InvalidKeyId::TooLong => MalformedCredential::IdTooLong,
        })?;
        Ok(Self { id, secret })
    }
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
