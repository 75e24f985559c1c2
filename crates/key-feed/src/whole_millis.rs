//! Durations in milliseconds.

use std::time::Duration;

/// The whole milliseconds of a duration; the most that there are rather than an overflow.
#[must_use]
pub fn whole_millis(duration: Duration) -> u64 {
    // No number of 128 bits: this is also built for WebAssembly.
    duration.as_secs().saturating_mul(1_000).saturating_add(duration.subsec_millis().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MonotonicMillis, UnixMillis};

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
