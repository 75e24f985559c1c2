//! Removing keys for good, once they have been dead for a while.

use std::time::Duration;

use latchkey_key_feed::{UnixMillis, whole_millis};

/// When dead keys go (Elasticsearch, `xpack.security.authc.api_key.delete.*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemovalPolicy {
    /// The least time between two runs.
    pub interval: Duration,
    /// How long a key stays visible after it was invalidated or has expired.
    pub retention: Duration,
}

impl Default for RemovalPolicy {
    /// Elasticsearch's own defaults: once a day, after a week.
    fn default() -> Self {
        Self { interval: Duration::from_secs(24 * 3_600), retention: Duration::from_secs(7 * 24 * 3_600) }
    }
}

impl RemovalPolicy {
    /// Keys that were dead at this moment may be removed; `None` when the retention period reaches back
    /// before 1970.
    #[must_use]
    pub fn dead_since(&self, now: UnixMillis) -> Option<UnixMillis> {
        now.0.checked_sub(whole_millis(self.retention)).map(UnixMillis)
    }

    /// Another run is due if the last one began at this moment or earlier.
    #[must_use]
    pub fn last_run_until(&self, now: UnixMillis) -> UnixMillis {
        now.minus(self.interval)
    }
}
