//! Where the time comes from. Every rule takes the moment as an argument; this is who is asked for it.

use std::time::{SystemTime, UNIX_EPOCH};

use latchkey_key_feed::UnixMillis;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The moment at which it is asked.
    fn now(&self) -> UnixMillis;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    /// A clock set before 1970 reads as 1970.
    fn now(&self) -> UnixMillis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}
