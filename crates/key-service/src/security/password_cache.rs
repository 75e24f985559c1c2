//! How long passwords that were verified are kept. `password/verified.rs` keeps them.

use std::time::Duration;

use crate::limits::authentication_limits::{VERIFIED_PASSWORDS_DEFAULT, VERIFIED_TTL_DEFAULT};

/// How long a password that was verified is kept, and of how many users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordCache {
    /// How long; zero is not at all.
    pub ttl: Duration,
    /// How many; at least one.
    pub users_max: usize,
}

/// What is kept by each realm that knows passwords.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PasswordCaches {
    /// Of the users file.
    pub file: PasswordCache,
    /// Of the users in the store, and of `elastic`.
    pub native: PasswordCache,
}

impl Default for PasswordCache {
    fn default() -> Self {
        Self { ttl: VERIFIED_TTL_DEFAULT, users_max: VERIFIED_PASSWORDS_DEFAULT }
    }
}
