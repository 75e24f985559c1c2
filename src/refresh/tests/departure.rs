//! Plugins that leave, and tables that are left.

use super::a_current_edge;
use super::model::{Edge, REFUSE_AFTER_MS, names, request};
use crate::limits::{GOODBYE_MS, LINGER_MS, TABLE_LOOK_MS, TABLE_SILENT_LOOKS};
use crate::refresh::{CallId, Departure, Housekeeping, PagedSink, Poll, Register, TableNumber};
use crate::table::{Directory, SharedNames, TableIdentity};
use crate::testing::FakeSharedData;

fn enter(edge: &Edge, drawn: u64) -> TableNumber {
    Register::new(edge.shared.clone(), &names()).enter(drawn, REFUSE_AFTER_MS).unwrap()
}

fn departure(edge: &Edge, number: TableNumber) -> Departure<FakeSharedData, PagedSink<FakeSharedData>> {
    Departure::begin(
        &edge.shared,
        &names(),
        PagedSink::new(edge.shared.clone(), &names()),
        number,
        request(number),
        edge.now,
    )
}

/// Lets a plugin leave until it is over or has something to say.
fn leave(
    edge: &mut Edge,
    departure: &mut Departure<FakeSharedData, PagedSink<FakeSharedData>>,
) -> Option<Poll> {
    for _ in 0..100 {
        if let Some(goodbye) = departure.tick(edge.now) {
            return Some(goodbye);
        }
        if departure.is_over() {
            return None;
        }
        edge.pass(LINGER_MS / 10);
    }
    panic!("does not come to an end");
}

#[test]
fn only_the_last_of_a_table_says_goodbye_and_then_nobody_can_admit() {
    let (mut edge, _) = a_current_edge();
    // The model's followers share one plugin's place.
    let number = enter(&edge, 8);
    let mut first = departure(&edge, number);
    assert_eq!(leave(&mut edge, &mut first), None);
    assert!(edge.holds("k"));
    let mut last = departure(&edge, number);
    let goodbye = leave(&mut edge, &mut last).unwrap();
    assert!(goodbye.path.ends_with("&leaving=true") && goodbye.path.contains("after=0&"), "{}", goodbye.path);
    assert!(edge.live().is_none() && !edge.holds("k"), "the goodbye is said while keys are admitted");
    last.sent(CallId(9), edge.now);
    assert!(!last.is_over() && last.answered(CallId(9)) && last.is_over());
}

#[test]
fn a_plugin_whose_successor_comes_while_it_lingers_is_not_the_last() {
    let (mut edge, _) = a_current_edge();
    let mut leaver = departure(&edge, TableNumber(7));
    assert_eq!(leaver.tick(edge.now), None);
    assert_eq!(enter(&edge, 8), TableNumber(7));
    assert_eq!(leave(&mut edge, &mut leaver), None);
    assert!(edge.holds("k"));
}

#[test]
fn who_comes_after_the_goodbye_is_another_instance_with_a_table_of_its_own() {
    let (mut edge, service) = a_current_edge();
    let mut last = departure(&edge, TableNumber(7));
    leave(&mut edge, &mut last).unwrap();
    assert_eq!(enter(&edge, 8), TableNumber(8));
    // A follower that had not heard of it is stopped, and loads anew.
    edge.answer(0, &service);
    edge.catch_up(0, &service);
    assert!(edge.holds("k") && edge.live().unwrap().generation.0 > 1);
}

#[test]
fn a_goodbye_without_an_answer_ends_too() {
    let (mut edge, _) = a_current_edge();
    let mut last = departure(&edge, TableNumber(7));
    leave(&mut edge, &mut last).unwrap();
    last.sent(CallId(9), edge.now);
    edge.pass(GOODBYE_MS);
    assert_eq!(last.tick(edge.now), None);
    assert!(last.is_over());
}

#[test]
fn a_table_whose_vms_have_died_is_cleared_by_those_of_another() {
    let (mut edge, _) = a_current_edge();
    let directory = Directory::new(edge.shared.clone());
    directory.heartbeat(names().table(), edge.now, TABLE_LOOK_MS);
    let other = TableIdentity::from_bytes([1; 8]);
    let shared = edge.shared.clone();
    let open = |names: &SharedNames| PagedSink::new(shared.clone(), names);
    let mut housekeeping = Housekeeping::new(shared.clone(), other);
    for _ in 1..TABLE_SILENT_LOOKS {
        housekeeping.tick(true, edge.now, open);
        edge.pass(TABLE_LOOK_MS);
    }
    assert!(edge.holds("k"));
    // One sign of life, and its silence begins again.
    directory.heartbeat(names().table(), edge.now, TABLE_LOOK_MS);
    for _ in 0..TABLE_SILENT_LOOKS {
        assert!(edge.holds("k"));
        housekeeping.tick(true, edge.now, open);
        edge.pass(TABLE_LOOK_MS);
    }
    while housekeeping.is_busy() {
        housekeeping.tick(true, edge.now, open);
    }
    assert!(edge.live().is_none() && !edge.holds("k"));
    let listed: Vec<_> = directory.tables().into_iter().map(|listed| listed.table).collect();
    assert_eq!(listed, [other]);
}

#[test]
fn time_in_which_nobody_looked_is_no_silence() {
    let (mut edge, _) = a_current_edge();
    Directory::new(edge.shared.clone()).heartbeat(names().table(), edge.now, TABLE_LOOK_MS);
    let shared = edge.shared.clone();
    let open = |names: &SharedNames| PagedSink::new(shared.clone(), names);
    let mut housekeeping = Housekeeping::new(shared.clone(), TableIdentity::from_bytes([1; 8]));
    // The whole process was stopped for a day.
    for _ in 0..2 {
        housekeeping.tick(true, edge.now, open);
        edge.pass(24 * 60 * 60 * 1_000);
    }
    assert!(!housekeeping.is_busy() && edge.holds("k"));
}

#[test]
fn what_is_cleared_needs_only_the_identity_of_the_table() {
    assert_eq!(SharedNames::of_table(names().table()).header(), names().header());
}
