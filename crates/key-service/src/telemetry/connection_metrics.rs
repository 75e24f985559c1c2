//! What is counted of connections.

use metrics::{counter, describe_counter};

const CLOSED: &str = "latchkey_connections_closed_total";

/// Why the service closed a connection that it could have kept. Its name, in snake case, is in the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Closed {
    /// All permits were taken, and it had been idle for longest.
    Idle,
    /// All permits were taken, and nothing had been asked on it.
    Silent,
    /// Its source has as many as it may.
    SourceLimit,
}

/// A connection is closed for the sake of others.
pub fn closed(why: Closed) {
    counter!(CLOSED, "reason" => <&'static str>::from(why)).increment(1);
}

/// Tells the recorder what the name means, and begins at zero.
pub(super) fn describe() {
    describe_counter!(CLOSED, "Connections that were closed for the sake of others, by reason.");
    for why in [Closed::Idle, Closed::Silent, Closed::SourceLimit] {
        counter!(CLOSED, "reason" => <&'static str>::from(why)).increment(0);
    }
}
