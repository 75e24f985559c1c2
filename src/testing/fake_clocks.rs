//! Clocks that a test sets.

use std::cell::Cell;
use std::rc::Rc;

use latchkey_key_feed::{MonotonicMillis, UnixMillis};

use crate::clock::{ClockFailed, HostClocks};

/// What the monotonic clock says at first: far from the other, so that whoever mixes them up is found.
pub const START: MonotonicMillis = MonotonicMillis(1_000_000_000);
/// What the wall clock says at first.
pub const WALL_START: UnixMillis = UnixMillis(1_700_000_000_000);

/// The clocks of one machine. Clones are the same clocks, as its VMs see them.
#[derive(Clone, Debug)]
pub struct FakeClocks(Rc<Both>);

#[derive(Debug)]
struct Both {
    wall: Cell<UnixMillis>,
    monotonic: Cell<MonotonicMillis>,
    wall_fails: Cell<bool>,
    monotonic_fails: Cell<bool>,
    monotonic_reads: Cell<usize>,
}

impl FakeClocks {
    /// Clocks at the beginning.
    #[must_use]
    pub fn new() -> Self {
        Self(Rc::new(Both {
            wall: Cell::new(WALL_START),
            monotonic: Cell::new(START),
            wall_fails: Cell::new(false),
            monotonic_fails: Cell::new(false),
            monotonic_reads: Cell::new(0),
        }))
    }

    /// Time passes.
    pub fn pass(&self, millis: u64) {
        self.0.wall.set(self.0.wall.get().plus_millis(millis));
        self.0.monotonic.set(self.0.monotonic.get().plus_millis(millis));
    }

    /// The machine sleeps: one clock goes on without the other.
    pub fn sleep(&self, millis: u64) {
        self.0.wall.set(self.0.wall.get().plus_millis(millis));
    }

    /// Somebody sets the wall clock.
    pub fn step(&self, millis: i64) {
        self.0.wall.set(UnixMillis(self.0.wall.get().0.saturating_add_signed(millis)));
    }

    /// The wall clock fails from now on.
    pub fn lose_wall(&self) {
        self.0.wall_fails.set(true);
    }

    /// The monotonic clock fails from now on.
    pub fn lose_monotonic(&self) {
        self.0.monotonic_fails.set(true);
    }

    /// What the wall clock would say.
    #[must_use]
    pub fn true_wall(&self) -> UnixMillis {
        self.0.wall.get()
    }

    /// What the monotonic clock would say.
    #[must_use]
    pub fn true_monotonic(&self) -> MonotonicMillis {
        self.0.monotonic.get()
    }

    /// How often the monotonic clock was read.
    #[must_use]
    pub fn monotonic_reads(&self) -> usize {
        self.0.monotonic_reads.get()
    }
}

impl Default for FakeClocks {
    fn default() -> Self {
        Self::new()
    }
}

impl HostClocks for FakeClocks {
    fn wall(&self) -> Result<UnixMillis, ClockFailed> {
        if self.0.wall_fails.get() { Err(ClockFailed) } else { Ok(self.0.wall.get()) }
    }

    fn monotonic(&self) -> Result<MonotonicMillis, ClockFailed> {
        self.0.monotonic_reads.set(self.monotonic_reads() + 1);
        if self.0.monotonic_fails.get() { Err(ClockFailed) } else { Ok(self.0.monotonic.get()) }
    }
}
