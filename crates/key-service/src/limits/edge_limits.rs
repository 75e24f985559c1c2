//! Limits of edges, and of waiting for them.

use std::time::Duration;

use crate::limits::FEED_WAIT_MAX;

/// Digits of the identity of an instance that are shown: enough to tell the instances of one name apart, and
/// too few to speak for one.
pub const EDGE_INSTANCE_DIGITS_SHOWN: usize = 8;

/// Most instances of edges that are remembered. For one more the oldest give way that can admit no more; if
/// there is none, it is refused the feed: to forget another that may still admit would make every answer
/// about the edges untrue.
pub const EDGES_MAX: usize = 32_768;

/// Most instances that one credential may have, when nothing is set: a fleet whose proxies share one, and
/// each of which may run twice while it is replaced; and so few that a stolen credential does not fill the
/// list.
pub const EDGE_INSTANCES_PER_KEY_DEFAULT: usize = 1_024;

/// Most instances that give way at once to one more in a list that is full.
pub const EDGES_DROPPED_AT_ONCE_MAX: usize = 256;

/// How often the log names a credential that has as many instances as it may and asks as one more.
pub const EDGE_REFUSAL_LOG_INTERVAL: Duration = Duration::from_secs(60);

/// How long an edge may admit by what it has, when it does not say it: the filter's own default of
/// `staleness.refuse_after`.
pub const EDGE_REFUSE_AFTER_DEFAULT: Duration = Duration::from_secs(60 * 60);

/// Shortest that an edge may say: what the filter's configuration takes.
pub const EDGE_REFUSE_AFTER_MIN: Duration = Duration::from_secs(1);

/// Longest that an edge may say: what the filter's configuration takes.
pub const EDGE_REFUSE_AFTER_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How long after the wait of its request an answer may still arrive at an edge: the longest `fetch_timeout`
/// of the filter, after which it gives the call up. The time for which an edge may admit begins when the
/// answer arrives.
pub const EDGE_ANSWER_MARGIN: Duration = Duration::from_secs(60);

/// How much further ahead than it must be the time is written up to which an edge may admit. It is written
/// again once half of that is used up, so an edge costs a row every five minutes and not one a request; after
/// a crash an edge that is gone is held to admit for so much longer.
pub const EDGE_ROW_WINDOW: Duration = Duration::from_secs(10 * 60);

/// Most instances of which it is noted at once how much less time they have left. It is noted when a row says
/// five minutes more.
pub const EDGE_TIMES_NOTED_AT_ONCE_MAX: usize = 1_024;

/// How often it is looked which rows have to be written again, and which edges may be dropped from the list.
pub const EDGE_SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// How long an edge that said goodbye, or was forgotten, is kept for other replicas to hear of it, which look
/// every second.
pub const EDGE_LEFT_LIFE: Duration = Duration::from_secs(10 * 60);

/// How long a wait for edges gives the exchange between replicas to bring what they know, at most.
pub const EDGE_HEARING_WAIT_MAX: Duration = Duration::from_secs(2);

/// Most holders of one name of an edge that are looked up to see whether their keys have ended.
pub const EDGE_NAME_HOLDERS_MAX: usize = 16;

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

/// How often replicas tell each other that an edge still asks, when there is nothing else to tell.
pub const EDGE_SIGHT_INTERVAL: Duration = Duration::from_secs(5);

/// How long an edge that cannot admit any more is listed.
pub const EDGE_ROW_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// Longest wait for edges to apply a change. Load balancers close idle connections after 60 seconds.
pub const EDGE_WAIT_MAX: Duration = Duration::from_secs(60);

/// Most requests that may wait for edges at once. Each holds a connection and the names of the edges that it
/// waits for.
pub const EDGE_WAITERS_MAX: usize = 128;

/// Most of them for one user and his keys, so that others find a permit.
pub const EDGE_WAITERS_PER_PRINCIPAL_MAX: usize = EDGE_WAITERS_MAX / 4;

/// Most missing edges that one answer names; how many there are is told besides.
pub const EDGES_MISSING_NAMED_MAX: usize = 100;

/// Most changes of which it is remembered when they were heard of, to time how long edges take. An edge that
/// is further behind is not timed for the older ones.
pub const CHANGES_TIMED_MAX: usize = 1_024;

const _: () = assert!(EDGE_SIGHT_INTERVAL.as_secs() < EDGES_LIVE_FOR_DEFAULT.as_secs());
const _: () = assert!(FEED_WAIT_MAX.as_secs() < EDGES_LIVE_FOR_DEFAULT.as_secs());
const _: () =
    assert!(EDGE_SWEEP_INTERVAL.as_secs() + FEED_WAIT_MAX.as_secs() < EDGE_ROW_WINDOW.as_secs() / 2);
const _: () = assert!(EDGE_INSTANCES_PER_KEY_DEFAULT < EDGES_MAX);
