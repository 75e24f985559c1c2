//! Passwords and their hashes.
//!
//! People choose passwords, so hashes must be slow to try: Argon2id (RFC 9106). `security/password.rs`
//! decides when one is hashed.

mod memory;

use std::fmt;

use argon2::password_hash::phc::{self, Output, ParamsString, Salt};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::limits::authentication_limits::{
    PASSWORD_CHARS_MIN, PASSWORD_LEN_MAX, PASSWORD_RANDOM_LEN, PASSWORD_SALT_LEN,
};
use crate::randomness::{NoRandomness, Randomness, draw};

pub use memory::HashingMemory;

/// Memory of one hashing, in KiB: the first choice of OWASP's password storage cheat sheet, and the crate's
/// default.
const MEMORY_KIB: u32 = Params::DEFAULT_M_COST;

/// Most memory, in KiB, that a stored hash may ask for: a hash from elsewhere must not be able to exhaust the
/// machine.
const STORED_MEMORY_KIB_MAX: u32 = 256 * 1024;

/// Most passes over that memory that a stored hash may ask for.
const STORED_PASSES_MAX: u32 = 16;

/// A password in the clear. Its memory is wiped when it is dropped.
#[derive(derive_more::Debug)]
#[debug("Password")]
pub struct Password(Zeroizing<Vec<u8>>);

/// The hash of a password: Argon2id in the PHC string format.
#[derive(Clone, derive_more::Debug)]
#[debug("PasswordHash")]
pub struct PasswordHash(phc::PasswordHash);

/// A text that is not an Argon2id hash of bounded cost, in the PHC string format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an Argon2id hash in the PHC string format with at most {STORED_MEMORY_KIB_MAX} KiB and \
     {STORED_PASSES_MAX} passes; `latchkey user passwd --file` writes one"
)]
pub struct InvalidPasswordHash;

/// Why a password could not be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the password could not be hashed: no randomness, or no {MEMORY_KIB} KiB of memory")]
pub struct HashingFailed;

/// Why a text is not a password that a user may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPassword {
    /// Longer than [`PASSWORD_LEN_MAX`] bytes.
    #[error("a password has at most {PASSWORD_LEN_MAX} bytes")]
    TooLong,
    /// Fewer than [`PASSWORD_CHARS_MIN`] characters.
    #[error("a password has at least {PASSWORD_CHARS_MIN} characters")]
    TooShort,
}

impl Password {
    /// The password inside the credential that a client sent.
    #[must_use]
    pub fn presented(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A password that somebody chose for a user.
    ///
    /// # Errors
    ///
    /// [`InvalidPassword`] when it is too short to be one, or too long to be hashed.
    pub fn chosen(text: String) -> Result<Self, InvalidPassword> {
        if text.chars().count() < PASSWORD_CHARS_MIN {
            return Err(InvalidPassword::TooShort);
        }
        if text.len() > PASSWORD_LEN_MAX {
            return Err(InvalidPassword::TooLong);
        }
        Ok(Self::presented(text.into_bytes()))
    }

    /// A random password of 22 letters, digits, `-` and `_`.
    ///
    /// # Errors
    ///
    /// [`NoRandomness`] when the source has none.
    pub fn generated(randomness: &dyn Randomness) -> Result<Self, NoRandomness> {
        let bytes: [u8; PASSWORD_RANDOM_LEN] = draw(randomness)?;
        Ok(Self::presented(URL_SAFE_NO_PAD.encode(bytes).into_bytes()))
    }

    /// The bytes of the password. The name lets a search find every use.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl PasswordHash {
    /// The hash of a password under a fresh salt.
    ///
    /// # Errors
    ///
    /// [`HashingFailed`] when there is no randomness for the salt, or no memory.
    pub fn of(password: &Password, randomness: &dyn Randomness) -> Result<Self, HashingFailed> {
        let salt = draw(randomness).map_err(|_| HashingFailed)?;
        Self::salted(password, salt, &HashingMemory::default())
    }

    /// The hash of a password under this salt.
    ///
    /// # Errors
    ///
    /// [`HashingFailed`] when there is no memory.
    pub(crate) fn salted(
        password: &Password,
        salt: [u8; PASSWORD_SALT_LEN],
        memory: &HashingMemory,
    ) -> Result<Self, HashingFailed> {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT);
        let salt = Salt::new(&salt).map_err(|_| HashingFailed)?;
        let hash = output(&argon2, password, &salt, Params::DEFAULT_OUTPUT_LEN, memory)?;
        Ok(Self(phc::PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(argon2.params()).map_err(|_| HashingFailed)?,
            salt: Some(salt),
            hash: Some(hash),
        }))
    }

    /// Whether this is the hash of `password`. Takes the time of a hashing, and compares in constant time.
    ///
    /// # Errors
    ///
    /// [`HashingFailed`] when there is no memory for it: the password was not checked then.
    pub(crate) fn matches(&self, password: &Password, memory: &HashingMemory) -> Result<bool, HashingFailed> {
        let (Some(salt), Some(hash)) = (&self.0.salt, &self.0.hash) else { return Ok(false) };
        let params = Params::try_from(&self.0).map_err(|_| HashingFailed)?;
        let version = self.0.version.map_or(Ok(Version::default()), Version::try_from);
        let argon2 = Argon2::new(Algorithm::Argon2id, version.map_err(|_| HashingFailed)?, params);
        Ok(output(&argon2, password, salt, hash.len(), memory)? == *hash)
    }
}

/// The hash of a password, in so many bytes.
fn output(
    argon2: &Argon2<'_>,
    password: &Password,
    salt: &Salt,
    len: usize,
    memory: &HashingMemory,
) -> Result<Output, HashingFailed> {
    let mut buffer = [0; Output::MAX_LENGTH];
    let out = buffer.get_mut(..len).ok_or(HashingFailed)?;
    let hashed = memory.with(argon2.params().block_count(), |blocks| {
        argon2.hash_password_into_with_memory(&password.0, salt, out, blocks)
    })?;
    hashed.map_err(|_| HashingFailed)?;
    Output::new(buffer.get(..len).ok_or(HashingFailed)?).map_err(|_| HashingFailed)
}

impl TryFrom<&str> for PasswordHash {
    type Error = InvalidPasswordHash;

    fn try_from(text: &str) -> Result<Self, InvalidPasswordHash> {
        let hash = phc::PasswordHash::new(text).map_err(|_| InvalidPasswordHash)?;
        let cost = Params::try_from(&hash).map_err(|_| InvalidPasswordHash)?;
        let bounded = cost.m_cost() <= STORED_MEMORY_KIB_MAX && cost.t_cost() <= STORED_PASSES_MAX;
        let complete = hash.salt.is_some() && hash.hash.is_some();
        if hash.algorithm == Algorithm::Argon2id.ident() && bounded && complete {
            Ok(Self(hash))
        } else {
            Err(InvalidPasswordHash)
        }
    }
}

/// The PHC string: what is written to a users file.
impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
