//! The key with which the edge reads the feed comes to an end.

use super::a_current_edge;
use super::model::{Edge, Service};
use crate::limits::{CREDENTIAL_ENDED_MS, FAILURES_BEFORE_HANDOVER, LEASE_MS};

/// An edge that has heard the last of it, with the moment of its last refresh.
fn an_edge_whose_key_has_ended() -> (Edge, Service) {
    let (mut edge, mut service) = a_current_edge();
    service.invalidate("k");
    service.ended_at = Some(service.seq);
    service.create("later");
    edge.pass(1_000);
    edge.answer(0, &service);
    (edge, service)
}

#[test]
fn all_up_to_the_end_is_applied_and_acknowledged_and_the_table_ages() {
    let (mut edge, service) = an_edge_whose_key_has_ended();
    assert!(!edge.holds("k") && !edge.holds("later"));
    assert!(edge.live().unwrap().age(edge.moment()).ms >= 1_000, "the last page counted as a refresh");
    assert!(edge.pending_path(0).contains("after=2&limit=1000&wait=0ms"), "{}", edge.pending_path(0));
    edge.answer(0, &service);
    assert_eq!(edge.pending_path(0), "", "there is nothing else to ask for");
    edge.pass(CREDENTIAL_ENDED_MS - 1);
    edge.tick(0);
    assert_eq!(edge.pending_path(0), "", "it is asked again too soon");
    edge.pass(1);
    edge.tick(0);
    assert!(edge.pending_path(0).contains("after=2&"));
}

#[test]
fn it_is_told_once_and_again_when_it_is_mended() {
    let (mut edge, mut service) = an_edge_whose_key_has_ended();
    for _ in 0..10 {
        edge.answer(0, &service);
        edge.pass(CREDENTIAL_ENDED_MS);
        edge.tick(0);
    }
    let told = |edge: &Edge, what: &str| edge.vms[0].notes.iter().filter(|note| *note == what).count();
    assert_eq!(told(&edge, "CredentialEnded(true)"), 1, "{:?}", edge.vms[0].notes);
    service.ended_at = None;
    edge.pass(2 * (CREDENTIAL_ENDED_MS + LEASE_MS));
    edge.catch_up(0, &service);
    assert!(edge.holds("later"));
    assert_eq!(told(&edge, "CredentialEnded(false)"), 1, "{:?}", edge.vms[0].notes);
    assert!(!edge.live().unwrap().credential_ended);
}

#[test]
fn now_and_then_it_is_the_turn_of_another_vm_which_may_have_a_newer_key() {
    let (mut edge, service) = an_edge_whose_key_has_ended();
    edge.answer(0, &service);
    for _ in 1..FAILURES_BEFORE_HANDOVER {
        edge.pass(CREDENTIAL_ENDED_MS);
        edge.tick(0);
        edge.answer(0, &service);
    }
    edge.pass(CREDENTIAL_ENDED_MS);
    edge.tick(0);
    edge.tick(1);
    assert_eq!(edge.pending_path(0), "");
    assert!(edge.pending_path(1).contains("after=2&"), "{:?}", edge.vms[0].notes);
}

#[test]
fn a_load_that_ends_with_it_brings_the_revocations_and_no_freshness() {
    let (mut edge, mut service) = a_current_edge();
    service.create("other");
    service.invalidate("k");
    service.purge();
    service.ended_at = Some(service.seq);
    service.create("later");
    let refreshed = edge.live().unwrap().refreshed;
    edge.pass(1_000);
    edge.answer(0, &service);
    for _ in 0..20 {
        edge.pass(1);
        edge.tick(0);
        edge.answer(0, &service);
    }
    assert!(edge.noted(0, "Loaded") && !edge.holds("k") && edge.holds("other") && !edge.holds("later"));
    let live = edge.live().unwrap();
    assert_eq!((live.refreshed, live.credential_ended), (refreshed, true));
}

#[test]
fn without_a_table_before_nothing_of_it_serves() {
    let mut service = Service::new();
    service.create("k");
    service.ended_at = Some(service.seq);
    let mut edge = Edge::new(1);
    for _ in 0..20 {
        edge.pass(CREDENTIAL_ENDED_MS);
        edge.tick(0);
        edge.answer(0, &service);
    }
    assert!(edge.live().is_none() && edge.noted(0, "CredentialEnded(true)"));
    service.ended_at = None;
    edge.catch_up(0, &service);
    assert!(edge.holds("k"));
}
