//! Followers against a service that behaves as the feed is specified, and against one that does not.

mod clocks;
mod credential;
mod departure;
mod loading;
mod model;
mod rights;

use proptest::prelude::*;

use self::model::{Edge, Service};
use super::*;
use crate::limits::{BACKOFF_MS_MAX, FAILURES_BEFORE_HANDOVER, KEYS_PER_PAGE_MAX, LEASE_MS};
use crate::table::sample_keys::APPLICATION;

fn a_current_edge() -> (Edge, Service) {
    let mut service = Service::new();
    service.create("k");
    let mut edge = Edge::new(2);
    edge.catch_up(0, &service);
    (edge, service)
}

#[test]
fn loads_the_whole_feed_page_by_page_and_then_waits_for_changes() {
    let mut service = Service::new();
    for number in 0..25 {
        service.create(&format!("key-{number}"));
    }
    service.rows_per_page = 10;
    let mut edge = Edge::new(1);
    edge.tick(0);
    assert!(edge.pending_path(0).contains("after=0&limit=1000&wait=0ms"));
    edge.answer(0, &service);
    assert!(edge.pending_path(0).contains("after=10&"), "{}", edge.pending_path(0));
    assert!(edge.live().is_none(), "a part of the feed is not a table");
    edge.answer(0, &service);
    edge.answer(0, &service);
    assert!(edge.pending_path(0).contains("after=25&limit=1000&wait=20000ms"));
    assert!(edge.holds("key-0") && edge.holds("key-24"));
    assert_eq!(edge.live().unwrap().keys, 25);
}

#[test]
fn an_empty_service_is_a_table_too() {
    let mut edge = Edge::new(1);
    edge.catch_up(0, &Service::new());
    assert_eq!(edge.live().unwrap().keys, 0);
}

#[test]
fn a_change_is_applied_by_the_answer_that_brings_it() {
    let (mut edge, mut service) = a_current_edge();
    service.invalidate("k");
    edge.answer(0, &service);
    assert!(!edge.holds("k"));
}

#[test]
fn an_answer_that_the_host_tells_late_makes_the_table_no_younger_than_its_call_could() {
    let (mut edge, service) = a_current_edge();
    let sent = edge.moment();
    // The host was frozen and tells of the answer by the one clock that went on, or by the other.
    edge.pass(26_000);
    edge.wall = edge.wall.plus_millis(3_600_000);
    edge.answer(0, &service);
    let refreshed = edge.live().unwrap().refreshed.at;
    assert_eq!(refreshed, refreshed.no_later_than(sent.plus(Duration::from_secs(25))));
}

#[test]
fn says_of_which_epoch_its_cursor_is_and_says_nothing_when_it_begins() {
    let (mut edge, mut service) = a_current_edge();
    assert!(edge.pending_path(0).ends_with("&epoch=first.2"));
    service.epoch = "second";
    service.rows_per_page = 1;
    service.create("k2");
    edge.answer(0, &service);
    let path = edge.pending_path(0).to_owned();
    assert!(path.contains("after=0&") && !path.contains("epoch"), "{path}");
    edge.answer(0, &service);
    let path = edge.pending_path(0);
    assert!(path.ends_with("&epoch=second.2&purged=0"), "the epoch of the load, not of the table: {path}");
}

#[test]
fn only_one_vm_asks() {
    let (mut edge, _) = a_current_edge();
    edge.tick(1);
    assert_eq!(edge.pending_path(1), "");
}

#[test]
fn another_vm_takes_over_from_one_that_died_and_asks_whether_the_table_is_current() {
    let (mut edge, mut service) = a_current_edge();
    edge.pass(LEASE_MS);
    service.create("new");
    edge.tick(1);
    assert!(edge.pending_path(1).contains("after=1&limit=1000&wait=0ms"));
    edge.answer(1, &service);
    assert!(edge.holds("new"));
    // The dead one was only slow. Its answer, and its next tick, do no harm.
    edge.answer(0, &service);
    edge.tick(0);
    assert!(edge.holds("new") && edge.noted(0, "StoppedFollowing"));
}

#[test]
fn a_vm_that_ends_leaves_the_lease_at_once() {
    let (mut edge, service) = a_current_edge();
    let now = edge.now;
    edge.vms[0].follower.resign(now);
    edge.tick(1);
    assert!(edge.pending_path(1).contains("wait=0ms"));
    edge.answer(1, &service);
}

#[test]
fn an_answer_that_nobody_waits_for_is_dropped() {
    let (mut edge, mut service) = a_current_edge();
    let (call, poll) = edge.vms[0].pending.clone().unwrap();
    service.create("new");
    let body = service.answer(&poll);
    edge.deliver(0, CallId(call.0 + 1), Answer::Page(&body));
    assert!(!edge.holds("new") && edge.noted(0, "UnexpectedAnswer"));
    edge.deliver(0, call, Answer::Page(&body));
    assert!(edge.holds("new"));
}

