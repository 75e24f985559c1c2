//! Moments and durations in milliseconds.
//!
//! Every rule that depends on the time takes the moment as an argument. Nothing in this crate reads a clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z, as Elasticsearch writes moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

/// Milliseconds of a clock that only moves forward. They are counted from a moment that means nothing, mostly
/// the start of the machine.
///
/// Ages and deadlines are counted with it. A [`UnixMillis`] may go back when an operator or NTP sets the
/// clock, and is only for moments that people agree on, such as the expiration of a key. The two are types of
/// their own so that they cannot be mixed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonotonicMillis(pub u64);

/// The arithmetic that both clocks share. It saturates: time ends rather than overflows.
macro_rules! moment {
    ($moment:ty) => {
        impl $moment {
            /// The time that has passed since `earlier`; none when `earlier` is in fact later.
            #[must_use]
            pub fn since(self, earlier: Self) -> Duration {
                Duration::from_millis(self.millis_since(earlier))
            }

            /// The moment `duration` later.
            #[must_use]
            pub fn plus(self, duration: Duration) -> Self {
                self.plus_millis(whole_millis(duration))
            }

            /// The milliseconds that have passed since `earlier`; 0 when `earlier` is in fact later.
            #[must_use]
            pub fn millis_since(self, earlier: Self) -> u64 {
                self.0.saturating_sub(earlier.0)
            }

            /// The moment `millis` later.
            #[must_use]
            pub fn plus_millis(self, millis: u64) -> Self {
                Self(self.0.saturating_add(millis))
            }
        }
    };
}

moment!(UnixMillis);
moment!(MonotonicMillis);

impl UnixMillis {
    /// The moment `duration` earlier; 1970 rather than an underflow.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(whole_millis(duration)))
    }
}

/// The whole milliseconds of a duration; the most that there are rather than an overflow.
#[must_use]
pub fn whole_millis(duration: Duration) -> u64 {
    // `Duration::as_millis` is a number of 128 bits, which costs much code in WebAssembly.
    duration.as_secs().saturating_mul(1_000).saturating_add(duration.subsec_millis().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_ends_and_does_not_overflow() {
        assert_eq!(whole_millis(Duration::from_micros(1_999)), 1);
        assert_eq!(whole_millis(Duration::MAX), u64::MAX);
        let (second, end) = (Duration::from_secs(1), UnixMillis(u64::MAX));
        assert_eq!(UnixMillis(5).plus(second), UnixMillis(1_005));
        assert_eq!(UnixMillis(5).plus(Duration::MAX), end);
        assert_eq!(UnixMillis(1_005).minus(second), UnixMillis(5));
        assert_eq!(UnixMillis(5).minus(second), UnixMillis(0));
        assert_eq!(UnixMillis(1_005).since(UnixMillis(5)), second);
        assert_eq!(UnixMillis(5).since(end), Duration::ZERO);
        assert_eq!(MonotonicMillis(5).plus(second), MonotonicMillis(1_005));
        assert_eq!(MonotonicMillis(5).plus(Duration::MAX), MonotonicMillis(u64::MAX));
        assert_eq!(MonotonicMillis(1_005).since(MonotonicMillis(5)), second);
        assert_eq!(MonotonicMillis(5).since(MonotonicMillis(6)), Duration::ZERO);
    }
}
