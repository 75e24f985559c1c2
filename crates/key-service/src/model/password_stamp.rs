//! What a token keeps of the password that gave it, so that it ends with that password.
//!
//! Every hash of a password has a salt of its own. So the stamp changes with every change of the password,
//! and when a user of the same name is created again, in the store or in the users file.

use sha2::Digest as _;
use sha2::Sha256;

use crate::model::password::PasswordHash;

/// Bytes of a stamp: SHA-256.
pub(crate) const STAMP_LEN: usize = 32;

/// What is hashed before the password's hash.
const LABEL: &[u8] = b"latchkey password stamp";

/// A digest of a password's hash.
#[derive(Clone, Copy, PartialEq, Eq, derive_more::Debug)]
#[debug("PasswordStamp")]
pub struct PasswordStamp([u8; STAMP_LEN]);

impl PasswordStamp {
    /// The stamp of a password's hash.
    #[must_use]
    pub fn of(hash: &PasswordHash) -> Self {
        Self(Sha256::new().chain_update(LABEL).chain_update(hash.to_string()).finalize().into())
    }

    /// A stamp as it was stored.
    #[must_use]
    pub fn from_bytes(bytes: [u8; STAMP_LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
