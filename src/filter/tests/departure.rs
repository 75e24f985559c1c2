use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use super::model::{Edge, least, with};
use crate::filter::Vm;
use crate::limits::{LINGER_MS, TABLE_LOOK_MS, TABLE_SILENT_LOOKS, TICK_BUSY_MS, TICK_MS};
use crate::table::sample_keys::{key, live};
use crate::testing::{FakeAnswer, FakeClocks, FakeHost, FakeSharedData, HostCall};

/// Two plugins of one new VM.
fn vm_of_two(shared: &FakeSharedData, first: &Value, second: &Value) -> (Edge, Edge) {
    let (clocks, vm) = (FakeClocks::new(), Rc::new(Vm::new()));
    let plugin =
        |config: &Value| Edge::beside(config, shared.clone(), clocks.clone(), Rc::<Vm<FakeHost>>::clone(&vm));
    (plugin(first), plugin(second))
}

/// Two plugins of one VM, of which the first has a table.
fn two_plugins_in(shared: &FakeSharedData, second: &Value) -> (Edge, Edge) {
    let (mut leaving, staying) = vm_of_two(shared, &least(), second);
    leaving.tick();
    leaving.answer(&[live(1, key("good"))], 1);
    (leaving, staying)
}

/// The same where the other one has no table.
fn two_plugins() -> (Edge, Edge) {
    two_plugins_in(&FakeSharedData::default(), &without_table())
}

fn without_table() -> Value {
    with("authentication", json!("off"))
}

/// Another feed.
fn another_feed() -> Value {
    let mut config = least();
    config["key_service"]["path"] = json!("/another/feed");
    config
}

/// Lets the plugin do the rest of the work of one that has ended.
fn finish(staying: &mut Edge) {
    staying.host.clocks().pass(LINGER_MS);
    for _ in 0..3 {
        staying.tick();
    }
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
    finish(&mut staying);
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
    let gone = leaving.host.clone();
    drop(leaving);
    staying.host.fail_all(HostCall::Send);
    finish(&mut staying);
    staying.host.mend();
    for _ in 0..3 {
        staying.tick();
    }
    assert_eq!(goodbyes(&staying), 0);
    assert_eq!(gone.holders(), 1, "nothing is left of the plugin that has ended");
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
    let (mut first, mut second) = vm_of_two(&FakeSharedData::default(), &least(), &least());
    first.tick();
    second.tick();
    assert_eq!((first.host.sent().len(), second.host.sent().len()), (1, 0));
    drop(first);
    second.tick();
    assert_eq!(second.host.sent().len(), 1);
}

#[test]
fn the_answer_to_a_goodbye_is_awaited_by_nobody_else() {
    let (leaving, mut staying) = two_plugins_in(&FakeSharedData::default(), &another_feed());
    let gone = leaving.host.clone();
    staying.tick();
    drop(leaving);
    finish(&mut staying);
    let goodbye = staying.host.sent().into_iter().find(|sent| sent.path().contains("&leaving=true")).unwrap();
    assert!(gone.holders() > 1, "the answer is awaited");
    staying.root.answered(goodbye.call, &FakeAnswer::new(&staying.host, 200, Vec::new()));
    assert!(staying.host.logged("nobody waits for").is_empty());
    staying.tick();
    assert_eq!(gone.holders(), 1, "nothing is left of the plugin that has ended");
}

#[test]
fn ticks_come_often_while_a_table_is_cleared_away() {
    let (leaving, mut staying) = two_plugins();
    staying.tick();
    drop(leaving);
    staying.host.clocks().pass(LINGER_MS);
    staying.tick();
    let [seldom, often] = [TICK_MS, TICK_BUSY_MS].map(Duration::from_millis);
    assert_eq!(staying.host.tick_periods().last(), Some(&often));
    staying.tick();
    assert_eq!(staying.host.tick_periods().last(), Some(&seldom));
}

#[test]
fn a_plugin_that_ends_with_its_vm_is_counted_out() {
    let shared = FakeSharedData::default();
    let (leaving, staying) = two_plugins_in(&shared, &without_table());
    drop(staying);
    drop(leaving);
    // Another VM comes, takes the table on, and is the last to leave it.
    let (mut leaving, mut staying) = vm_of_two(&shared, &least(), &without_table());
    leaving.tick();
    drop(leaving);
    finish(&mut staying);
    assert_eq!(goodbyes(&staying), 1);
}

#[test]
fn the_table_of_a_vm_that_died_is_cleared_by_whoever_follows_another_feed() {
    let shared = FakeSharedData::default();
    let (died, mut staying) = two_plugins_in(&shared, &another_feed());
    // It says nothing when it dies.
    std::mem::forget(died);
    staying.tick();
    staying.answer(&[live(1, key("good"))], 1);
    let (filled, names) = (shared.filled(), shared.names());
    let ticks = TABLE_LOOK_MS / TICK_MS * u64::from(TABLE_SILENT_LOOKS + 2);
    for _ in 0..ticks {
        staying.tick();
        staying.answer(&[], 1);
    }
    assert!(shared.filled() < filled, "{filled} entries are filled still");
    assert_eq!(shared.names(), names, "nothing new is written");
}
