//! One change, and how long it took to reach each edge.

use std::collections::HashMap;
use std::time::Duration;

use latchkey_key_feed::{Cursor, UnixMillis, whole_millis};
use tokio::time::Instant;

use crate::feed::propagation::edge_numbers::EdgeNumber;

/// What this replica heard of at once: the changes after one position of the feed, up to another.
#[derive(Clone, Debug)]
pub(super) struct TimedChange {
    /// The position before it; `None` when it was the first that this replica heard of.
    before: Option<Cursor>,
    /// Its position.
    pub(super) cursor: Cursor,
    pub(super) heard: Heard,
    /// Those that have acknowledged it.
    pub(super) reached: Vec<Reached>,
}

/// When this replica heard of a change, by two clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    pub(super) at: Instant,
    pub(super) wall: UnixMillis,
}

/// An edge that has acknowledged a change, so long after this replica heard of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reached {
    edge: EdgeNumber,
    after_ms: u32,
}

/// How long a change took to reach the edges that ask this replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChangeSummary {
    /// Its position in the feed.
    pub cursor: Cursor,
    /// When this replica heard of it.
    pub at: UnixMillis,
    /// How many have acknowledged it.
    pub edges: usize,
    /// How long half of them took at most; `None` without any.
    pub median_ms: Option<u32>,
    /// How long the last of them took.
    pub max_ms: Option<u32>,
}

impl TimedChange {
    pub(super) fn new(before: Option<Cursor>, cursor: Cursor, heard: Heard) -> Self {
        Self { before, cursor, heard, reached: Vec::new() }
    }

    /// Whether a change of this position is, or is part of, this one.
    pub(super) fn covers(&self, change: Cursor) -> bool {
        change == self.cursor || change < self.cursor && self.before.is_some_and(|before| change > before)
    }

    pub(super) fn is_between(&self, before: Cursor, reached: Cursor) -> bool {
        before < self.cursor && self.cursor <= reached
    }

    pub(super) fn taken(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.heard.at)
    }

    /// Notes an edge that has it.
    pub(super) fn note(&mut self, edge: EdgeNumber, at: Instant) {
        let after_ms = u32::try_from(whole_millis(self.taken(at))).unwrap_or(u32::MAX);
        self.reached.push(Reached { edge, after_ms });
    }

    /// How long each edge took.
    pub(super) fn by_edge(&self) -> HashMap<EdgeNumber, u32> {
        self.reached.iter().map(|reached| (reached.edge, reached.after_ms)).collect()
    }

    pub(super) fn summary(&self) -> ChangeSummary {
        let mut taken: Vec<u32> = self.reached.iter().map(|reached| reached.after_ms).collect();
        let max_ms = taken.iter().max().copied();
        let middle = taken.len().saturating_sub(1) / 2;
        let median_ms = (!taken.is_empty()).then(|| *taken.select_nth_unstable(middle).1);
        let (cursor, at, edges) = (self.cursor, self.heard.wall, self.reached.len());
        ChangeSummary { cursor, at, edges, median_ms, max_ms }
    }
}
