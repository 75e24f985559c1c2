//! What is counted of connections.

use metrics::{counter, describe_counter};

const CLOSED: &str = "latchkey_connections_closed_total";

/// Why the service closed a connection that it could have kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// All permits were taken, and it had been idle for longest.
    Idle,
    /// All permits were taken, and nothing had been asked on it.
    Silent,
    /// Its source has as many as it may.
    SourceLimit,
}

impl Closed {
    const fn reason(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Silent => "silent",
            Self::SourceLimit => "source_limit",
        }
    }
}

/// A connection is closed for the sake of others.
pub fn closed(why: Closed) {
    counter!(CLOSED, "reason" => why.reason()).increment(1);
}

/// Tells the recorder what the name means, and begins at zero.
pub(super) fn describe() {
    describe_counter!(CLOSED, "Connections that were closed for the sake of others, by reason.");
    for why in [Closed::Idle, Closed::Silent, Closed::SourceLimit] {
        counter!(CLOSED, "reason" => why.reason()).increment(0);
    }
}
