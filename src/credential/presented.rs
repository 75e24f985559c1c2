//! What a request presents: a credential, or a text that may be an opaque key.

use latchkey_key_feed::{KeySecret, OpaqueDigest, OpaqueKeyPepper, check_opaque};

use super::{Credential, MalformedCredential};

/// What a request presents.
#[derive(Clone, Debug)]
pub enum Presented {
    /// An id and a secret.
    Key(Credential),
    /// A text in none of the known forms.
    Opaque(OpaqueText),
}

/// A text that is an opaque key, where there are such keys.
#[derive(Clone, Debug)]
pub struct OpaqueText {
    text: KeySecret,
    otherwise: Result<Credential, MalformedCredential>,
}

impl Presented {
    /// What a place for keys holds that reads as `known`. Bytes that happen to be the Base64 of something with a
    /// colon are no credential of a key: its id and its secret are texts.
    pub(super) fn of(
        known: Result<Credential, MalformedCredential>,
        value: &[u8],
    ) -> Result<Self, MalformedCredential> {
        match known {
            Ok(credential) if credential.is_text() => Ok(Self::Key(credential)),
            known if is_opaque(value) => {
                Ok(Self::Opaque(OpaqueText { text: KeySecret::presented(value.to_vec()), otherwise: known }))
            }
            known => known.map(Self::Key),
        }
    }

    /// What it is where there are no opaque keys.
    ///
    /// # Errors
    ///
    /// [`MalformedCredential`] when it can only be an opaque key.
    pub fn without_opaque_keys(self) -> Result<Credential, MalformedCredential> {
        match self {
            Self::Key(credential) => Ok(credential),
            Self::Opaque(opaque) => opaque.otherwise,
        }
    }
}

impl OpaqueText {
    /// The credential that it stands for, by what opaque keys are found; what else it is, where there are no such
    /// keys.
    ///
    /// # Errors
    ///
    /// [`MalformedCredential`] when it is nothing else.
    pub fn credential(self, pepper: Option<&OpaqueKeyPepper>) -> Result<Credential, MalformedCredential> {
        match pepper {
            Some(pepper) => pepper.credential(&OpaqueDigest::of(self.text.expose())).try_into(),
            None => self.otherwise,
        }
    }
}

fn is_opaque(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_ok_and(|text| check_opaque(text).is_ok())
}
