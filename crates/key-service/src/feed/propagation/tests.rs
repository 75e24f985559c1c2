use latchkey_edge_ledger::InstanceId;
use latchkey_key_feed::EdgeName;

use super::*;

fn edge(number: usize) -> EdgeId {
    EdgeId {
        name: EdgeName::try_from("edge".to_owned()).unwrap(),
        instance: InstanceId::try_from(format!("{number:032x}")).unwrap(),
    }
}

/// Changes, and the moment from which they are timed.
struct Timeline {
    changes: RecentChanges,
    start: Instant,
}

impl Timeline {
    fn within(edges_max: usize, times_max: usize) -> Self {
        Self { changes: RecentChanges::within(edges_max, times_max), start: Instant::now() }
    }

    fn at(&self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis)
    }

    fn hear(&mut self, cursor: u64, millis: u64) {
        let at = self.at(millis);
        self.changes.hear(Cursor(cursor), at, UnixMillis(1_000 + millis));
    }

    fn reach(&mut self, number: usize, before: u64, reached: u64, millis: u64) {
        let at = self.at(millis);
        self.changes.note_reached(&edge(number), Cursor(before), Cursor(reached), at);
    }

    /// When a change was heard of, and how long the first edges took.
    fn ask_for(&mut self, change: u64, edges: usize) -> Option<(u64, Vec<Option<u32>>)> {
        let ids: Vec<EdgeId> = (0..edges).map(edge).collect();
        let times = self.changes.ask_for(Cursor(change), ids.iter())?;
        Some((times.at.0, times.taken_ms))
    }
}

#[test]
fn a_change_is_timed_from_when_it_was_heard_of_to_when_it_was_reached() {
    let mut line = Timeline::within(9, 99);
    for (cursor, millis) in [(2, 0), (3, 10), (3, 15), (5, 20)] {
        line.hear(cursor, millis);
    }
    let taken = |before, reached| -> Vec<u128> {
        let taken = line.changes.taken(Cursor(before), Cursor(reached), line.at(100));
        taken.map(|taken| taken.as_millis()).collect()
    };
    assert_eq!(taken(1, 5), [100, 90, 80]);
    assert_eq!(taken(2, 4), [90]);
    assert_eq!(taken(5, 5), [] as [u128; 0]);
    assert_eq!(taken(3, 9), [80]);
}

#[test]
fn remembers_the_latest_and_no_more_than_it_may() {
    let mut line = Timeline::within(9, 99);
    for cursor in 1..=CHANGES_TIMED_MAX as u64 + 7 {
        line.hear(cursor, 0);
    }
    let count = |before, reached| line.changes.taken(Cursor(before), Cursor(reached), line.start).count();
    assert_eq!(count(0, u64::MAX), CHANGES_TIMED_MAX);
    assert_eq!((count(0, 7), count(0, 8)), (0, 1));
}

#[test]
fn whoever_asks_for_a_change_learns_how_long_each_edge_took() {
    let mut line = Timeline::within(9, 99);
    line.hear(2, 0);
    line.hear(5, 10);
    line.reach(0, 1, 5, 30);
    line.reach(1, 2, 2, 40);
    assert_eq!(line.ask_for(2, 3), Some((1_000, vec![Some(30), None, None])));
    assert_eq!(line.ask_for(5, 3), Some((1_010, vec![Some(20), None, None])));
    line.reach(1, 2, 6, 50);
    assert_eq!(line.ask_for(5, 3), Some((1_010, vec![Some(20), Some(40), None])));
    assert_eq!(line.ask_for(4, 2), line.ask_for(5, 2), "it was heard of with that one");
    assert_eq!((line.ask_for(1, 1), line.ask_for(6, 1)), (None, None), "nobody has heard of these");
}

#[test]
fn what_was_asked_for_stays_however_many_changes_follow() {
    let mut line = Timeline::within(9, 99);
    line.hear(1, 0);
    line.hear(2, 5);
    line.reach(0, 1, 2, 10);
    assert_eq!(line.ask_for(2, 2), Some((1_005, vec![Some(5), None])));
    for cursor in 3..=CHANGES_TIMED_MAX as u64 + 9 {
        line.hear(cursor, 20);
    }
    line.reach(1, 1, 900, 605);
    assert_eq!(line.ask_for(2, 2), Some((1_005, vec![Some(5), Some(600)])));
    assert_eq!(line.ask_for(1, 2), None, "nobody asked for it in time");
}

#[test]
fn of_those_that_were_asked_for_the_one_goes_that_nobody_asks_for_any_more() {
    let mut line = Timeline::within(9, 99);
    let last = CHANGES_ASKED_FOR_MAX as u64 + 1;
    for cursor in 1..=last {
        line.hear(cursor, 0);
    }
    for change in 1..last {
        assert!(line.ask_for(change, 0).is_some());
    }
    assert!(line.ask_for(1, 0).is_some(), "it is asked for again");
    assert!(line.ask_for(last, 0).is_some());
    for cursor in last + 1..=last + CHANGES_TIMED_MAX as u64 {
        line.hear(cursor, 0);
    }
    assert_eq!(line.changes.asked_for.len(), CHANGES_ASKED_FOR_MAX);
    let found: Vec<bool> = [1, 2, 3, last].map(|change| line.ask_for(change, 0).is_some()).into();
    assert_eq!(found, [true, false, true, true]);
}

#[test]
fn the_times_of_the_oldest_changes_make_room_and_are_not_told_in_part() {
    let mut line = Timeline::within(9, 4);
    line.hear(1, 0);
    line.hear(2, 0);
    for number in 0..2 {
        line.reach(number, 0, 2, 10);
    }
    assert_eq!(line.changes.times, 4);
    line.reach(2, 0, 1, 20);
    assert_eq!((line.changes.times, line.changes.without_times), (2, 1));
    line.reach(3, 0, 1, 30);
    assert_eq!((line.ask_for(1, 1), line.changes.latest(9).len()), (None, 1));
    assert_eq!(line.ask_for(2, 1), Some((1_000, vec![Some(10)])));
    for cursor in 3..=CHANGES_TIMED_MAX as u64 + 2 {
        line.hear(cursor, 40);
    }
    assert_eq!((line.changes.times, line.changes.without_times), (0, 0));
}

#[test]
fn times_of_more_edges_than_may_be_begin_anew() {
    let mut line = Timeline::within(2, 99);
    line.hear(1, 0);
    for number in 0..2 {
        line.reach(number, 0, 1, 10);
    }
    assert_eq!(line.ask_for(1, 3), Some((1_000, vec![Some(10), Some(10), None])));
    line.reach(2, 0, 1, 20);
    assert_eq!(line.ask_for(1, 3), Some((1_000, vec![None, None, Some(20)])));
    assert_eq!(line.changes.times, 1);
}

#[test]
fn the_latest_changes_are_summed_up_the_oldest_first() {
    let mut line = Timeline::within(9, 99);
    for cursor in 1..=4 {
        line.hear(cursor, cursor);
    }
    for (number, millis) in [(0, 13), (1, 23), (2, 33), (3, 103)] {
        line.reach(number, 2, 3, millis);
    }
    let summary = |cursor, edges, median_ms, max_ms| {
        let at = UnixMillis(1_000 + cursor);
        ChangeSummary { cursor: Cursor(cursor), at, edges, median_ms, max_ms }
    };
    assert_eq!(line.changes.latest(2), [summary(3, 4, Some(20), Some(100)), summary(4, 0, None, None)]);
    assert_eq!(line.changes.latest(99).len(), 4);
    assert_eq!(line.changes.latest(0), []);
}
