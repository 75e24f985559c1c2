//! Every limit of what is known of edges: named, with its unit, and where the number comes from.

use std::time::Duration;

/// Digits of the identity of an instance that are shown: enough to tell the instances of one name apart, and
/// too few to speak for one.
pub const EDGE_INSTANCE_DIGITS_SHOWN: usize = 8;

/// Most instances of edges that are remembered. For one more the oldest give way that can admit no more; if
/// there is none, it is refused the feed: to forget another that may still admit would make every answer
/// about the edges untrue.
pub const EDGES_MAX: usize = 32_768;

/// Most instances that give way at once to one more in a list that is full.
pub const EDGES_DROPPED_AT_ONCE_MAX: usize = 256;

/// How often the log names a credential that has as many instances as it may and asks as one more.
pub const EDGE_REFUSAL_LOG_INTERVAL: Duration = Duration::from_secs(60);

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

/// How long an edge that said goodbye, or was forgotten, is kept for other replicas to hear of it, which look
/// every second.
pub const EDGE_LEFT_LIFE: Duration = Duration::from_secs(10 * 60);

/// Most holders of one name of an edge that are looked up to see whether their keys have ended.
pub const EDGE_NAME_HOLDERS_MAX: usize = 16;

/// How often replicas tell each other that an edge still asks, when there is nothing else to tell.
pub const EDGE_SIGHT_INTERVAL: Duration = Duration::from_secs(5);

/// How long an edge that cannot admit any more is listed.
pub const EDGE_ROW_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// Longest wait of a feed request for a change.
pub const FEED_WAIT_MAX: Duration = Duration::from_secs(60);
