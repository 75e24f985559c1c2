//! How long changes take to reach edges.

use std::collections::VecDeque;
use std::time::Duration;

use latchkey_key_feed::Cursor;
use tokio::time::Instant;

use crate::limits::edge_limits::CHANGES_TIMED_MAX;

/// When this replica learned of each of the latest changes; at most [`CHANGES_TIMED_MAX`] of them.
#[derive(Debug, Default)]
pub(super) struct RecentChanges {
    /// Ascending in both.
    heard: VecDeque<(Cursor, Instant)>,
}

impl RecentChanges {
    /// Notes that the feed has reached `cursor`. A cursor that it had reached before is no change.
    pub(super) fn hear(&mut self, cursor: Cursor, at: Instant) {
        if self.heard.back().is_some_and(|(last, _)| *last >= cursor) {
            return;
        }
        if self.heard.len() >= CHANGES_TIMED_MAX {
            self.heard.pop_front();
        }
        self.heard.push_back((cursor, at));
    }

    /// How long each change took to reach an edge that had everything up to `before` and now has everything
    /// up to `reached`.
    pub(super) fn taken(
        &self,
        before: Cursor,
        reached: Cursor,
        at: Instant,
    ) -> impl Iterator<Item = Duration> {
        let first = self.heard.partition_point(|(cursor, _)| *cursor <= before);
        let reached = self.heard.iter().skip(first).take_while(move |(cursor, _)| *cursor <= reached);
        reached.map(move |(_, heard)| at.saturating_duration_since(*heard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_timed_from_when_it_was_heard_of_to_when_it_was_reached() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut changes = RecentChanges::default();
        for (cursor, millis) in [(2, 0), (3, 10), (3, 15), (5, 20)] {
            changes.hear(Cursor(cursor), at(millis));
        }
        let taken = |before, reached| -> Vec<u128> {
            let taken = changes.taken(Cursor(before), Cursor(reached), at(100));
            taken.map(|taken| taken.as_millis()).collect()
        };
        assert_eq!(taken(1, 5), [100, 90, 80]);
        assert_eq!(taken(2, 4), [90]);
        assert_eq!(taken(5, 5), [] as [u128; 0]);
        assert_eq!(taken(3, 9), [80]);
    }

    #[test]
    fn remembers_the_latest_and_no_more_than_it_may() {
        let now = Instant::now();
        let mut changes = RecentChanges::default();
        for cursor in 1..=CHANGES_TIMED_MAX as u64 + 7 {
            changes.hear(Cursor(cursor), now);
        }
        assert_eq!(changes.taken(Cursor(0), Cursor(u64::MAX), now).count(), CHANGES_TIMED_MAX);
        assert_eq!(changes.taken(Cursor(0), Cursor(7), now).count(), 0);
        assert_eq!(changes.taken(Cursor(0), Cursor(8), now).count(), 1);
    }
}
