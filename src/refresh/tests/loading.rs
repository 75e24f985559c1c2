//! Loads: who does them, in which steps, and what may come between.

use super::a_current_edge;
use super::model::{Edge, Service};
use crate::limits::{BACKOFF_MS_MAX, FIRST_FOLLOWERS, IDLE_FIRST_MS, LEASE_MS};
use crate::refresh::Answer;
use crate::table::sample_keys::{key, live};

#[test]
fn a_load_asks_for_what_follows_before_it_reads_an_answer() {
    let mut service = Service::new();
    for id in ["a", "b", "c", "d"] {
        service.create(id);
    }
    service.rows_per_page = 1;
    let mut edge = Edge::new(1);
    edge.tick(0);
    edge.answer(0, &service);
    // The head of this answer is good, and its rows are not: it is asked for again.
    let (call, poll) = edge.vms[0].pending.take().unwrap();
    let answer = String::from_utf8(service.answer(&poll)).unwrap().replace("\"id\":\"b\"", "\"id\":7");
    edge.deliver(0, call, Answer::Page(answer.as_bytes()));
    assert!(edge.pending_path(0).contains("after=2&") && edge.vms[0].follower.is_busy());
    edge.tick(0);
    assert!(edge.noted(0, "Failed(Invalid"));
    edge.vms[0].pending = None;
    edge.pass(BACKOFF_MS_MAX);
    edge.tick(0);
    assert!(edge.pending_path(0).contains("after=1&"), "{}", edge.pending_path(0));
    edge.catch_up(0, &service);
    assert!(["a", "b", "c", "d"].iter().all(|id| edge.holds(id)));
}

#[test]
fn what_was_purged_before_a_load_does_not_interrupt_it() {
    let mut service = Service::new();
    service.rows_per_page = 1;
    for id in ["a", "b", "c"] {
        service.create(id);
    }
    service.invalidate("b");
    service.purge();
    let mut edge = Edge::new(1);
    edge.catch_up(0, &service);
    assert!(edge.holds("a") && edge.holds("c") && !edge.noted(0, "LoadInterrupted"));
}

#[test]
fn a_feed_that_changes_during_a_load_begins_it_again() {
    let mut service = Service::new();
    service.rows_per_page = 1;
    service.create("a");
    service.create("b");
    let mut edge = Edge::new(1);
    edge.tick(0);
    edge.answer(0, &service);
    service.epoch = "second";
    service.invalidate("a");
    edge.answer(0, &service);
    assert!(edge.noted(0, "LoadInterrupted"));
    edge.pass(BACKOFF_MS_MAX);
    edge.catch_up(0, &service);
    assert!(!edge.holds("a") && edge.holds("b"));
    assert_eq!(edge.live().unwrap().epoch.as_str(), "second.2");
}

#[test]
fn a_vm_that_serves_leaves_a_load_to_one_that_does_not() {
    let (mut edge, mut service) = a_current_edge();
    edge.vms[0].serves = true;
    edge.tick(0);
    service.epoch = "second";
    edge.answer(0, &service);
    edge.pass(1);
    edge.tick(0);
    assert_eq!(edge.pending_path(0), "", "the lease is left to others");
    edge.catch_up(1, &service);
    assert!(edge.noted(1, "LoadBegan(Reset)") && !edge.noted(0, "LoadBegan(Reset)"));
}

#[test]
fn a_vm_that_serves_loads_itself_when_no_other_takes_the_load() {
    let (mut edge, mut service) = a_current_edge();
    for vm in &mut edge.vms {
        vm.serves = true;
    }
    edge.tick(0);
    service.epoch = "second";
    edge.answer(0, &service);
    edge.pass(IDLE_FIRST_MS);
    edge.catch_up(0, &service);
    assert_eq!(edge.live().unwrap().epoch.as_str(), "second.2");
}

#[test]
fn a_large_table_is_laid_out_in_slices_and_serves_when_it_is_whole() {
    let mut service = Service::new();
    for number in 0..5_000 {
        service.create(&format!("key-{number}"));
    }
    service.rows_per_page = 5_000;
    let mut edge = Edge::new(1);
    edge.tick(0);
    edge.answer(0, &service);
    assert!(edge.vms[0].follower.is_busy() && edge.live().is_none() && edge.pending_path(0).is_empty());
    edge.catch_up(0, &service);
    assert!(edge.holds("key-0") && edge.holds("key-4999"));
}

