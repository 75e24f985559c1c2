//! The clocks of the machine.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use latchkey_filter::clock::{ClockFailed, Moment};
use latchkey_key_feed::{MonotonicMillis, UnixMillis};
use rustix::time::{ClockId, clock_gettime};

use crate::limits::CLOCK_AHEAD_MS;

/// Both at once; `None` when one of them does not tell.
pub(crate) fn both() -> Option<Moment> {
    Some(Moment { wall: wall().ok()?, monotonic: monotonic().ok()? })
}

/// The wall clock.
pub(crate) fn wall() -> Result<UnixMillis, ClockFailed> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| ClockFailed)?;
    u64::try_from(since.as_millis()).map(UnixMillis).map_err(|_| ClockFailed)
}

/// The monotonic clock. It is the machine's and not the process's, so that a table file tells its age by it after a
/// restart.
pub(crate) fn monotonic() -> Result<MonotonicMillis, ClockFailed> {
    let since_boot = Duration::try_from(clock_gettime(ClockId::Monotonic)).map_err(|_| ClockFailed)?;
    let passed_ms = u64::try_from(since_boot.as_millis()).map_err(|_| ClockFailed)?;
    Ok(MonotonicMillis(CLOCK_AHEAD_MS).plus_millis(passed_ms))
}
