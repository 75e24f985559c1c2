//! What is counted of the edges. No edge is ever a label.

use std::time::Duration;

use latchkey_edge_ledger::EdgeCounts;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

const EDGES: &str = "latchkey_feed_edges";
const EDGES_LIVE: &str = "latchkey_feed_edges_live";
const EDGES_CURRENT: &str = "latchkey_feed_edges_current";
const EDGES_SILENT: &str = "latchkey_feed_edges_silent";
const EDGES_OF_KEY_MAX: &str = "latchkey_feed_edges_of_one_key_max";
const CLAIMS_REFUSED: &str = "latchkey_feed_edges_refused_total";
const LAST_PAGES: &str = "latchkey_feed_last_pages_total";
const EDGES_LAG_MAX: &str = "latchkey_feed_edges_lag_max";
const WAITS: &str = "latchkey_edge_waits_total";

/// Time from a change to its acknowledgement.
pub(super) const PROPAGATION_SECONDS: &str = "latchkey_feed_propagation_seconds";

/// Time that requests have waited for edges.
pub(super) const WAIT_SECONDS: &str = "latchkey_edge_wait_seconds";

/// Upper bounds of both histograms, in seconds: from one round to an edge beside the service to the longest
/// wait.
pub(super) const SECONDS_BUCKETS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 20.0, 60.0];

/// How a wait for edges ended. Its name, in snake case, is in the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum WaitOutcome {
    /// Every edge had the change.
    All,
    /// So many waited already that this one did not.
    Crowded,
    /// There was no edge.
    NoneLive,
    /// Every live edge had the change, and one that is silent may have missed it.
    Silent,
    /// The service was told to stop.
    Stopped,
    /// The time was over.
    TimedOut,
}

/// The edges, as they are now.
pub fn edges_counted(counts: EdgeCounts) {
    gauge!(EDGES).set(counts.known as f64);
    gauge!(EDGES_LIVE).set(counts.live as f64);
    gauge!(EDGES_CURRENT).set(counts.current as f64);
    gauge!(EDGES_SILENT).set(counts.silent as f64);
    gauge!(EDGES_OF_KEY_MAX).set(counts.of_key_max as f64);
    gauge!(EDGES_LAG_MAX).set(counts.lag_max as f64);
}

/// An edge was refused the feed for how it asked.
pub fn claim_refused(reason: &'static str) {
    counter!(CLAIMS_REFUSED, "reason" => reason).increment(1);
}

/// An edge whose key has ended was given the last that is for it.
pub fn last_page_served() {
    counter!(LAST_PAGES).increment(1);
}

/// A change was acknowledged by an edge, so long after this replica had heard of it.
pub fn change_reached_edge(took: Duration) {
    histogram!(PROPAGATION_SECONDS).record(took);
}

/// A request has waited for edges.
pub fn edges_waited_for(outcome: WaitOutcome, took: Duration) {
    counter!(WAITS, "outcome" => <&'static str>::from(outcome)).increment(1);
    histogram!(WAIT_SECONDS).record(took);
}

/// An alert fires at the first of these, so it must be seen to rise.
pub(super) fn begin_at_zero() {
    counter!(LAST_PAGES).increment(0);
    for reason in ["name_taken", "too_many", "too_many_of_key"] {
        counter!(CLAIMS_REFUSED, "reason" => reason).increment(0);
    }
}

pub(super) fn describe() {
    describe_gauge!(EDGES, "Instances of edges that follow the key feed, or did lately.");
    describe_gauge!(EDGES_LIVE, "Edges seen within edges.live_for.");
    describe_gauge!(EDGES_CURRENT, "Live edges that have acknowledged every change.");
    describe_gauge!(EDGES_SILENT, "Edges that are not live and may still admit by what they were last told.");
    describe_gauge!(EDGES_OF_KEY_MAX, "Instances of edges of the credential that has the most.");
    describe_counter!(
        CLAIMS_REFUSED,
        "Requests of edges that were refused, by reason: name_taken, too_many, too_many_of_key."
    );
    describe_counter!(LAST_PAGES, "Pages for edges whose key has ended.");
    describe_gauge!(EDGES_LAG_MAX, "Changes that the last of the live edges has yet to acknowledge.");
    describe_histogram!(
        PROPAGATION_SECONDS,
        Unit::Seconds,
        "From when this replica heard of a change to its acknowledgement, for each edge that asks this replica."
    );
    describe_counter!(
        WAITS,
        "Requests that waited for edges, by outcome: all, none_live, silent, stopped, timed_out."
    );
    describe_histogram!(WAIT_SECONDS, Unit::Seconds, "How long requests waited for edges.");
}
