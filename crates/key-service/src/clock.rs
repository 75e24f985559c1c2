//! Where the time comes from. Every rule takes the moment as an argument; this is who is asked for it.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use latchkey_edge_ledger::Moment;
use latchkey_key_feed::{MonotonicMillis, UnixMillis, whole_millis};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The moment at which it is asked.
    fn now(&self) -> UnixMillis;

    /// The same moment by a clock that only moves forward, since an origin of this process. It means nothing
    /// to another process.
    fn steady(&self) -> MonotonicMillis;

    /// The same moment by both.
    fn moment(&self) -> Moment {
        Moment { wall: self.now(), steady: self.steady() }
    }
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    /// A clock set before 1970 reads as 1970.
    fn now(&self) -> UnixMillis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(whole_millis(since))
    }

    fn steady(&self) -> MonotonicMillis {
        static ORIGIN: OnceLock<Instant> = OnceLock::new();
        let since = ORIGIN.get_or_init(Instant::now).elapsed();
        MonotonicMillis(whole_millis(since))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A clock that moves when it is told to, and whose wall can be set.
    #[derive(Debug, Default)]
    pub(crate) struct ManualClock(Mutex<Moment>);

    impl ManualClock {
        /// Both clocks at the same number.
        pub(crate) fn at(millis: u64) -> Self {
            Self(Mutex::new(moment(millis)))
        }

        pub(crate) fn advance(&self, millis: u64) {
            let mut now = self.0.lock().unwrap();
            *now = Moment { wall: now.wall.plus_millis(millis), steady: now.steady.plus_millis(millis) };
        }

        /// Sets the clock on the wall.
        pub(crate) fn set_wall(&self, wall: u64) {
            self.0.lock().unwrap().wall = UnixMillis(wall);
        }
    }

    impl Clock for ManualClock {
        fn now(&self) -> UnixMillis {
            self.0.lock().unwrap().wall
        }

        fn steady(&self) -> MonotonicMillis {
            self.0.lock().unwrap().steady
        }
    }

    /// A moment at which both clocks read the same.
    pub(crate) fn moment(millis: u64) -> Moment {
        Moment { wall: UnixMillis(millis), steady: MonotonicMillis(millis) }
    }

    #[test]
    fn the_steady_clock_of_the_machine_does_not_go_back() {
        let before = SystemClock.steady();
        assert!(SystemClock.steady() >= before);
    }
}
