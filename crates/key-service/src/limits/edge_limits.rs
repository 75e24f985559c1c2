//! Limits of edges, and of waiting for them.

use std::time::Duration;

use latchkey_edge_ledger::limits::{EDGE_ROW_WINDOW, EDGE_SIGHT_INTERVAL, EDGES_MAX, FEED_WAIT_MAX};

/// Most instances that one credential may have, when nothing is set: a fleet whose proxies share one, and
/// each of which may run twice while it is replaced; and so few that a stolen credential does not fill the
/// list.
pub const EDGE_INSTANCES_PER_KEY_DEFAULT: usize = 1_024;

/// How long an edge may admit by what it has, when it does not say it: the filter's own default of
/// `staleness.refuse_after`.
pub const EDGE_REFUSE_AFTER_DEFAULT: Duration = Duration::from_secs(60 * 60);

/// Shortest that an edge may say: what the filter's configuration takes.
pub const EDGE_REFUSE_AFTER_MIN: Duration = Duration::from_secs(1);

/// Longest that an edge may say: what the filter's configuration takes.
pub const EDGE_REFUSE_AFTER_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How often it is looked which rows have to be written again, and which edges may be dropped from the list.
pub const EDGE_SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// How long a wait for edges gives the exchange between replicas to bring what they know, at most.
pub const EDGE_HEARING_WAIT_MAX: Duration = Duration::from_secs(2);

/// How often a wait for edges looks whether one that it waits for cannot admit any more.
pub const EDGE_WAIT_LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How long after its last request an edge counts as live, when nothing is set: the longest wait of a feed
/// request, and time for a few tries after one that failed.
pub const EDGES_LIVE_FOR_DEFAULT: Duration = Duration::from_secs(90);

/// Most that may be set for it: the longest time for which a filter may be told to go on with its table.
pub const EDGES_LIVE_FOR_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Least time between two writings, or readings, of what replicas tell each other of edges: what a thousand
/// edges say at once is a handful of statements.
pub const EDGE_EXCHANGE_PAUSE: Duration = Duration::from_millis(10);

/// Longest wait for edges to apply a change. Load balancers close idle connections after 60 seconds.
pub const EDGE_WAIT_MAX: Duration = Duration::from_secs(60);

/// Most requests that may wait for edges at once. Each holds a connection and the names of the edges that it
/// waits for.
pub const EDGE_WAITERS_MAX: usize = 128;

/// Most of them for one user and his keys, so that others find a permit.
pub const EDGE_WAITERS_PER_PRINCIPAL_MAX: usize = EDGE_WAITERS_MAX / 4;

/// Most missing edges that one answer names; how many there are is told besides.
pub const EDGES_MISSING_NAMED_MAX: usize = 100;

/// Longest version that an edge may say it runs, in bytes: a version and a hash have some 60.
pub const FILTER_VERSION_LEN_MAX: usize = 128;

/// Most reasons of refused requests that one report may have. A filter has some thirty.
pub const REFUSAL_REASONS_TOLD_MAX: usize = 64;

/// How long after its last report an edge counts as one where no keys are used: it reports every ten seconds if it
/// has something to report.
pub const EDGE_IDLE_AFTER: Duration = Duration::from_secs(30);

/// Most changes of which it is remembered when they were heard of, to time how long edges take. An edge that
/// is further behind is not timed for the older ones.
pub const CHANGES_TIMED_MAX: usize = 1_024;

/// Most times of edges that are kept for these changes: those of a thousand edges for all of them, and of
/// [`EDGES_MAX`] edges for the latest 32. A time takes eight bytes.
pub const EDGE_TIMES_MAX: usize = 1_024 * 1_024;

/// Most changes whose times are kept because somebody has asked for them. With [`EDGES_MAX`] edges they take
/// eight megabytes.
pub const CHANGES_ASKED_FOR_MAX: usize = 32;

/// Most of the latest changes that one answer sums up: what a small plot shows.
pub const CHANGES_SUMMED_UP_MAX: usize = 60;

const _: () = assert!(EDGE_SIGHT_INTERVAL.as_secs() < EDGES_LIVE_FOR_DEFAULT.as_secs());
const _: () = assert!(FEED_WAIT_MAX.as_secs() < EDGES_LIVE_FOR_DEFAULT.as_secs());
const _: () =
    assert!(EDGE_SWEEP_INTERVAL.as_secs() + FEED_WAIT_MAX.as_secs() < EDGE_ROW_WINDOW.as_secs() / 2);
const _: () = assert!(EDGE_INSTANCES_PER_KEY_DEFAULT < EDGES_MAX);
