//! The public half of a credential.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::format_limits::KEY_ID_LEN_MAX;

/// The id of a key: opaque text, never empty, without a colon.
///
/// A credential is `id:secret` and is split at its first colon (Elasticsearch,
/// `ApiKeyService#getCredentialsFromHeader`), so an id with a colon could never be presented.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

/// Why a text is not a key id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidKeyId {
    /// It has no character at all.
    Empty,
    /// It contains a colon, which ends the id inside a credential.
    HasColon,
    /// It is longer than [`KEY_ID_LEN_MAX`] bytes.
    TooLong,
}

impl KeyId {
    /// Whether a text can be a key id.
    ///
    /// # Errors
    ///
    /// [`InvalidKeyId`] when it cannot.
    pub fn check(text: &str) -> Result<(), InvalidKeyId> {
        check(text)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for KeyId {
    type Error = InvalidKeyId;

    fn try_from(text: String) -> Result<Self, InvalidKeyId> {
        check(&text)?;
        Ok(Self(text))
    }
}

/// Whether the text can be a key id.
pub(crate) fn check(text: &str) -> Result<(), InvalidKeyId> {
    if text.is_empty() {
        return Err(InvalidKeyId::Empty);
    }
    if text.len() > KEY_ID_LEN_MAX {
        return Err(InvalidKeyId::TooLong);
    }
    if text.contains(':') {
        return Err(InvalidKeyId::HasColon);
    }
    Ok(())
}

impl TryFrom<&str> for KeyId {
    type Error = InvalidKeyId;

    fn try_from(text: &str) -> Result<Self, InvalidKeyId> {
        Self::try_from(text.to_owned())
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for InvalidKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a key id is not empty"),
            Self::HasColon => f.write_str("a key id has no colon"),
            Self::TooLong => write!(f, "a key id has at most {KEY_ID_LEN_MAX} bytes"),
        }
    }
}

impl std::error::Error for InvalidKeyId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_up_to_the_longest_id_and_not_one_byte_more() {
        assert!(KeyId::try_from("i".repeat(KEY_ID_LEN_MAX)).is_ok());
        assert_eq!(KeyId::try_from("i".repeat(KEY_ID_LEN_MAX + 1)), Err(InvalidKeyId::TooLong));
    }

    #[test]
    fn refuses_what_no_credential_could_carry() {
        assert_eq!(KeyId::try_from(""), Err(InvalidKeyId::Empty));
        assert_eq!(KeyId::try_from("a:b"), Err(InvalidKeyId::HasColon));
    }
}
