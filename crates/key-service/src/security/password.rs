//! Passwords, and what is kept of them.
//!
//! People choose passwords, so what is kept is slow to try: Argon2id (RFC 9106). Verifying takes a thread for some
//! milliseconds, therefore it happens off the threads that serve requests, on a bounded number of threads, with a bounded
//! number of requests waiting for one. A user nobody knows costs the same as a wrong password.

use std::fmt;
use std::sync::Arc;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::sync::Semaphore;

use crate::limits::{
    PASSWORD_CHARS_MIN, PASSWORD_LEN_MAX, PASSWORD_RANDOM_LEN, PASSWORD_SALT_LEN, PASSWORDS_WAITING_MAX,
};
use crate::randomness::{NoRandomness, Randomness, draw};

/// Memory of one hashing, in KiB: the first choice of OWASP's password storage cheat sheet, and the crate's default.
const MEMORY_KIB: u32 = Params::DEFAULT_M_COST;

/// Most memory, in KiB, that a stored hash may ask for: a hash from elsewhere must not be able to exhaust the machine.
const STORED_MEMORY_KIB_MAX: u32 = 256 * 1024;

/// Most passes over that memory that a stored hash may ask for.
const STORED_PASSES_MAX: u32 = 16;

/// A password in the clear.
pub struct Password(Vec<u8>);

/// What is kept of a password: an Argon2id hash in the PHC string format.
#[derive(Clone)]
pub struct PasswordHash(phc::PasswordHash);

/// Hashes and verifies passwords, a few at a time. Clones share the threads.
#[derive(Clone, Debug)]
pub struct PasswordChecker {
    threads: Arc<Semaphore>,
    places: Arc<Semaphore>,
    decoy: PasswordHash,
}

/// Why a text is not a password that a user may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidPassword {
    /// Longer than [`PASSWORD_LEN_MAX`] bytes.
    TooLong,
    /// Fewer than [`PASSWORD_CHARS_MIN`] characters.
    TooShort,
}

/// A text that is not an Argon2id hash of bounded cost, in the PHC string format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPasswordHash;

/// Why a password could not be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashingFailed;

/// Too many hashings wait for a thread already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saturated;

/// Why a new password was not hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashRefusal {
    /// It could not be.
    Failed,
    /// Too many hashings wait for a thread already.
    Saturated,
}

impl Password {
    /// The password inside the credential that a client sent.
    #[must_use]
    pub fn presented(bytes: Vec<u8>) -> Self {
        Self(bytes)
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
        Ok(Self(text.into_bytes()))
    }

    /// A random password of 22 letters, digits, `-` and `_`.
    ///
    /// # Errors
    ///
    /// [`NoRandomness`] when the source has none.
    pub fn generated(randomness: &dyn Randomness) -> Result<Self, NoRandomness> {
        let bytes: [u8; PASSWORD_RANDOM_LEN] = draw(randomness)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes).into_bytes()))
    }

    /// The bytes of the password. Named so that a search finds every place that looks.
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
        Self::salted(password, draw(randomness).map_err(|_| HashingFailed)?)
    }

    fn salted(password: &Password, salt: [u8; PASSWORD_SALT_LEN]) -> Result<Self, HashingFailed> {
        argon2().hash_password_with_salt(&password.0, &salt).map(Self).map_err(|_| HashingFailed)
    }

    /// Whether this is the hash of `password`. Takes the time of a hashing, and compares in constant time.
    #[must_use]
    pub fn matches(&self, password: &Password) -> bool {
        argon2().verify_password(&password.0, &self.0).is_ok()
    }
}

impl PasswordChecker {
    /// A checker that hashes on at most `threads` threads at once.
    ///
    /// # Errors
    ///
    /// [`HashingFailed`] when the hash for users nobody knows cannot be made.
    pub fn new(threads: usize, randomness: &dyn Randomness) -> Result<Self, HashingFailed> {
        let unguessable = Password::generated(randomness).map_err(|_| HashingFailed)?;
        let threads = threads.max(1);
        Ok(Self {
            threads: Arc::new(Semaphore::new(threads)),
            places: Arc::new(Semaphore::new(threads + PASSWORDS_WAITING_MAX)),
            decoy: PasswordHash::of(&unguessable, randomness)?,
        })
    }

    /// Whether `stored` is the hash of `password`; without a stored hash no, at the same cost.
    ///
    /// # Errors
    ///
    /// [`Saturated`] when too many wait already: nothing was verified then.
    pub async fn check(&self, stored: Option<&PasswordHash>, password: Password) -> Result<bool, Saturated> {
        let _place = self.places.try_acquire().map_err(|_| Saturated)?;
        if password.0.len() > PASSWORD_LEN_MAX {
            return Ok(false);
        }
        let known = stored.is_some();
        let hash = stored.unwrap_or(&self.decoy).clone();
        let thread = Arc::clone(&self.threads).acquire_owned().await.map_err(|_| Saturated)?;
        // The permit goes with the work: a caller that hangs up frees its place, but the thread is busy until the end.
        let matches = tokio::task::spawn_blocking(move || {
            let _busy = thread;
            hash.matches(&password)
        });
        Ok(matches.await.map_err(|_| Saturated)? && known)
    }

