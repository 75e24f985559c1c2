//! The settings of the edges.

use std::time::Duration;

use crate::api::time_value::TimeValue;
use crate::limits::{EDGES_LIVE_FOR_DEFAULT, EDGES_LIVE_FOR_MAX, FEED_WAIT_MAX};
use crate::settings::section::Section;

/// How the edges are looked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdgeSettings {
    /// How long after its last request an edge counts as live. Longer than a request may wait, or an idle edge would not.
    pub live_for: Duration,
}

impl Default for EdgeSettings {
    fn default() -> Self {
        Self { live_for: EDGES_LIVE_FOR_DEFAULT }
    }
}

pub(super) fn read(mut section: Section<'_>) -> EdgeSettings {
    let defaults = EdgeSettings::default();
    let live_for = match section.text("live_for") {
        None => defaults.live_for,
        Some(text) => live_for(text).unwrap_or_else(|| {
            section.problem("live_for", "must be a duration above 60s and up to 365d, such as 90s");
            defaults.live_for
        }),
    };
    section.end();
    EdgeSettings { live_for }
}

fn live_for(text: &str) -> Option<Duration> {
    let live_for = TimeValue::parse(text, "live_for").ok()?.to_duration();
    (live_for > FEED_WAIT_MAX && live_for <= EDGES_LIVE_FOR_MAX).then_some(live_for)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_is_live_for_longer_than_a_request_may_wait() {
        for (text, seconds) in [
            ("60s", None),
            ("61s", Some(61)),
            ("1h", Some(3_600)),
            ("365d", Some(365 * 86_400)),
            ("366d", None),
            ("0", None),
            ("-1", None),
            ("90", None),
        ] {
            assert_eq!(live_for(text), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
