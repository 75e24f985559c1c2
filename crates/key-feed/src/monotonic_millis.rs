//! A moment of a clock that nobody can set.

use std::time::Duration;

use crate::whole_millis;

/// Milliseconds of a clock that only moves forward, counted from a moment that means nothing: the start of
/// the machine, mostly.
///
/// Ages and deadlines are counted with it. A [`UnixMillis`](crate::UnixMillis) may go back when an operator
/// or NTP sets the clock, and is only for moments that people agree on, as the expiration of a key. The two
/// are types of their own so that they cannot be mixed up.
///
/// As everywhere in this crate, the moment comes in as an argument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonotonicMillis(pub u64);

impl MonotonicMillis {
    /// The time that has passed since `earlier`; none when that is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The moment `duration` later; the end of time rather than an overflow.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(whole_millis(duration)))
    }

    /// The milliseconds that have passed since `earlier`; 0 when that is not earlier.
    #[must_use]
    pub fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `millis` later; the end of time rather than an overflow.
    #[must_use]
    pub fn plus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}
