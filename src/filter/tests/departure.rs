use std::rc::Rc;

use serde_json::json;

use super::model::{Edge, least, with};
use crate::filter::Vm;
use crate::limits::LINGER_MS;
use crate::table::sample_keys::{key, live};
use crate::testing::{FakeAnswer, FakeClocks, FakeHost, FakeSharedData, HostCall};

/// Two plugins of one VM, of which the first alone has a table.
fn two_plugins() -> (Edge, Edge) {
    let (shared, clocks, vm) = (FakeSharedData::default(), FakeClocks::new(), Rc::new(Vm::new()));
    let plugin =
        |config| Edge::beside(&config, shared.clone(), clocks.clone(), Rc::<Vm<FakeHost>>::clone(&vm));
    let mut leaving = plugin(least());
    let staying = plugin(with("authentication", json!("off")));
    leaving.tick();
    leaving.answer(&[live(1, key("good"))], 1);
    (leaving, staying)
}

fn goodbyes(edge: &Edge) -> usize {
    edge.host.sent().iter().filter(|sent| sent.path().contains("&leaving=true")).count()
}

#[test]
fn the_last_plugin_of_a_table_is_cleared_away_and_says_goodbye_through_another_of_its_vm() {
    let (leaving, mut staying) = two_plugins();
    let filled = leaving.host.shared().filled();
    drop(leaving);
    staying.tick();
    assert_eq!(goodbyes(&staying), 0, "a successor may come yet");
    staying.host.clocks().pass(LINGER_MS);
    for _ in 0..3 {
        staying.tick();
    }
    assert_eq!(goodbyes(&staying), 1);
    assert!(staying.host.shared().filled() < filled, "the table is cleared before");
    let call = staying.host.sent()[0].call;
    staying.root.answered(call, &FakeAnswer::new(&staying.host, 200, Vec::new()));
    for _ in 0..3 {
        staying.tick();
    }
    assert_eq!(goodbyes(&staying), 1, "it is said once");
}

#[test]
fn a_goodbye_that_the_host_would_not_send_is_left_out() {
    let (leaving, mut staying) = two_plugins();
    drop(leaving);
    staying.host.fail_all(HostCall::Send);
    staying.host.clocks().pass(LINGER_MS);
    for _ in 0..3 {
        staying.tick();
    }
    staying.host.mend();
    for _ in 0..3 {
        staying.tick();
    }
    assert_eq!(goodbyes(&staying), 0);
}

#[test]
fn the_last_plugin_of_a_vm_leaves_its_table_to_those_who_come() {
    let (leaving, staying) = two_plugins();
    let shared = leaving.host.shared().clone();
    drop(staying);
    let filled = shared.filled();
    let host = leaving.host.clone();
    let before = host.sent().len();
    drop(leaving);
    assert_eq!((host.sent().len(), shared.filled()), (before, filled));
}

#[test]
fn who_follows_gives_the_lease_up_when_it_ends() {
    let (shared, clocks, vm) = (FakeSharedData::default(), FakeClocks::new(), Rc::new(Vm::new()));
    let plugin = || Edge::beside(&least(), shared.clone(), clocks.clone(), Rc::<Vm<FakeHost>>::clone(&vm));
    let (mut first, mut second) = (plugin(), plugin());
    first.tick();
    second.tick();
    assert_eq!((first.host.sent().len(), second.host.sent().len()), (1, 0));
    drop(first);
    second.tick();
    assert_eq!(second.host.sent().len(), 1);
}
