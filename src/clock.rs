//! The two clocks of the host, and which of them answers which question.
//!
//! The host has two clocks. The *wall clock* says when a key expires. It may be set, also back. The
//! *monotonic clock* only moves forward; every age and every deadline is counted with it. It is the same in
//! all VMs of a machine, so shared data may hold its moments.
//!
//! To read a clock is a call of the host, and a request makes one: it reads the wall clock. Every tick reads
//! both and notes the pair, so a request knows the monotonic time as well: that of the last tick, and what
//! the wall clock has moved on since then. That is the true time as long as nobody sets the wall clock
//! between a tick and a request. If somebody does, the wall clock stands before the tick, or far after it,
//! and then the request reads the monotonic clock too. A step back that hides the time since
//! the tick makes a request's time wrong by that time, until the next tick notes a new pair; any other one by at
//! most [`TICK_LATE_MS_MAX`].
//!
//! The monotonic clock stands still while the machine sleeps. A table therefore notes when it was refreshed
//! by both clocks, and admits nobody while either of them finds it too old.
//!
//! When a clock fails, the time is unknown. It does not count as 0, so the only verdict is a refusal.

use std::cell::Cell;
use std::time::Duration;

use latchkey_key_feed::{MonotonicMillis, UnixMillis};

use crate::limits::{CLOCK_STEP_MS, TICK_LATE_MS_MAX};

/// The clocks of the host.
pub trait HostClocks {
    /// The wall clock.
    ///
    /// # Errors
    ///
    /// [`ClockFailed`] when the host does not tell.
    fn wall(&self) -> Result<UnixMillis, ClockFailed>;

    /// The monotonic clock.
    ///
    /// # Errors
    ///
    /// [`ClockFailed`] when the host does not tell.
    fn monotonic(&self) -> Result<MonotonicMillis, ClockFailed>;
}

/// The host does not tell the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockFailed;

/// One moment, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// For what people agree on: expirations.
    pub wall: UnixMillis,
    /// For ages and deadlines.
    pub monotonic: MonotonicMillis,
}

/// What a tick finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The time.
    pub now: Moment,
    /// Whether the wall clock was set since the last tick, or the machine slept.
    pub clock_stepped: bool,
}

/// The time in one VM.
#[derive(Debug)]
pub struct VmClock<C> {
    clocks: C,
    /// What both clocks said at the last tick.
    noted: Cell<Option<Moment>>,
}

impl<C: HostClocks> VmClock<C> {
    /// A clock before its first tick.
    pub fn new(clocks: C) -> Self {
        Self { clocks, noted: Cell::new(None) }
    }

    /// The time of a tick. Reads both clocks.
    ///
    /// # Errors
    ///
    /// [`ClockFailed`] when either fails.
    pub fn tick(&self) -> Result<Tick, ClockFailed> {
        let before = self.noted.take();
        let now = Moment { wall: self.clocks.wall()?, monotonic: self.clocks.monotonic()? };
        self.noted.set(Some(now));
        Ok(Tick { now, clock_stepped: before.is_some_and(|before| before.is_out_of_step_with(now)) })
    }

    /// The time of a request. Reads the wall clock, and the other one only where the last tick does not tell.
    ///
    /// # Errors
    ///
    /// [`ClockFailed`] when a clock that is needed fails.
    pub fn now(&self) -> Result<Moment, ClockFailed> {
        let wall = self.clocks.wall()?;
        let monotonic = match self.noted.get().and_then(|noted| noted.monotonic_at(wall)) {
            Some(monotonic) => monotonic,
            None => self.clocks.monotonic()?,
        };
        Ok(Moment { wall, monotonic })
    }

    /// The monotonic time, read from its clock.
    ///
    /// # Errors
    ///
    /// [`ClockFailed`] when it fails.
    pub fn monotonic(&self) -> Result<MonotonicMillis, ClockFailed> {
        self.clocks.monotonic()
    }
}

impl Moment {
    /// The earlier of the two moments, for each clock by itself.
    #[must_use]
    pub fn no_later_than(self, end: Self) -> Self {
        Self { wall: self.wall.min(end.wall), monotonic: self.monotonic.min(end.monotonic) }
    }

    /// The moment `duration` later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self { wall: self.wall.plus(duration), monotonic: self.monotonic.plus(duration) }
    }

    /// The monotonic time when the wall clock has gone on to `wall` since this moment; `None` if that does
    /// not look like time that has just passed.
    fn monotonic_at(self, wall: UnixMillis) -> Option<MonotonicMillis> {
        let passed_ms = wall.0.checked_sub(self.wall.0)?;
        (passed_ms <= TICK_LATE_MS_MAX).then(|| self.monotonic.plus_millis(passed_ms))
    }

    fn is_out_of_step_with(self, later: Self) -> bool {
        let expected = self.wall.plus_millis(later.monotonic.millis_since(self.monotonic));
        later.wall.0.abs_diff(expected.0) > CLOCK_STEP_MS
    }
}

#[cfg(test)]
mod tests;
