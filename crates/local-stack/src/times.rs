//! Times that were measured, in numbers.

use std::time::Duration;

/// Times in ascending order.
#[derive(Clone, Debug)]
pub struct Times(Vec<Duration>);

impl Times {
    /// The times in order.
    #[must_use]
    pub fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// The time that half of all observations did not exceed.
    #[must_use]
    pub fn median(&self) -> Duration {
        self.0.get(self.0.len().saturating_sub(1) / 2).copied().unwrap_or_default()
    }

    /// The longest time of all.
    #[must_use]
    pub fn worst(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }

    /// All of them, in milliseconds.
    #[must_use]
    pub fn all_ms(&self) -> Vec<f64> {
        self.0.iter().copied().map(millis).collect()
    }
}

/// To the microsecond: finer differences are noise of the clock.
#[must_use]
pub fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_an_observation() {
        let of = |millis: &[u64]| Times::new(millis.iter().copied().map(Duration::from_millis).collect());
        assert_eq!(of(&[9, 1, 2]).median(), Duration::from_millis(2));
        assert_eq!(of(&[1, 2, 3, 9]).median(), Duration::from_millis(2));
        assert_eq!(of(&[]).median(), Duration::ZERO);
        assert_eq!(of(&[9, 1]).worst(), Duration::from_millis(9));
        assert_eq!(of(&[9, 1]).all_ms(), [1.0, 9.0]);
    }
}
