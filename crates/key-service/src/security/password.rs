//! When passwords are hashed and verified.
//!
//! People choose passwords, so hashes must be slow to try: Argon2id (RFC 9106). Verifying takes a thread for
//! some milliseconds. Therefore it happens apart from the threads that serve requests, on a bounded number of
//! threads with a bounded queue, of which each source and each username has only a share. An unknown user
//! costs the same as a wrong password. A password that was verified is kept for a while (`password/verified.rs`), so that it
//! is not hashed for each request.

mod verified;

use std::hash::Hash;
use std::sync::Arc;
use std::time::Instant;

use latchkey_budget::Principal;
use tokio::sync::Semaphore;

use crate::limits::authentication_limits::{
    PASSWORD_LEN_MAX, PASSWORDS_WAITING_MAX, PASSWORDS_WAITING_SHARE_MAX,
};
use crate::model::password::{HashingFailed, HashingMemory, Password, PasswordHash};
use crate::model::source::{Network, Source};
use crate::quota_permits::{QuotaPermit, QuotaPermits};
use crate::randomness::{Randomness, draw};
use crate::security::password_cache::PasswordCache;

use verified::VerifiedPasswords;

/// Hashes and verifies passwords, a few at a time. Clones share the threads.
#[derive(Clone, Debug)]
pub struct PasswordChecker {
    threads: Arc<Semaphore>,
    sources: QuotaPermits<Option<Network>>,
    usernames: QuotaPermits<String>,
    makers: QuotaPermits<Principal>,
    memory: Arc<HashingMemory>,
    decoy: PasswordHash,
    verified: Arc<VerifiedPasswords>,
}

/// The permit of a login to have its password checked.
#[derive(Debug)]
pub struct Login<'a> {
    checker: &'a PasswordChecker,
    _source: QuotaPermit<Option<Network>>,
    _username: QuotaPermit<String>,
}

/// Too many hashings wait for a thread already, or there is no memory for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saturated;

/// Why a new password was not hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashRefusal {
    /// It could not be.
    #[error("{HashingFailed}")]
    Failed,
    /// Too many hashings wait for a thread already.
    #[error("too many passwords wait to be hashed")]
    Saturated,
}

impl PasswordChecker {
    /// A checker that hashes on at most `threads` threads at once.
    ///
    /// # Errors
    ///
    /// [`HashingFailed`] when the hash for unknown users cannot be made.
    pub fn new(threads: usize, randomness: &dyn Randomness) -> Result<Self, HashingFailed> {
        let unguessable = Password::generated(randomness).map_err(|_| HashingFailed)?;
        let salt = draw(randomness).map_err(|_| HashingFailed)?;
        let threads = threads.max(1);
        let memory = HashingMemory::default();
        Ok(Self {
            threads: Arc::new(Semaphore::new(threads)),
            sources: quota_permits(threads),
            usernames: quota_permits(threads),
            makers: quota_permits(threads),
            decoy: PasswordHash::salted(&unguessable, salt, &memory)?,
            memory: Arc::new(memory),
            verified: Arc::new(VerifiedPasswords::new(draw(randomness).map_err(|_| HashingFailed)?)),
        })
    }

    /// A permit for a login from this source with this username. Both have only a share of the permits.
    ///
    /// # Errors
    ///
    /// [`Saturated`] when too many wait already, in total or for one of the two.
    pub fn login(&self, source: Option<Source>, username: &str) -> Result<Login<'_>, Saturated> {
        let source = self.sources.take(&source.map(Network::of)).ok_or(Saturated)?;
        let username = self.usernames.take(&username.to_owned()).ok_or(Saturated)?;
        Ok(Login { checker: self, _source: source, _username: username })
    }

    /// Forgets which passwords were verified.
    pub fn forget_verified(&self) {
        self.verified.clear();
    }

    /// The hash of a new password under a fresh salt, for the user who sets it.
    ///
    /// # Errors
    ///
    /// [`HashRefusal`] when there is no hash.
    pub async fn hash(
        &self,
        password: Password,
        maker: &Principal,
        randomness: &dyn Randomness,
    ) -> Result<PasswordHash, HashRefusal> {
        let _place = self.makers.take(maker).ok_or(HashRefusal::Saturated)?;
        let salt = draw(randomness).map_err(|_| HashRefusal::Failed)?;
        let thread = Arc::clone(&self.threads).acquire_owned().await.map_err(|_| HashRefusal::Saturated)?;
        let memory = Arc::clone(&self.memory);
        let hash = tokio::task::spawn_blocking(move || {
            let _busy = thread;
            PasswordHash::salted(&password, salt, &memory)
        });
        hash.await.map_err(|_| HashRefusal::Saturated)?.map_err(|HashingFailed| HashRefusal::Failed)
    }
}

impl Login<'_> {
    /// Whether `stored` is the hash of `password`; without a stored hash no, at the same cost. A password that was verified
    /// lately is not hashed again.
    ///
    /// # Errors
    ///
    /// [`Saturated`] when there is no memory: nothing was verified then.
    pub async fn check(
        &self,
        stored: Option<&PasswordHash>,
        password: Password,
        cache: PasswordCache,
    ) -> Result<bool, Saturated> {
        if password.expose().len() > PASSWORD_LEN_MAX {
            return Ok(false);
        }
        let verified = &self.checker.verified;
        if stored.is_some_and(|stored| verified.holds(stored, &password, Instant::now())) {
            return Ok(true);
        }
        let known = stored.is_some();
        let hash = stored.unwrap_or(&self.checker.decoy).clone();
        let thread = Arc::clone(&self.checker.threads).acquire_owned().await.map_err(|_| Saturated)?;
        // The permit belongs to the work: a caller that hangs up leaves the queue, but the thread is busy
        // until the end.
        let memory = Arc::clone(&self.checker.memory);
        let matches = tokio::task::spawn_blocking(move || {
            let _busy = thread;
            let matches = hash.matches(&password, &memory);
            (matches, hash, password)
        });
        let (matches, hash, password) = matches.await.map_err(|_| Saturated)?;
        let is_right = matches.map_err(|HashingFailed| Saturated)? && known;
        if is_right {
            verified.keep(&hash, &password, cache, Instant::now());
        }
        Ok(is_right)
    }
}

/// Permits to hash on so many threads, and to wait.
fn quota_permits<K: Clone + Eq + Hash>(threads: usize) -> QuotaPermits<K> {
    QuotaPermits::new(threads + PASSWORDS_WAITING_MAX, threads + PASSWORDS_WAITING_SHARE_MAX)
}

#[cfg(test)]
mod tests;
