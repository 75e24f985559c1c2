//! How often a password may be wrong, by where it comes from.
//!
//! Each source has a bucket of failed logins, which fills up again at a steady rate. A wrong password takes one out; when there is
//! none left, no password from there is looked at. A right one takes nothing and gives nothing back: whoever has one account must
//! not buy himself tries at another. Logins that were let in together can take out more than there was, which is paid back by a
//! longer wait, so the rate holds whatever is done in parallel.
//!
//! Only passwords count. API keys and tokens are random and cannot be guessed, and whoever uses one must not suffer from a stranger
//! behind the same address.
//!
//! A bucket is one moment: when it will be full again. One that is full needs no entry, so the table holds those with recent
//! failures only, and has room for so many.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use latchkey_key_feed::UnixMillis;

use crate::limits::{
    FAILED_LOGIN_SOURCES_MAX, FAILED_LOGINS_BURST, FAILED_LOGINS_DEBT_MAX, FAILED_LOGINS_PER_MINUTE_MAX,
};
use crate::security::source::Source;

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
    /// When the bucket of a source is full again, if it is not.
    full_at: HashMap<Network, UnixMillis>,
}

/// There were too many failed logins from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyFailedLogins {
    /// When the next may be tried.
    pub retry_after: Duration,
}

/// What shares a bucket: an IPv4 address, or the first 64 bits of an IPv6 address, which is the least that one subscriber has.
/// `None` for requests of which nobody knows where they come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Network(Option<IpAddr>);

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
        Self { interval_ms: 60_000 / u64::from(rate.per_minute.get()), full_at: HashMap::new() }
    }

    /// Whether a password from there may be looked at.
    ///
    /// # Errors
    ///
    /// [`TooManyFailedLogins`] when the bucket is empty.
    pub fn check(&self, source: Option<Source>, now: UnixMillis) -> Result<(), TooManyFailedLogins> {
        let missing_ms = self.missing_ms(Network::of(source), now);
        let wait_ms = missing_ms.saturating_sub(self.interval_ms * u64::from(FAILED_LOGINS_BURST - 1));
        if wait_ms == 0 {
            return Ok(());
        }
        Err(TooManyFailedLogins { retry_after: Duration::from_millis(wait_ms) })
    }

    /// A password from there was wrong.
    pub fn count_failure(&mut self, source: Option<Source>, now: UnixMillis) {
        let network = Network::of(source);
        let missing_ms = self.missing_ms(network, now).saturating_add(self.interval_ms);
        if self.full_at.len() >= FAILED_LOGIN_SOURCES_MAX && !self.full_at.contains_key(&network) {
            self.make_room(now);
        }
        self.full_at.insert(network, UnixMillis(now.0.saturating_add(missing_ms.min(self.missing_ms_max()))));
    }

    /// The time until the bucket is full. Never more than an empty bucket and its debt take, so that a clock which is set back
    /// locks nobody out for longer.
    fn missing_ms(&self, network: Network, now: UnixMillis) -> u64 {
        let full_at = self.full_at.get(&network).map_or(0, |full_at| full_at.0);
        full_at.saturating_sub(now.0).min(self.missing_ms_max())
    }

    fn missing_ms_max(&self) -> u64 {
        self.interval_ms * u64::from(FAILED_LOGINS_BURST + FAILED_LOGINS_DEBT_MAX)
    }

    /// Forgets the sources whose buckets are full, or else the one that is nearest to it.
    fn make_room(&mut self, now: UnixMillis) {
        self.full_at.retain(|_, full_at| full_at.0 > now.0);
        if self.full_at.len() < FAILED_LOGIN_SOURCES_MAX {
            return;
        }
        let nearest = self.full_at.iter().min_by_key(|(_, full_at)| full_at.0).map(|(network, _)| *network);
        if let Some(network) = nearest {
            self.full_at.remove(&network);
        }
    }
}

impl Network {
    fn of(source: Option<Source>) -> Self {
        Self(source.map(|source| match source.address {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) & !u128::from(u64::MAX))),
        }))
    }
}

impl fmt::Display for TooManyFailedLogins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many failed logins")
    }
}

impl std::error::Error for TooManyFailedLogins {}

#[cfg(test)]
mod tests;
