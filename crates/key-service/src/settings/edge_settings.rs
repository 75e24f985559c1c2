//! The settings of the edges.

use std::time::Duration;

use latchkey_edge_ledger::EdgeRules;

use crate::limits::edge_limits::{
    EDGE_INSTANCES_PER_KEY_DEFAULT, EDGE_REFUSE_AFTER_DEFAULT, EDGE_REFUSE_AFTER_MAX, EDGE_REFUSE_AFTER_MIN,
    EDGE_WAIT_MAX, EDGES_LIVE_FOR_DEFAULT, EDGES_LIVE_FOR_MAX,
};
use crate::settings::section::Section;
use latchkey_edge_ledger::limits::{EDGES_MAX, FEED_WAIT_MAX};
use latchkey_elastic::TimeValue;
use latchkey_key_feed::whole_millis;

/// How the edges are looked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdgeSettings {
    /// How long after its last request an edge counts as live. Longer than a request may wait, or an idle
    /// edge would not.
    pub live_for: Duration,
    /// For how long after an answer an edge may admit that does not say it.
    pub refuse_after_default: Duration,
    /// The longest that an edge may say.
    pub refuse_after_max: Duration,
    /// How many instances of edges one credential may have.
    pub instances_per_key: usize,
    /// How long `refresh=wait_for` waits for live edges; zero is not at all.
    pub refresh_waits_for: Duration,
}

impl EdgeSettings {
    /// What the ledger of edges goes by.
    #[must_use]
    pub fn rules(&self) -> EdgeRules {
        EdgeRules {
            live_for_ms: whole_millis(self.live_for),
            refuse_after_ms: whole_millis(self.refuse_after_default),
            instances_per_key_max: self.instances_per_key,
        }
    }
}

impl Default for EdgeSettings {
    fn default() -> Self {
        Self {
            live_for: EDGES_LIVE_FOR_DEFAULT,
            refuse_after_default: EDGE_REFUSE_AFTER_DEFAULT,
            refuse_after_max: EDGE_REFUSE_AFTER_MAX,
            instances_per_key: EDGE_INSTANCES_PER_KEY_DEFAULT,
            refresh_waits_for: Duration::ZERO,
        }
    }
}

pub(super) fn read(mut section: Section<'_>) -> EdgeSettings {
    let defaults = EdgeSettings::default();
    let refuse_after = "must be a duration from 1s to 365d, such as 1h";
    let settings = EdgeSettings {
        live_for: section
            .parsed("live_for", "must be a duration above 60s and up to 365d, such as 90s", live_for)
            .unwrap_or(defaults.live_for),
        refuse_after_default: section
            .parsed("refuse_after_default", refuse_after, refuse_after_of)
            .unwrap_or(defaults.refuse_after_default),
        refuse_after_max: section
            .parsed("refuse_after_max", refuse_after, refuse_after_of)
            .unwrap_or(defaults.refuse_after_max),
        instances_per_key: section
            .number("instances_per_key", 1..=EDGES_MAX)
            .unwrap_or(defaults.instances_per_key),
        refresh_waits_for: section
            .parsed(
                "refresh_waits_for",
                "must be a duration of at most 60s, such as 5s; 0 is not to wait",
                refresh_waits_for,
            )
            .unwrap_or(defaults.refresh_waits_for),
    };
    if settings.refuse_after_default > settings.refuse_after_max {
        section.problem("refuse_after_default", "must not be longer than refuse_after_max");
    }
    section.end();
    settings
}

fn live_for(text: &str) -> Option<Duration> {
    let live_for = TimeValue::parse(text, "live_for").ok()?.to_duration();
    (live_for > FEED_WAIT_MAX && live_for <= EDGES_LIVE_FOR_MAX).then_some(live_for)
}

fn refuse_after_of(text: &str) -> Option<Duration> {
    let refuse_after = TimeValue::parse(text, "refuse_after").ok()?.to_duration();
    (refuse_after >= EDGE_REFUSE_AFTER_MIN && refuse_after <= EDGE_REFUSE_AFTER_MAX).then_some(refuse_after)
}

fn refresh_waits_for(text: &str) -> Option<Duration> {
    let wait = TimeValue::parse(text, "refresh_waits_for").ok()?.to_duration();
    // Elsewhere -1 is a time that has passed; here it would read as one.
    (wait <= EDGE_WAIT_MAX && !text.trim().starts_with('-')).then_some(wait)
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

    #[test]
    fn an_edge_admits_for_a_time_that_a_filter_can_be_told() {
        for (text, seconds) in [("1s", Some(1)), ("365d", Some(365 * 86_400)), ("366d", None), ("0s", None)] {
            assert_eq!(refuse_after_of(text), seconds.map(Duration::from_secs), "{text}");
        }
        for (text, seconds) in [("0", Some(0)), ("60s", Some(60)), ("61s", None), ("-1", None)] {
            assert_eq!(refresh_waits_for(text), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
