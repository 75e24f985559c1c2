//! What a run is held to.

use std::time::Duration;

/// How long a change may take to an edge that reaches the service, beyond which an answer by the state before is
/// wrong. A change takes a few milliseconds; the rest is for a machine whose processors are busy with other things.
pub(crate) const PROPAGATION_BOUND: Duration = Duration::from_secs(10);

/// How long after an outage an edge may take to follow again: the longest pause of a follower after failures (10 s,
/// `BACKOFF_MS_MAX` of the filter), and the time in which it notices that a poll hangs.
pub(crate) const RECOVERY_BOUND: Duration = Duration::from_secs(15);

/// By how much two moments that different processes take may differ: the end of a key, the end of a table. It is
/// the most by which a filter tells the time wrongly (`TICK_LATE_MS_MAX`), and as much for bytes on their way.
pub(crate) const CLOCK_SLACK: Duration = Duration::from_secs(2);

/// Growth of resident memory after the warm-up that makes a run fail, for each process, in bytes. An edge lays its
/// table out anew now and then, and a listener that is replaced lives on while it drains.
pub(crate) const GROWTH_MAX: u64 = 24 * 1024 * 1024;

/// A fifth of all rows of the table of resident memory, one at least, is warm-up.
pub(crate) const WARM_UP_PART: usize = 5;

/// How many keys the table of an edge may have for each that the run keeps alive: those that have expired stay in it
/// until the service removes them.
pub(crate) const TABLE_KEYS_FACTOR: u64 = 3;

/// Most answers that are told in full of those that are wrong in the same way. All are counted.
pub(crate) const TOLD_WRONGS_MAX: u64 = 5;

/// Dead keys that are asked about again. Of the older ones every [`ELDER_EVERY`]th is.
pub(crate) const DEAD_KEYS_MAX: usize = 4_096;

/// See [`DEAD_KEYS_MAX`].
pub(crate) const ELDER_EVERY: u64 = 16;

/// Keys that have changed lately and are asked about more often than others.
pub(crate) const RECENT_KEYS_MAX: usize = 256;

/// Keys that were acknowledged lately, which are asked about more often still: few, so that each is.
pub(crate) const ACKNOWLEDGED_KEYS_MAX: usize = 16;

/// How long a change is tried again while the service is away or busy.
pub(crate) const CHANGE_PATIENCE: Duration = Duration::from_secs(90);

/// How long the edges may take to agree with the service once nothing changes any more.
pub(crate) const SETTLING_PATIENCE: Duration = Duration::from_secs(120);

/// Requests on one connection, before it is given up for another that may come to another worker.
pub(crate) const REQUESTS_PER_CONNECTION: u32 = 40;
