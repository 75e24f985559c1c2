//! How long changes take to reach edges.
//!
//! The times of the latest changes are kept, and those of changes that somebody has asked for: a page that
//! watches a revocation stays true while others make many changes. Both are bounded in changes, and in bytes
//! by what is kept for each edge. Time comes in as an argument.

mod edge_numbers;
mod timed_change;

use std::collections::VecDeque;
use std::time::Duration;

use latchkey_edge_ledger::EdgeId;
use latchkey_edge_ledger::limits::EDGES_MAX;
use latchkey_key_feed::{Cursor, UnixMillis};
use tokio::time::Instant;

use crate::feed::propagation::edge_numbers::{EdgeNumber, EdgeNumbers};
use crate::feed::propagation::timed_change::{Heard, TimedChange};
use crate::limits::edge_limits::{CHANGES_ASKED_FOR_MAX, CHANGES_TIMED_MAX, EDGE_TIMES_MAX};

pub(crate) use timed_change::ChangeSummary;

/// When this replica learned of each of the latest changes, and when each edge that asks it had them.
#[derive(Debug)]
pub(super) struct RecentChanges {
    /// At most [`CHANGES_TIMED_MAX`], ascending.
    heard: VecDeque<TimedChange>,
    /// How many of the first of them have no times any more, to make room for others.
    without_times: usize,
    /// How many times of edges the others have.
    times: usize,
    /// Changes that were asked for, the one that was asked for last at the end; at most
    /// [`CHANGES_ASKED_FOR_MAX`]. These are copies, which stay when the change is not among the latest any more.
    asked_for: VecDeque<TimedChange>,
    edges: EdgeNumbers,
    times_max: usize,
}

/// How far one change has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChangeTimes {
    /// When this replica heard of it.
    pub at: UnixMillis,
    /// For each edge that was asked about, how long after that it acknowledged the change, if that is known.
    pub taken_ms: Vec<Option<u32>>,
}

impl Default for RecentChanges {
    fn default() -> Self {
        Self::within(EDGES_MAX, EDGE_TIMES_MAX)
    }
}

impl RecentChanges {
    fn within(edges_max: usize, times_max: usize) -> Self {
        Self {
            heard: VecDeque::new(),
            without_times: 0,
            times: 0,
            asked_for: VecDeque::new(),
            edges: EdgeNumbers::within(edges_max),
            times_max,
        }
    }

    /// Notes that the feed has reached `cursor`. A cursor that it had reached before is no change.
    pub(super) fn hear(&mut self, cursor: Cursor, at: Instant, wall: UnixMillis) {
        let last = self.heard.back().map(|last| last.cursor);
        if last.is_some_and(|last| last >= cursor) {
            return;
        }
        if self.heard.len() >= CHANGES_TIMED_MAX
            && let Some(oldest) = self.heard.pop_front()
        {
            self.times -= oldest.reached.len();
            self.without_times = self.without_times.saturating_sub(1);
        }
        self.heard.push_back(TimedChange::new(last, cursor, Heard { at, wall }));
    }

    /// How long each change took to reach an edge that had everything up to `before` and now has everything
    /// up to `reached`.
    pub(super) fn taken(
        &self,
        before: Cursor,
        reached: Cursor,
        at: Instant,
    ) -> impl Iterator<Item = Duration> {
        self.between(before, reached).map(move |change| change.taken(at))
    }

    /// Notes that this edge had everything up to `before` and now has everything up to `reached`.
    pub(super) fn note_reached(&mut self, edge: &EdgeId, before: Cursor, reached: Cursor, at: Instant) {
        let Some(number) = self.number_of(edge) else { return };
        let asked_for = self.asked_for.iter_mut();
        asked_for.filter(|change| change.is_between(before, reached)).for_each(|change| {
            change.note(number, at);
        });
        let first = self.heard.partition_point(|change| change.cursor <= before).max(self.without_times);
        let mut noted = 0;
        let heard = self.heard.iter_mut().skip(first);
        heard.take_while(|change| change.cursor <= reached).for_each(|change| {
            change.note(number, at);
            noted += 1;
        });
        self.times += noted;
        self.make_room();
    }

    /// How far a change has come to these edges; `None` when this replica does not remember it. It is kept for
    /// whoever asks for it again.
    pub(super) fn ask_for<'a>(
        &mut self,
        change: Cursor,
        edges: impl Iterator<Item = &'a EdgeId>,
    ) -> Option<ChangeTimes> {
        let found = self.take_asked_for(change).or_else(|| self.copy_of_heard(change))?;
        let taken = found.by_edge();
        let taken_ms = edges.map(|id| taken.get(&self.edges.get(id)?).copied()).collect();
        let times = ChangeTimes { at: found.heard.wall, taken_ms };
        if self.asked_for.len() >= CHANGES_ASKED_FOR_MAX {
            self.asked_for.pop_front();
        }
        self.asked_for.push_back(found);
        Some(times)
    }

    /// The latest changes with times, at most `count_max` of them, the oldest first.
    pub(super) fn latest(&self, count_max: usize) -> Vec<ChangeSummary> {
        let kept = self.heard.len() - self.without_times;
        let first = self.without_times + kept.saturating_sub(count_max);
        self.heard.iter().skip(first).map(TimedChange::summary).collect()
    }

    fn between(&self, before: Cursor, reached: Cursor) -> impl Iterator<Item = &TimedChange> {
        let first = self.heard.partition_point(|change| change.cursor <= before);
        self.heard.iter().skip(first).take_while(move |change| change.cursor <= reached)
    }

    /// Without a number for one more edge, all begin anew: the times of edges that are long gone go too.
    fn number_of(&mut self, edge: &EdgeId) -> Option<EdgeNumber> {
        if let Some(number) = self.edges.get_or_add(edge) {
            return Some(number);
        }
        self.edges.clear();
        self.heard.iter_mut().chain(&mut self.asked_for).for_each(|change| change.reached.clear());
        self.times = 0;
        self.edges.get_or_add(edge)
    }

    /// Gives up the times of the oldest changes until there are no more than there may be.
    fn make_room(&mut self) {
        while self.times > self.times_max
            && let Some(oldest) = self.heard.get_mut(self.without_times)
        {
            self.times -= oldest.reached.len();
            oldest.reached = Vec::new();
            self.without_times += 1;
        }
    }

    fn take_asked_for(&mut self, change: Cursor) -> Option<TimedChange> {
        let place = self.asked_for.iter().position(|asked| asked.covers(change))?;
        self.asked_for.remove(place)
    }

    fn copy_of_heard(&self, change: Cursor) -> Option<TimedChange> {
        let place = self.heard.partition_point(|heard| heard.cursor < change);
        self.heard.get(place).filter(|heard| place >= self.without_times && heard.covers(change)).cloned()
    }
}

#[cfg(test)]
mod tests;
