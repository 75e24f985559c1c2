//! The edges, as the REST interface lists them.

use std::collections::BTreeMap;

use latchkey_key_feed::UnixMillis;
use serde::{Deserialize, Deserializer};

use crate::rest::{Person, RestFailure, path_with_query};

/// All edges at one moment. What an older key service does not say is absent.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct AskedFleet {
    /// The epoch of all positions in the feed.
    pub(crate) epoch: String,
    /// Whether every edge that may admit is in the list.
    pub(crate) complete: bool,
    pub(crate) total: u64,
    pub(crate) live: u64,
    pub(crate) current: u64,
    pub(crate) silent: u64,
    pub(crate) edges: Vec<AskedEdge>,
    /// The latest changes that an edge has applied, and how long they took, oldest first.
    #[serde(default, deserialize_with = "timed")]
    pub(crate) changes: Vec<TimedChange>,
}

/// An edge.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct AskedEdge {
    pub(crate) name: String,
    pub(crate) instance: String,
    /// The key with which it asks, if it is one.
    pub(crate) api_key: Option<String>,
    /// The position in the feed up to which it has applied all changes.
    pub(crate) cursor: u64,
    pub(crate) lag: u64,
    pub(crate) last_seen: UnixMillis,
    pub(crate) state: EdgeState,
    /// Until when a silent edge may admit by what it was told.
    pub(crate) until: Option<UnixMillis>,
    /// Whether it has applied the change that was asked for.
    pub(crate) applied: Option<bool>,
    pub(crate) applied_after_ms: Option<f64>,
    pub(crate) version: Option<String>,
    pub(crate) keys: Option<u64>,
    pub(crate) uses_per_second: Option<f64>,
    pub(crate) wrong_secrets: Option<u64>,
    #[serde(default)]
    pub(crate) denied: BTreeMap<String, u64>,
}

/// Whether an edge follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EdgeState {
    /// It has not asked for a while, and may admit.
    Silent,
    Live,
    /// It can admit no more.
    #[default]
    Gone,
}

/// A change as it is told. One that no edge has applied yet has no times.
#[derive(Deserialize)]
struct AskedChange {
    edges: u64,
    median_ms: Option<f64>,
    max_ms: Option<f64>,
}

/// How long a change took to reach edges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TimedChange {
    pub(crate) edges: u64,
    pub(crate) median_ms: f64,
    pub(crate) max_ms: f64,
}

fn timed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<TimedChange>, D::Error> {
    let asked = Vec::<AskedChange>::deserialize(deserializer)?;
    let timed = |AskedChange { edges, median_ms, max_ms }| {
        Some(TimedChange { edges, median_ms: median_ms?, max_ms: max_ms? })
    };
    Ok(asked.into_iter().filter_map(timed).collect())
}

impl AskedFleet {
    /// The edges now.
    ///
    /// # Errors
    ///
    /// [`RestFailure`] when the key service does not say.
    pub(crate) async fn now(person: &Person) -> Result<Self, RestFailure> {
        person.get("/_latchkey/edges?changes=true").await
    }

    /// The edges now, each with whether it has applied a change.
    ///
    /// # Errors
    ///
    /// As of [`Self::now`].
    pub(crate) async fn after_change(person: &Person, change: u64) -> Result<Self, RestFailure> {
        let change = change.to_string();
        person.get(&path_with_query("/_latchkey/edges", [("change", change.as_str())])).await
    }
}

impl AskedEdge {
    /// What tells it from all others, in the form of an id of HTML.
    pub(crate) fn element_id(&self) -> String {
        let mut id = "edge-".to_owned();
        for byte in self.name.bytes().chain(*b"/").chain(self.instance.bytes()) {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => id.push(char::from(byte)),
                _ => id.push_str(&format!("_{byte:02x}")),
            }
        }
        id
    }
}

impl EdgeState {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Live => "live",
            Self::Gone => "gone",
        }
    }

    /// Its class in the stylesheet.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Silent => "warn",
            Self::Live => "good",
            Self::Gone => "quiet",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_no_edge_has_applied_yet_takes_no_page_away() {
        let told = r#"{"epoch": "e", "complete": true, "total": 1, "live": 1, "current": 0, "silent": 0, "edges": [], "changes": [
            {"cursor": 2, "at": 1, "edges": 1, "median_ms": 3, "max_ms": 4}, {"cursor": 3, "at": 2, "edges": 0}]}"#;
        let fleet: AskedFleet = serde_json::from_str(told).unwrap();
        assert_eq!(fleet.changes, [TimedChange { edges: 1, median_ms: 3.0, max_ms: 4.0 }]);
    }
}
