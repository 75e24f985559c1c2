//! Passwords that were verified lately, so that a client which sends one with each request does not have it hashed each
//! time (Elasticsearch, `CachingUsernamePasswordRealm`).
//!
//! What is kept is a keyed digest of the stored hash and of the password. The stored hash is read anew for each request
//! and has its own salt, so nothing that changes a user can be missed, at any replica: another password is another
//! hash, and whether the user is enabled and which roles it has are never kept. Wrong passwords are not kept: each costs
//! a hashing. The key is drawn when the process starts, and is nowhere else.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::limits::authentication_limits::VERIFIED_KEY_LEN;
use crate::model::password::{Password, PasswordHash};
use crate::security::password_cache::PasswordCache;

/// Passwords that were verified lately.
#[derive(derive_more::Debug)]
#[debug("VerifiedPasswords")]
pub(super) struct VerifiedPasswords {
    key: Zeroizing<[u8; VERIFIED_KEY_LEN]>,
    /// Until when each counts.
    until: Mutex<HashMap<Digest, Instant>>,
}

/// A keyed digest of a stored hash and a password.
type Digest = [u8; 32];

impl VerifiedPasswords {
    /// None yet. The key must be secret and random.
    pub(super) fn new(key: [u8; VERIFIED_KEY_LEN]) -> Self {
        Self { key: Zeroizing::new(key), until: Mutex::default() }
    }

    /// Whether this password was verified against this hash, not too long ago.
    pub(super) fn holds(&self, hash: &PasswordHash, password: &Password, now: Instant) -> bool {
        let Some(digest) = self.digest(hash, password) else { return false };
        self.lock().get(&digest).is_some_and(|until| now < *until)
    }

    /// Keeps that this password was verified against this hash. Where there is no place, what is over is forgotten, and
    /// then any other.
    pub(super) fn keep(&self, hash: &PasswordHash, password: &Password, cache: PasswordCache, now: Instant) {
        let (Some(digest), Some(until)) = (self.digest(hash, password), now.checked_add(cache.ttl)) else {
            return;
        };
        if cache.ttl.is_zero() {
            return;
        }
        let mut kept = self.lock();
        if kept.len() >= cache.users_max && !kept.contains_key(&digest) {
            kept.retain(|_, until| now < *until);
            let over = kept.len().saturating_sub(cache.users_max - 1);
            // The map has no order that anybody could choose.
            let others: Vec<Digest> = kept.keys().take(over).copied().collect();
            for other in others {
                kept.remove(&other);
            }
        }
        kept.insert(digest, until);
    }

    /// Forgets all.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn digest(&self, hash: &PasswordHash, password: &Password) -> Option<Digest> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.key).ok()?;
        // No hash contains the end of a text, so no two pairs are one message.
        mac.update(hash.to_string().as_bytes());
        mac.update(&[0]);
        mac.update(password.expose());
        Some(mac.finalize().into_bytes().into())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::randomness::SystemRandomness;

    const CACHE: PasswordCache = PasswordCache { ttl: Duration::from_secs(60), users_max: 2 };

    fn password(text: &str) -> Password {
        Password::presented(text.as_bytes().to_vec())
    }

    fn hash(text: &str) -> PasswordHash {
        PasswordHash::of(&password(text), &SystemRandomness).unwrap()
    }

    #[test]
    fn a_verified_password_counts_for_its_hash_and_its_time() {
        let (verified, now) = (VerifiedPasswords::new([7; VERIFIED_KEY_LEN]), Instant::now());
        let (ann, bob) = (hash("correct horse"), hash("correct horse"));
        verified.keep(&ann, &password("correct horse"), CACHE, now);
        let almost = now + CACHE.ttl - Duration::from_millis(1);
        assert!(verified.holds(&ann, &password("correct horse"), almost));
        assert!(!verified.holds(&ann, &password("correct horse"), now + CACHE.ttl));
        assert!(!verified.holds(&ann, &password("correct hors"), now));
        assert!(!verified.holds(&bob, &password("correct horse"), now), "another hash of the same password");
        verified.clear();
        assert!(!verified.holds(&ann, &password("correct horse"), now));
    }

    #[test]
    fn so_many_are_kept_and_those_that_are_over_go_first() {
        let (verified, now) = (VerifiedPasswords::new([7; VERIFIED_KEY_LEN]), Instant::now());
        let hash = hash("correct horse");
        let names = ["a", "b", "c"].map(password);
        let short = PasswordCache { ttl: Duration::from_secs(1), ..CACHE };
        verified.keep(&hash, &names[0], short, now);
        verified.keep(&hash, &names[1], CACHE, now);
        let later = now + Duration::from_secs(2);
        verified.keep(&hash, &names[2], CACHE, later);
        assert!(verified.holds(&hash, &names[1], later) && verified.holds(&hash, &names[2], later));
        verified.keep(&hash, &names[0], CACHE, later);
        let held = names.iter().filter(|name| verified.holds(&hash, name, later)).count();
        assert_eq!((held, verified.holds(&hash, &names[0], later)), (CACHE.users_max, true));
    }

    #[test]
    fn nothing_is_kept_for_no_time() {
        let (verified, now) = (VerifiedPasswords::new([7; VERIFIED_KEY_LEN]), Instant::now());
        let hash = hash("correct horse");
        verified.keep(&hash, &password("a"), PasswordCache { ttl: Duration::ZERO, ..CACHE }, now);
        assert!(!verified.holds(&hash, &password("a"), now));
    }
}
