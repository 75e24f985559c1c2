//! What keys may do comes with them, from services of either version, and what is left of it is dropped.

use latchkey_key_feed::FeedVersion;

use super::a_current_edge;
use super::model::{Edge, REFUSE_AFTER_MS, Service};
use crate::limits::{BACKOFF_MS_MAX, RIGHTS_GARBAGE_MAX, RIGHTS_LOAD_PAUSE_MS};
use crate::table::sample_keys::{APPLICATION, rights_of};

#[test]
fn rights_and_registered_privileges_come_with_a_load_and_with_a_change() {
    let mut service = Service::new();
    service.grant("k", 1);
    service.register("data:read/*");
    let mut edge = Edge::new(1);
    edge.catch_up(0, &service);
    assert_eq!(edge.rights("k"), Some(rights_of(1)));
    assert_eq!(edge.registered(APPLICATION).as_deref(), Some(r#"{"read":["data:read/*"]}"#));
    assert_eq!(edge.registered("other"), None, "nobody asks about it");
    service.grant("k", 2);
    edge.answer(0, &service);
    assert_eq!(edge.rights("k"), Some(rights_of(2)));
    service.register("data:write/*");
    edge.answer(0, &service);
    assert_eq!(edge.registered(APPLICATION).as_deref(), Some(r#"{"read":["data:write/*"]}"#));
}

#[test]
fn a_service_of_the_first_version_is_followed_and_its_keys_have_no_rights() {
    let mut service = Service { version: FeedVersion::V1, ..Service::new() };
    service.grant("k", 1);
    let mut edge = Edge::new(1);
    edge.catch_up(0, &service);
    assert!(edge.holds("k") && edge.rights("k").is_none());
    assert!(edge.noted(0, "RightsMissing"));
    // It is updated: another feed by its epoch.
    service.version = FeedVersion::V2;
    edge.catch_up_after_change(0, &mut service);
    assert_eq!(edge.rights("k"), Some(rights_of(1)));
    // And put back.
    service.version = FeedVersion::V1;
    edge.catch_up_after_change(0, &mut service);
    assert!(edge.holds("k") && edge.rights("k").is_none());
    let told = edge.vms[0].notes.iter().filter(|note| *note == "RightsMissing").count();
    assert_eq!(told, 2, "once for each load");
}

#[test]
fn while_the_service_is_upgraded_its_older_replicas_make_nobody_load() {
    let (mut edge, mut service) = a_current_edge();
    let loads = |edge: &Edge| edge.vms[0].notes.iter().filter(|note| note.starts_with("LoadBegan")).count();
    for _ in 0..3 {
        service.version = FeedVersion::V1;
        edge.answer(0, &service);
        edge.pass(BACKOFF_MS_MAX / 10);
        service.version = FeedVersion::V2;
        edge.catch_up_after_change(0, &mut service);
    }
    assert_eq!(loads(&edge), 1);
    // One that was begun with an older replica is begun again with a newer one, and by no other.
    let mut edge = Edge::new(1);
    service.version = FeedVersion::V1;
    edge.catch_up(0, &service);
    for version in [FeedVersion::V2, FeedVersion::V1, FeedVersion::V2] {
        service.version = version;
        edge.answer(0, &service);
        edge.pass(BACKOFF_MS_MAX / 10);
        edge.tick(0);
    }
    assert_eq!(edge.live().unwrap().epoch.as_str(), service.told_epoch());
    assert_eq!(loads(&edge), 2);
}

// The table was refused while replicas answered that were good enough to keep it young.
#[test]
fn a_table_that_would_soon_be_too_old_is_loaded_from_an_older_replica() {
    let (mut edge, mut service) = a_current_edge();
    service.version = FeedVersion::V1;
    edge.answer(0, &service);
    assert!(edge.noted(0, "OlderReplica"));
    edge.pass(REFUSE_AFTER_MS / 2);
    // Its turn is over, and it takes another one.
    for _ in 0..3 {
        edge.tick(0);
        edge.answer(0, &service);
    }
    assert!(edge.noted(0, "LoadBegan(Reset)"), "{:?}", edge.vms[0].notes);
    edge.catch_up_after_change(0, &mut service);
    assert!(edge.holds("another") && edge.noted(0, "RightsMissing"), "it is of the older version");
}

/// Updates the key until the table counts so many bytes of sets.
fn write_sets(edge: &mut Edge, service: &mut Service, bytes: u64) {
    let set_of_mebibyte =
        |number| format!(r#"{{"limited_by":{{"cluster":["{number}{}"]}}}}"#, "x".repeat(60_000));
    for number in 0.. {
        if edge.live().unwrap().rights_written > bytes || edge.noted(0, "Littered") {
            return;
        }
        service.grant("k", 0);
        service.rights.insert("k".try_into().unwrap(), set_of_mebibyte(number));
        edge.answer(0, service);
    }
}

#[test]
fn a_table_full_of_sets_that_no_key_has_any_more_is_loaded_anew_once_in_a_while() {
    let (mut edge, mut service) = a_current_edge();
    write_sets(&mut edge, &mut service, RIGHTS_GARBAGE_MAX);
    assert!(!edge.noted(0, "Littered"), "not so soon after a load");
    edge.pass(RIGHTS_LOAD_PAUSE_MS);
    edge.tick(0);
    let filled = edge.shared.bytes();
    edge.catch_up_after_change(0, &mut service);
    assert!(edge.noted(0, "LoadBegan(Littered)"));
    assert!(edge.shared.bytes() < filled / 100, "{} of {filled} bytes are left", edge.shared.bytes());
    assert_eq!(edge.rights("k"), service.rights_of("k"));
    assert_eq!(edge.live().unwrap().rights_written, 0);
}
