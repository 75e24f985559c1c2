//! Clocks that a test sets.

use std::cell::Cell;
use std::rc::Rc;

use latchkey_key_feed::{MonotonicMillis, UnixMillis};

use super::{ClockFailed, HostClocks};

/// What they say at first: far apart, so that whoever mixes them up is found.
pub(crate) const START: MonotonicMillis = MonotonicMillis(1_000_000_000);
pub(crate) const WALL_START: UnixMillis = UnixMillis(1_700_000_000_000);

/// The clocks of one machine. Clones are the same clocks, as its VMs see them.
#[derive(Clone, Debug)]
pub(crate) struct FakeClocks(Rc<Both>);

#[derive(Debug)]
struct Both {
    wall: Cell<UnixMillis>,
    monotonic: Cell<MonotonicMillis>,
    wall_fails: Cell<bool>,
    monotonic_fails: Cell<bool>,
    monotonic_reads: Cell<usize>,
}

impl FakeClocks {
    pub(crate) fn new() -> Self {
        Self(Rc::new(Both {
            wall: Cell::new(WALL_START),
            monotonic: Cell::new(START),
            wall_fails: Cell::new(false),
            monotonic_fails: Cell::new(false),
            monotonic_reads: Cell::new(0),
        }))
    }

    /// Time passes.
    pub(crate) fn pass(&self, millis: u64) {
        self.0.wall.set(self.0.wall.get().plus_millis(millis));
        self.0.monotonic.set(self.0.monotonic.get().plus_millis(millis));
    }

    /// The machine sleeps: one clock goes on without the other.
    pub(crate) fn sleep(&self, millis: u64) {
        self.0.wall.set(self.0.wall.get().plus_millis(millis));
    }

    /// Somebody sets the wall clock.
    pub(crate) fn step(&self, millis: i64) {
        self.0.wall.set(UnixMillis(self.0.wall.get().0.saturating_add_signed(millis)));
    }

    pub(crate) fn lose_wall(&self) {
        self.0.wall_fails.set(true);
    }

    pub(crate) fn lose_monotonic(&self) {
        self.0.monotonic_fails.set(true);
    }

    pub(crate) fn true_wall(&self) -> UnixMillis {
        self.0.wall.get()
    }

    pub(crate) fn true_monotonic(&self) -> MonotonicMillis {
        self.0.monotonic.get()
    }

    pub(crate) fn monotonic_reads(&self) -> usize {
        self.0.monotonic_reads.get()
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