#[test]
fn whatever_is_not_a_page_leaves_the_table_as_it_is() {
    let answers = [
        Answer::Lost,
        Answer::Refused { status: 401, is_of_service: true },
        Answer::Refused { status: 500, is_of_service: false },
        Answer::Page(b""),
        Answer::Page(b"<html>"),
        Answer::Page(b"{\"epoch\":\"first\",\"cursor\":5,\"total\":0,\"more\":false,\"reset\":false"),
    ];
    for answer in answers {
        let (mut edge, mut service) = a_current_edge();
        let before = edge.live();
        edge.fail(0, answer);
        assert_eq!(edge.live(), before, "{answer:?}");
        assert!(edge.holds("k") && edge.noted(0, "Failed"));
        service.create("new");
        edge.pass(BACKOFF_MS_MAX);
        edge.catch_up(0, &service);
        assert!(edge.holds("new"), "{answer:?}");
    }
}

#[test]
fn a_call_without_an_answer_is_given_up() {
    let (mut edge, _) = a_current_edge();
    for _ in 0..40 {
        edge.pass(1_000);
        edge.tick(0);
    }
    assert!(edge.noted(0, "NoAnswer"));
}

#[test]
fn after_some_failures_another_vm_tries() {
    let (mut edge, mut service) = a_current_edge();
    service.create("new");
    for _ in 0..FAILURES_BEFORE_HANDOVER {
        edge.pass(BACKOFF_MS_MAX / 10);
        edge.tick(0);
        edge.fail(0, Answer::Refused { status: 401, is_of_service: true });
    }
    edge.tick(1);
    assert_eq!(edge.pending_path(1), "", "the whole process backs off");
    edge.pass(BACKOFF_MS_MAX / 10);
    edge.tick(0);
    assert_eq!(edge.pending_path(0), "", "the one that failed stands back");
    edge.tick(1);
    edge.answer(1, &service);
    assert!(edge.holds("new"));
}

#[test]
fn a_lone_vm_goes_on_trying() {
    let mut edge = Edge::new(1);
    let mut service = Service::new();
    for _ in 0..200 {
        edge.pass(500);
        edge.tick(0);
        if edge.vms[0].pending.is_some() {
            edge.fail(0, Answer::Lost);
        }
    }
    service.create("k");
    edge.pass(BACKOFF_MS_MAX + LEASE_MS);
    edge.catch_up(0, &service);
    assert!(edge.holds("k"));
}

#[test]
fn a_purge_that_passed_the_cursor_loads_again_while_the_old_table_serves() {
    let (mut edge, mut service) = a_current_edge();
    service.create("other");
    service.invalidate("k");
    service.purge();
    edge.answer(0, &service);
    assert!(edge.noted(0, "LoadBegan(Reset)") && edge.holds("k"), "until the load is whole");
    edge.catch_up(0, &service);
    assert!(!edge.holds("k") && edge.holds("other"));
}

#[test]
fn what_a_late_follower_applied_to_an_empty_table_does_not_outlive_a_purge() {
    let mut service = Service::new();
    let mut edge = Edge::new(2);
    edge.catch_up(0, &service);
    edge.pass(LEASE_MS);
    edge.tick(1);
    service.create("k");
    edge.answer(0, &service);
    assert!(edge.holds("k") && edge.live().unwrap().cursor.0 == 0, "it is not its turn to note the answer");
    service.invalidate("k");
    service.purge();
    edge.catch_up(1, &service);
    assert!(!edge.holds("k"));
}

#[test]
fn nothing_of_a_new_generation_is_acknowledged_before_the_old_one_is_swept() {
    let (mut edge, mut service) = a_current_edge();
    service.epoch = "second";
    service.seq = 50;
    edge.answer(0, &service);
    edge.answer(0, &service);
    assert!(edge.live().unwrap().unswept_pages > 0);
    assert_eq!(edge.pending_path(0), "", "nothing is asked yet");
    // Whoever takes over now sweeps first.
    edge.pass(LEASE_MS);
    edge.tick(1);
    assert_eq!(edge.pending_path(1), "");
    edge.tick(1);
    assert!(edge.pending_path(1).contains("after=50&"), "{:?}", edge.vms[1].notes);
    assert_eq!(edge.live().unwrap().unswept_pages, 0);
}

