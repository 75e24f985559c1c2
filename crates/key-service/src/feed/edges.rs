//! Which edges follow the feed, and how far each has read.
//!
//! Kept in memory only: an edge that lives is heard of again within one wait.

use std::collections::HashMap;
use std::fmt;

use latchkey_key_feed::{Cursor, UnixMillis};

use crate::limits::{EDGE_NAME_LEN_MAX, EDGES_MAX};

/// The name by which an edge calls itself: 1 to [`EDGE_NAME_LEN_MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EdgeName(String);

/// A text that is no name of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidEdgeName;

/// What is known of each edge; at most [`EDGES_MAX`] of them.
#[derive(Debug, Default)]
pub struct EdgeLedger {
    edges: HashMap<EdgeName, EdgeProgress>,
}

/// How far an edge has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdgeProgress {
    /// It has applied every change up to here.
    pub acknowledged: Cursor,
    /// When it last asked.
    pub seen: UnixMillis,
}

/// The ledger in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdgeCounts {
    /// Edges that are remembered.
    pub known: usize,
    /// Those of them that have acknowledged every change.
    pub current: usize,
}

impl EdgeLedger {
    /// Notes that an edge has everything up to `acknowledged`. Forgets the edge not seen for longest when there are too many.
    pub fn record(&mut self, edge: EdgeName, acknowledged: Cursor, now: UnixMillis) {
        if self.edges.len() >= EDGES_MAX && !self.edges.contains_key(&edge) {
            self.forget_longest_unseen();
        }
        self.edges.insert(edge, EdgeProgress { acknowledged, seen: now });
    }

    /// What is known of one edge.
    #[must_use]
    pub fn progress(&self, edge: &EdgeName) -> Option<EdgeProgress> {
        self.edges.get(edge).copied()
    }

    /// The ledger in numbers, where `latest` is the position of the latest change.
    #[must_use]
    pub fn counts(&self, latest: Cursor) -> EdgeCounts {
        let current = self.edges.values().filter(|progress| progress.acknowledged >= latest).count();
        EdgeCounts { known: self.edges.len(), current }
    }

    fn forget_longest_unseen(&mut self) {
        let unseen =
            self.edges.iter().min_by_key(|(_, progress)| progress.seen).map(|(edge, _)| edge.clone());
        if let Some(edge) = unseen {
            self.edges.remove(&edge);
        }
    }
}

impl EdgeName {
    /// The name as the edge sent it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EdgeName {
    type Error = InvalidEdgeName;

    fn try_from(text: String) -> Result<Self, InvalidEdgeName> {
        if text.is_empty() || text.len() > EDGE_NAME_LEN_MAX { Err(InvalidEdgeName) } else { Ok(Self(text)) }
    }
}

impl fmt::Display for InvalidEdgeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the name of an edge has 1 to {EDGE_NAME_LEN_MAX} bytes")
    }
}

impl std::error::Error for InvalidEdgeName {}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(name: impl Into<String>) -> EdgeName {
        EdgeName::try_from(name.into()).unwrap()
    }

    #[test]
    fn remembers_the_last_acknowledgement_of_an_edge() {
        let mut ledger = EdgeLedger::default();
        ledger.record(edge("a"), Cursor(3), UnixMillis(1));
        ledger.record(edge("a"), Cursor(7), UnixMillis(2));
        ledger.record(edge("b"), Cursor(5), UnixMillis(2));
        let progress = EdgeProgress { acknowledged: Cursor(7), seen: UnixMillis(2) };
        assert_eq!(ledger.progress(&edge("a")), Some(progress));
        assert_eq!(ledger.counts(Cursor(7)), EdgeCounts { known: 2, current: 1 });
    }

    #[test]
    fn forgets_the_edge_not_seen_for_longest_when_there_is_one_too_many() {
        let mut ledger = EdgeLedger::default();
        for number in 0..EDGES_MAX {
            ledger.record(edge(number.to_string()), Cursor(1), UnixMillis(number as u64));
        }
        ledger.record(edge("0"), Cursor(1), UnixMillis(u64::MAX));
        ledger.record(edge("one more"), Cursor(1), UnixMillis(u64::MAX));
        assert_eq!(ledger.counts(Cursor(1)).known, EDGES_MAX);
        assert_eq!(ledger.progress(&edge("1")), None);
        assert!(ledger.progress(&edge("0")).is_some());
    }

    #[test]
    fn a_name_ends_at_its_limit() {
        assert!(EdgeName::try_from("e".repeat(EDGE_NAME_LEN_MAX)).is_ok());
        assert!(EdgeName::try_from("e".repeat(EDGE_NAME_LEN_MAX + 1)).is_err());
        assert!(EdgeName::try_from(String::new()).is_err());
    }
}
