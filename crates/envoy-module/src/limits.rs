//! Every limit of this shell.

/// Time between two looks at requests that wait, in milliseconds, while few wait.
pub(crate) const WAKE_MS: u64 = 20;

/// For each so many requests that wait the time between two looks grows by [`WAKE_MS`]: a look at one of them
/// costs in proportion to how many there are.
pub(crate) const WAITING_PER_WAKE: usize = 256;

/// How far ahead the monotonic clock is of the start of the machine, in milliseconds: no moment of it may be
/// taken for the beginning of time.
pub(crate) const CLOCK_AHEAD_MS: u64 = 1_000_000;