#[test]
fn nothing_is_acknowledged_while_more_is_known_to_follow() {
    let (mut edge, mut service) = a_current_edge();
    // The first change of the key is before the cursor of the first answer, and does not come.
    for id in ["k", "other", "k"] {
        service.create(id);
    }
    service.rows_per_page = 1;
    edge.answer(0, &service);
    let asked = edge.pending_path(0);
    assert!(asked.contains("after=3&limit=1000&wait=0ms") && asked.ends_with("&purged=0"), "{asked}");
    edge.pass(LEASE_MS);
    edge.tick(1);
    let asked = edge.pending_path(1);
    assert!(asked.contains("after=3&") && asked.ends_with("&purged=0"), "whoever takes over: {asked}");
    edge.answer(1, &service);
    let asked = edge.pending_path(1);
    assert!(asked.contains("after=4&") && !asked.contains("purged"), "{asked}");
}

#[test]
fn a_restored_store_is_another_feed() {
    let (mut edge, _) = a_current_edge();
    let mut restored = Service::new();
    restored.epoch = "second";
    restored.create("old");
    restored.create("older");
    edge.catch_up(0, &restored);
    assert!(!edge.holds("k") && edge.holds("old"));
}

#[test]
fn a_table_with_many_more_keys_than_pages_is_laid_out_anew() {
    let (mut edge, mut service) = a_current_edge();
    let bits = edge.live().unwrap().page_bits;
    for number in 0..(KEYS_PER_PAGE_MAX + 1) << bits {
        service.create(&format!("key-{number}"));
    }
    edge.catch_up(0, &service);
    assert!(edge.noted(0, "LoadBegan(Outgrown)"));
    assert!(edge.live().unwrap().page_bits > bits);
    assert!(edge.holds("k") && edge.holds("key-0"));
}

#[test]
fn a_call_that_the_host_refuses_is_tried_again() {
    let service = Service::new();
    let mut edge = Edge::new(1);
    let step = edge.vms[0].follower.tick(Candidate::Idle, edge.now, 0);
    assert!(step.poll.is_some());
    let step = edge.vms[0].follower.not_sent(edge.now, 0);
    assert!(matches!(step.notes[..], [Note::Failed(PollFailure::NotSent)]));
    edge.pass(BACKOFF_MS_MAX);
    edge.catch_up(0, &service);
    assert!(edge.live().is_some());
}

#[derive(Clone, Debug)]
enum Event {
    Create(u8),
    Grant(u8, u32),
    Register(u8),
    Invalidate(u8),
    Purge,
    Restore,
    Tick(usize),
    Answer(usize),
    Lose(usize),
    Pass(u64),
    Serve(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => (0..8_u8).prop_map(Event::Create),
        4 => (0..8_u8, 0..4_u32).prop_map(|(number, set)| Event::Grant(number, set)),
        1 => (0..4_u8).prop_map(Event::Register),
        3 => (0..8_u8).prop_map(Event::Invalidate),
        1 => Just(Event::Purge),
        1 => Just(Event::Restore),
        8 => (0..3_usize).prop_map(Event::Tick),
        8 => (0..3_usize).prop_map(Event::Answer),
        1 => (0..3_usize).prop_map(Event::Lose),
        3 => (1..4_000_u64).prop_map(Event::Pass),
        1 => (0..3_usize).prop_map(Event::Serve),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_the_table_ends_as_the_service_is(events in proptest::collection::vec(event(), 1..120)) {
        let mut service = Service::new();
        service.rows_per_page = 3;
        let mut edge = Edge::new(3);
        for event in events {
            match event {
                Event::Create(number) => service.create(&format!("key-{number}")),
                Event::Grant(number, set) => service.grant(&format!("key-{number}"), set),
                Event::Register(number) => service.register(&format!("data:{number}")),
                Event::Invalidate(number) => service.invalidate(&format!("key-{number}")),
                Event::Purge => service.purge(),
                Event::Restore => service.epoch = if service.epoch == "first" { "second" } else { "first" },
                Event::Tick(vm) => edge.tick(vm),
                Event::Answer(vm) => edge.answer(vm, &service),
                Event::Lose(vm) if edge.vms[vm].pending.is_some() => edge.fail(vm, Answer::Lost),
                Event::Lose(_) => {}
                Event::Pass(millis) => edge.pass(millis),
                Event::Serve(vm) => edge.vms[vm].serves = true,
            }
            for number in 0..8 {
                // Fails where a reader finds a key without the set that it names.
                edge.rights(&format!("key-{number}"));
            }
        }
        // The other two fall silent; the last one comes to rest.
        edge.pass(2 * (LEASE_MS + BACKOFF_MS_MAX));
        service.seq += 1;
        edge.catch_up(0, &service);
        for number in 0..8 {
            let id = format!("key-{number}");
            prop_assert_eq!(edge.holds(&id), service.live_ids().contains(&id), "{}", id);
            prop_assert_eq!(edge.rights(&id), service.rights_of(&id), "{}", id);
        }
        let live = edge.live().unwrap();
        prop_assert_eq!(live.epoch.as_str(), service.told_epoch());
        prop_assert_eq!(edge.registered(APPLICATION), service.registered.clone().map(|(_, json)| json));
    }
}
