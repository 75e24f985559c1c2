//! A clock for a service that is tested.

use std::sync::atomic::{AtomicU64, Ordering};

use latchkey_key_feed::{MonotonicMillis, UnixMillis};
use latchkey_key_service::clock::Clock;

/// A clock that stands still until it is moved.
pub(crate) struct ManualClock {
    wall: AtomicU64,
    steady: AtomicU64,
}

impl ManualClock {
    /// A clock whose wall says so, and whose steady part begins.
    pub(crate) fn at(wall: u64) -> Self {
        Self { wall: AtomicU64::new(wall), steady: AtomicU64::new(0) }
    }

    pub(crate) fn advance_ms(&self, millis: u64) {
        self.wall.fetch_add(millis, Ordering::Relaxed);
        self.steady.fetch_add(millis, Ordering::Relaxed);
    }

    /// Sets the clock on the wall: the steady one knows nothing of it.
    pub(crate) fn set_wall(&self, wall: u64) {
        self.wall.store(wall, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.wall.load(Ordering::Relaxed))
    }

    fn steady(&self) -> MonotonicMillis {
        MonotonicMillis(self.steady.load(Ordering::Relaxed))
    }
}
