//! Limits failed logins of each source.
//!
//! Each source has a token bucket of failed logins, which fills up at a steady rate. A login takes a token
//! when it begins, before its password is checked, and gives it back when the password was right. When no
//! token is left, no password of this source is checked. So no more passwords are checked than the rate
//! allows, however many come at once. A right password gives back only its own token, so that the owner of
//! one account cannot gain tries at another. While the last tokens are held by undecided logins, others wait
//! for those ([`attempts`]), so that people behind one address can all log in at once.
//!
//! Only passwords count. API keys and tokens are random and cannot be guessed, and their users must not
//! suffer from a stranger behind the same address.
//!
//! A bucket is the moment at which it will be full again, and the number of undecided logins. A full bucket
//! needs no entry, so the table holds only sources with recent failures, up to a limit.

pub mod attempts;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use latchkey_key_feed::UnixMillis;

use crate::limits::authentication_limits::{
    FAILED_LOGIN_SOURCES_MAX, FAILED_LOGINS_BURST, FAILED_LOGINS_PER_MINUTE_MAX,
};
use crate::model::source::{Network, Source};

/// How often a password may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedLoginRate {
    per_minute: NonZeroU32,
}

/// More than [`FAILED_LOGINS_PER_MINUTE_MAX`], or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidRate;

/// The buckets of all sources.
#[derive(Debug)]
pub struct LoginThrottle {
    /// The time in which one failed login comes back.
    interval_ms: u64,
    /// The buckets that are not full.
    buckets: HashMap<Option<Network>, Bucket>,
}

/// A bucket that is not full.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// When all failed logins have come back.
    full_at: UnixMillis,
    /// How many logins have begun and are not decided.
    begun: u32,
}

/// Why a password from this source is not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotNow {
    /// There were too many failed logins from this source.
    Refused(TooManyFailedLogins),
    /// Other logins from this source have to be decided first.
    Undecided,
}

/// The outcome of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    /// The password was wrong, or the client hung up before the answer.
    Failed,
    /// The password was right, or was not checked.
    Harmless,
}

/// There were too many failed logins from this source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many failed logins")]
pub struct TooManyFailedLogins {
    /// When the next login may be tried.
    pub retry_after: Duration,
}

impl TryFrom<u32> for FailedLoginRate {
    type Error = InvalidRate;

    fn try_from(per_minute: u32) -> Result<Self, InvalidRate> {
        let known = NonZeroU32::new(per_minute).filter(|rate| rate.get() <= FAILED_LOGINS_PER_MINUTE_MAX);
        known.map(|per_minute| Self { per_minute }).ok_or(InvalidRate)
    }
}

impl LoginThrottle {
    /// Buckets that are all full.
    #[must_use]
    pub fn new(rate: FailedLoginRate) -> Self {
        Self { interval_ms: 60_000 / u64::from(rate.per_minute.get()), buckets: HashMap::new() }
    }

    /// Takes a token out of the bucket, before a password is checked. Every login that was begun must be
    /// ended.
    ///
    /// # Errors
    ///
    /// [`NotNow`] when no token is left: the login has not begun then.
    pub fn begin(&mut self, source: Option<Source>, now: UnixMillis) -> Result<(), NotNow> {
        let network = source.map(Network::of);
        let bucket = self.buckets.get(&network).copied().unwrap_or_default();
        let missing_ms = self.missing_ms(bucket, now);
        let room_ms = self.capacity_ms() - self.interval_ms;
        let wait_ms = missing_ms.saturating_sub(room_ms);
        if wait_ms > 0 {
            let retry_after = Duration::from_millis(wait_ms);
            return Err(NotNow::Refused(TooManyFailedLogins { retry_after }));
        }
        if missing_ms.saturating_add(self.interval_ms.saturating_mul(u64::from(bucket.begun))) > room_ms {
            return Err(NotNow::Undecided);
        }
        self.keep(network, Bucket { begun: bucket.begun.saturating_add(1), ..bucket }, now);
        Ok(())
    }

    /// A login that began is decided. `now` is the time at which it began.
    pub fn end(&mut self, source: Option<Source>, now: UnixMillis, outcome: LoginOutcome) {
        let network = source.map(Network::of);
        let mut bucket = self.buckets.get(&network).copied().unwrap_or_default();
        bucket.begun = bucket.begun.saturating_sub(1);
        if outcome == LoginOutcome::Failed {
            let missing_ms = self.missing_ms(bucket, now).saturating_add(self.interval_ms);
            bucket.full_at = now.plus_millis(missing_ms.min(self.capacity_ms()));
        }
        if bucket.begun == 0 && self.missing_ms(bucket, now) == 0 {
            self.buckets.remove(&network);
        } else {
            self.keep(network, bucket, now);
        }
    }

    /// The time until all failed logins have come back. Never more than an empty bucket takes, so that a
    /// clock that was set back locks nobody out for longer.
    fn missing_ms(&self, bucket: Bucket, now: UnixMillis) -> u64 {
        bucket.full_at.millis_since(now).min(self.capacity_ms())
    }

    /// The time in which an empty bucket fills up.
    fn capacity_ms(&self) -> u64 {
        self.interval_ms * u64::from(FAILED_LOGINS_BURST)
    }

    fn keep(&mut self, network: Option<Network>, bucket: Bucket, now: UnixMillis) {
        if self.buckets.len() >= FAILED_LOGIN_SOURCES_MAX && !self.buckets.contains_key(&network) {
            self.make_room(now);
        }
        self.buckets.insert(network, bucket);
    }

    /// Drops the sources whose buckets are full, or else the one that is nearest to it. A source with
    /// undecided logins is kept: there are no more of those than open requests.
    fn make_room(&mut self, now: UnixMillis) {
        self.buckets.retain(|_, bucket| bucket.begun > 0 || bucket.full_at.0 > now.0);
        if self.buckets.len() < FAILED_LOGIN_SOURCES_MAX {
            return;
        }
        let decided = self.buckets.iter().filter(|(_, bucket)| bucket.begun == 0);
        let nearest = decided.min_by_key(|(_, bucket)| bucket.full_at.0).map(|(network, _)| *network);
        if let Some(network) = nearest {
            self.buckets.remove(&network);
        }
    }
}

#[cfg(test)]
mod tests;