    /// The hash of a new password under a fresh salt.
    ///
    /// # Errors
    ///
    /// [`HashRefusal`] when there is no hash.
    pub async fn hash(
        &self,
        password: Password,
        randomness: &dyn Randomness,
    ) -> Result<PasswordHash, HashRefusal> {
        let _place = self.places.try_acquire().map_err(|_| HashRefusal::Saturated)?;
        let salt = draw(randomness).map_err(|_| HashRefusal::Failed)?;
        let thread = Arc::clone(&self.threads).acquire_owned().await.map_err(|_| HashRefusal::Saturated)?;
        let hash = tokio::task::spawn_blocking(move || {
            let _busy = thread;
            PasswordHash::salted(&password, salt)
        });
        hash.await.map_err(|_| HashRefusal::Saturated)?.map_err(|HashingFailed| HashRefusal::Failed)
    }
}

fn argon2() -> Argon2<'static> {
    // The parameters of a hash that is verified come from the hash; these are for new ones.
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
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

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

impl fmt::Display for InvalidPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "a password has at most {PASSWORD_LEN_MAX} bytes"),
            Self::TooShort => write!(f, "a password has at least {PASSWORD_CHARS_MIN} characters"),
        }
    }
}

impl std::error::Error for InvalidPassword {}

impl fmt::Display for InvalidPasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not an Argon2id hash in the PHC string format with at most {STORED_MEMORY_KIB_MAX} KiB and \
             {STORED_PASSES_MAX} passes; `latchkey user passwd` writes one"
        )
    }
}

impl std::error::Error for InvalidPasswordHash {}

impl fmt::Display for HashingFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the password could not be hashed: no randomness, or no {MEMORY_KIB} KiB of memory")
    }
}

impl std::error::Error for HashingFailed {}

impl fmt::Display for HashRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed => HashingFailed.fmt(f),
            Self::Saturated => f.write_str("too many passwords wait to be hashed"),
        }
    }
}

impl std::error::Error for HashRefusal {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::randomness::SystemRandomness;

    fn password(text: &str) -> Password {
        Password::presented(text.as_bytes().to_vec())
    }

    #[tokio::test]
    async fn knows_the_right_password_and_no_other() {
        let checker = PasswordChecker::new(1, &SystemRandomness).unwrap();
        let hash = PasswordHash::of(&password("correct horse"), &SystemRandomness).unwrap();
        let stored = PasswordHash::try_from(hash.to_string().as_str()).unwrap();
        assert_eq!(checker.check(Some(&stored), password("correct horse")).await, Ok(true));
        assert_eq!(checker.check(Some(&stored), password("correct hors")).await, Ok(false));
        assert_eq!(checker.check(None, password("correct horse")).await, Ok(false));
    }

    #[tokio::test]
    async fn turns_away_whom_it_has_no_place_for() {
        let checker = PasswordChecker::new(1, &SystemRandomness).unwrap();
        let all = u32::try_from(1 + PASSWORDS_WAITING_MAX).unwrap();
        let taken = checker.places.acquire_many(all).await.unwrap();
        assert_eq!(checker.check(None, password("x")).await, Err(Saturated));
        let hashed = checker.hash(password("x"), &SystemRandomness).await;
        assert_eq!(hashed.map(|_| ()), Err(HashRefusal::Saturated));
        drop(taken);
        assert_eq!(checker.check(None, password("x")).await, Ok(false));
    }

    #[test]
    fn refuses_passwords_at_one_past_each_limit() {
        let chosen = |chars: usize| Password::chosen("x".repeat(chars)).map(|_| ());
        assert_eq!(chosen(PASSWORD_CHARS_MIN - 1), Err(InvalidPassword::TooShort));
        assert_eq!(chosen(PASSWORD_CHARS_MIN), Ok(()));
        assert_eq!(chosen(PASSWORD_LEN_MAX), Ok(()));
        assert_eq!(chosen(PASSWORD_LEN_MAX + 1), Err(InvalidPassword::TooLong));
    }

    #[test]
    fn refuses_hashes_that_are_not_argon2id_or_cost_too_much() {
        for text in [
            "",
            "secret",
            "$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$T7MXtkNMMzVjgGTHxKqVTTHxXmZpnKvBc6kXQZzVAQs",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0",
            "$argon2id$v=19$m=262145,t=2,p=1$c2FsdHNhbHRzYWx0$T7MXtkNMMzVjgGTHxKqVTTHxXmZpnKvBc6kXQZzVAQs",
            "$argon2id$v=19$m=19456,t=17,p=1$c2FsdHNhbHRzYWx0$T7MXtkNMMzVjgGTHxKqVTTHxXmZpnKvBc6kXQZzVAQs",
        ] {
            assert_eq!(PasswordHash::try_from(text).map(|_| ()), Err(InvalidPasswordHash), "{text}");
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let hash = PasswordHash::of(&password("hunter2"), &SystemRandomness).unwrap();
        assert_eq!(format!("{:?} {hash:?}", password("hunter2")), "Password PasswordHash");
    }
}