#[test]
fn the_vms_of_workers_let_the_first_ones_begin() {
    let mut edge = Edge::new(FIRST_FOLLOWERS as usize + 1);
    let last = edge.vms.len() - 1;
    edge.tick(last);
    assert_eq!(edge.pending_path(last), "");
    edge.pass(IDLE_FIRST_MS);
    edge.tick(last);
    assert!(edge.pending_path(last).contains("after=0&"), "none of them came");
}

#[test]
fn a_page_with_more_rows_than_were_asked_for_is_applied_whole_and_counted_once() {
    let mut service = Service::new();
    service.rows_per_page = 4_000;
    for number in 0..3_000 {
        service.create(&format!("key-{number}"));
    }
    let mut edge = Edge::new(1);
    edge.catch_up(0, &service);
    assert_eq!(edge.live().unwrap().keys, 3_000);
    assert!(edge.holds("key-0") && edge.holds("key-2999"));
    for number in 0..2_000 {
        service.invalidate(&format!("key-{number}"));
    }
    edge.catch_up(0, &service);
    let live = edge.live().unwrap();
    assert_eq!((live.keys, live.cursor.0), (1_000, 5_000));
    assert!(!edge.holds("key-0") && !edge.holds("key-1999") && edge.holds("key-2000"));
}

impl Service {
    /// Makes a key that no record can hold.
    fn create_too_large(&mut self, id: &str) {
        self.seq += 1;
        let mut key = key(id);
        key.name = "n".repeat(70_000);
        self.put(live(self.seq, key));
    }
}

impl Edge {
    /// Of how many rows it was said that they were set aside.
    fn set_aside(&self) -> usize {
        self.vms[0].notes.iter().filter(|note| note.contains("SetAside { count: 1,")).count()
    }
}

#[test]
fn a_row_that_is_set_aside_is_named_when_it_is_told_and_takes_one_place() {
    let mut service = Service::new();
    service.rows_per_page = 1;
    service.create("a");
    service.create_too_large("large");
    service.create("b");
    let mut edge = Edge::new(1);
    edge.tick(0);
    edge.answer(0, &service);
    edge.answer(0, &service);
    // An answer that was put off and asked for again.
    let (call, _) = edge.vms[0].pending.take().unwrap();
    edge.deliver(0, call, Answer::Lost);
    edge.pass(BACKOFF_MS_MAX);
    edge.catch_up(0, &service);
    assert_eq!((edge.set_aside(), edge.live().unwrap().keys), (1, 3));
    // The same key is changed and is too large still.
    service.create_too_large("large");
    edge.catch_up(0, &service);
    assert_eq!((edge.set_aside(), edge.live().unwrap().keys), (2, 3));
    assert!(edge.holds("a") && edge.holds("b"));
    service.invalidate("large");
    edge.catch_up(0, &service);
    assert_eq!((edge.set_aside(), edge.live().unwrap().keys), (2, 2));
}

#[test]
fn a_row_of_another_feed_is_named_once_when_that_is_loaded() {
    let (mut edge, mut service) = a_current_edge();
    service.create_too_large("large");
    let (call, poll) = edge.vms[0].pending.take().unwrap();
    service.epoch = "second";
    // What a service answers that does not look at the epoch.
    let mut answering = Service { seq: service.seq, epoch: "first", ..Service::new() };
    answering.rows = service.rows.clone();
    let page = String::from_utf8(answering.answer(&poll)).unwrap().replace("\"first.2\"", "\"second.2\"");
    edge.deliver(0, call, Answer::Page(page.as_bytes()));
    assert_eq!(edge.set_aside(), 0);
    edge.catch_up(0, &service);
    assert_eq!((edge.set_aside(), edge.live().unwrap().keys), (1, 2));
}

#[test]
fn an_answer_to_a_load_that_comes_after_another_vm_has_loaded_changes_nothing() {
    let mut service = Service::new();
    service.create("k");
    let mut edge = Edge::new(2);
    edge.tick(0);
    let (call, poll) = edge.vms[0].pending.clone().unwrap();
    let late = service.answer(&poll);
    service.invalidate("k");
    edge.pass(LEASE_MS);
    edge.catch_up(1, &service);
    edge.deliver(0, call, Answer::Page(&late));
    edge.tick(0);
    assert!(!edge.holds("k"), "{:?}", edge.vms[0].notes);
}
