//! The private half of a credential, and what may be kept of it.
//!
//! A secret can be hashed; a digest can be stored, sent and compared. No way leads back, and nothing here
//! prints a secret.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::format_limits::{DIGEST_LEN, SALT_LEN};

/// The secret of a key, as a client presents it. Any bytes: an empty or a binary secret is merely a wrong
/// one. Its memory is wiped when it is dropped.
#[derive(Clone)]
pub struct KeySecret(Zeroizing<Vec<u8>>);

/// Random bytes that make equal secrets have different digests. Unique to each key.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Salt([u8; SALT_LEN]);

/// `SHA-256(salt || secret)`: all that is ever stored of a secret.
///
/// A fast hash is the right one here. Secrets are 128 random bits, so there is no dictionary to slow an
/// attacker down in, and the proxy verifies one on every request. (Elasticsearch made the same choice,
/// `ssha256`, in 8.18.)
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretDigest([u8; DIGEST_LEN]);

/// A salt or digest that is not standard Base64 of the right number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSecretDigest {
    /// How many bytes it must have.
    pub bytes_expected: usize,
}

impl KeySecret {
    /// The secret inside the credential that a client sent.
    #[must_use]
    pub fn presented(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes of the secret. Named so that a search finds every place that looks.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl SecretDigest {
    /// The digest of a secret.
    #[must_use]
    pub fn of(salt: &Salt, secret: &KeySecret) -> Self {
        Self(Sha256::new().chain_update(salt.0).chain_update(secret.expose()).finalize().into())
    }

    /// Whether `secret` is the one this digest was made of.
    ///
    /// The comparison takes the same time whatever the bytes. What remains visible is the length of the
    /// presented secret, which is the caller's own.
    #[must_use]
    pub fn matches(&self, salt: &Salt, secret: &KeySecret) -> bool {
        self.0.ct_eq(&Self::of(salt, secret).0).into()
    }

    /// The digest of no secret at all: compared against when a key is unknown, so that this costs what a
    /// wrong secret costs.
    pub const DECOY: Self = Self([0; DIGEST_LEN]);

    /// A digest read back from where it was stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; DIGEST_LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; DIGEST_LEN] {
        &self.0
    }
}

impl Salt {
    /// The salt that goes with [`SecretDigest::DECOY`].
    pub const DECOY: Self = Self([0; SALT_LEN]);

    /// A salt of bytes that a random source drew, or that were stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; SALT_LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; SALT_LEN] {
        &self.0
    }
}

impl TryFrom<&str> for Salt {
    type Error = InvalidSecretDigest;

    fn try_from(base64: &str) -> Result<Self, InvalidSecretDigest> {
        exactly(base64).map(Self)
    }
}

impl TryFrom<&str> for SecretDigest {
    type Error = InvalidSecretDigest;

    fn try_from(base64: &str) -> Result<Self, InvalidSecretDigest> {
        exactly(base64).map(Self)
    }
}

impl TryFrom<String> for Salt {
    type Error = InvalidSecretDigest;

    fn try_from(base64: String) -> Result<Self, InvalidSecretDigest> {
        Self::try_from(base64.as_str())
    }
}

impl TryFrom<String> for SecretDigest {
    type Error = InvalidSecretDigest;

    fn try_from(base64: String) -> Result<Self, InvalidSecretDigest> {
        Self::try_from(base64.as_str())
    }
}

/// Decodes without allocating: the feed brings two of these a key.
fn exactly<const LEN: usize>(base64: &str) -> Result<[u8; LEN], InvalidSecretDigest> {
    let invalid = InvalidSecretDigest { bytes_expected: LEN };
    // The decoder wants room for the padding too: at most two bytes.
    let mut room = [0; DIGEST_LEN + 2];
    let len = STANDARD.decode_slice(base64, &mut room).map_err(|_| invalid)?;
    room.get(..len).and_then(|bytes| bytes.try_into().ok()).ok_or(invalid)
}

const _: () = assert!(SALT_LEN <= DIGEST_LEN);

impl From<Salt> for String {
    fn from(salt: Salt) -> Self {
        STANDARD.encode(salt.0)
    }
}

impl From<SecretDigest> for String {
    fn from(digest: SecretDigest) -> Self {
        STANDARD.encode(digest.0)
    }
}

/// In constant time, like [`SecretDigest::matches`].
impl PartialEq for SecretDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretDigest {}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret")
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt")
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest")
    }
}

impl fmt::Display for InvalidSecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not standard Base64 of {} bytes", self.bytes_expected)
    }
}

impl std::error::Error for InvalidSecretDigest {}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> KeySecret {
        KeySecret::presented(text.as_bytes().to_vec())
    }

    #[test]
    fn a_digest_is_sha_256_of_salt_and_secret() {
        // printf '\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1secret' | sha256sum
        let digest = SecretDigest::of(&Salt::from_bytes([1; SALT_LEN]), &secret("secret"));
        let hex: String = digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "a65192f8d645bc4d19765b8ea61bfbb896dc999cb88a4be419518c5493f92c9d");
    }

    #[test]
    fn matches_only_its_own_secret_and_salt() {
        let salt = Salt::from_bytes([7; SALT_LEN]);
        let digest = SecretDigest::of(&salt, &secret("right"));
        assert!(digest.matches(&salt, &secret("right")));
        assert!(!digest.matches(&salt, &secret("wrong")));
        assert!(!digest.matches(&salt, &secret("")));
        assert!(!digest.matches(&Salt::from_bytes([8; SALT_LEN]), &secret("right")));
    }

    #[test]
    fn no_secret_matches_the_decoy() {
        for text in ["", "secret", "\0"] {
            assert!(!SecretDigest::DECOY.matches(&Salt::DECOY, &secret(text)));
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let salt = Salt::from_bytes([7; SALT_LEN]);
        let digest = SecretDigest::of(&salt, &secret("hunter2"));
        let printed = format!("{:?} {salt:?} {digest:?}", secret("hunter2"));
        assert_eq!(printed, "KeySecret Salt SecretDigest");
    }

    #[test]
    fn a_digest_of_the_wrong_length_is_refused() {
        assert_eq!(Salt::try_from("AAAA".to_owned()), Err(InvalidSecretDigest { bytes_expected: SALT_LEN }));
        assert_eq!(
            SecretDigest::try_from("*".to_owned()),
            Err(InvalidSecretDigest { bytes_expected: DIGEST_LEN })
        );
    }
}
