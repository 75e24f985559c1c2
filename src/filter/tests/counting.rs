//! What is counted of requests and when the host is told, and what the host is called for.

use serde_json::{Value, json};

use super::model::{Edge, authorization, least, with};
use crate::filter::Flow;
use crate::metrics;
use crate::table::sample_keys::{key, live};
use crate::testing::HostCall;

const DENIED: &str = "latchkey.denied.reason.credential_missing";

fn admitted(edge: &Edge) -> u64 {
    edge.host.metric(metrics::ADMITTED)
}

#[test]
fn requests_that_pass_are_told_by_the_next_tick_and_refusals_at_once() {
    let mut edge = Edge::loaded(&least());
    assert_eq!((edge.good_request(1), edge.good_request(2)), (Flow::Continue, Flow::Continue));
    assert_eq!(edge.request(3, &[]), Flow::Hold);
    assert_eq!((admitted(&edge), edge.host.metric(DENIED)), (0, 1));
    edge.tick();
    assert_eq!(admitted(&edge), 2);
    edge.tick();
    assert_eq!(admitted(&edge), 2, "each is told once");
}

#[test]
fn a_tick_with_nothing_to_tell_adds_to_no_counter() {
    let mut edge = Edge::loaded(&least());
    let before = edge.host.calls();
    edge.tick();
    assert!(!edge.host.calls_since(before).contains(&HostCall::AddToCounter));
}

#[test]
fn requests_that_pass_without_a_key_are_counted_where_nothing_is_followed() {
    let mut edge = Edge::new(&with("authentication", json!("off")));
    assert_eq!(edge.request(1, &[]), Flow::Continue);
    edge.tick();
    assert_eq!((edge.host.metric(metrics::PASSED_WITHOUT_KEY), admitted(&edge)), (1, 0));
}

#[test]
fn a_tick_whose_clock_fails_tells_what_was_counted() {
    let mut edge = Edge::loaded(&least());
    edge.good_request(1);
    edge.host.fail_all(HostCall::Wall);
    edge.tick();
    assert_eq!(admitted(&edge), 1);
}

#[test]
fn a_request_that_waited_is_told_by_the_tick_that_wakes_it() {
    let mut edge = Edge::new(&least());
    assert_eq!(edge.good_request(1), Flow::Hold);
    edge.tick();
    edge.answer(&[live(1, key("good"))], 1);
    edge.tick();
    assert_eq!((edge.resumed(), admitted(&edge)), (vec![1], 1));
}

#[test]
fn a_plugin_that_ends_between_ticks_tells_what_it_has_counted() {
    let mut edge = Edge::loaded(&least());
    edge.good_request(1);
    edge.end(1);
    let host = edge.host.clone();
    drop(edge);
    assert_eq!(host.metric(metrics::ADMITTED), 1);
}

#[test]
fn what_a_replaced_configuration_has_counted_is_told_by_the_next_tick() {
    let mut edge = Edge::loaded(&least());
    edge.good_request(1);
    let another = with("authentication", json!("optional"));
    assert!(edge.root.configure(another.to_string().as_bytes(), |_| None));
    assert_eq!(edge.good_request(2), Flow::Continue);
    edge.tick();
    assert_eq!(admitted(&edge), 2, "the first request has not ended, and its configuration lives");
}

#[test]
fn plugins_of_one_vm_count_by_themselves() {
    let first = Edge::loaded(&least());
    let (shared, clocks) = (first.host.shared().clone(), first.host.clocks().clone());
    let mut second = Edge::beside(&least(), shared, clocks, std::rc::Rc::default());
    assert_eq!(second.good_request(1), Flow::Continue);
    drop(first);
    second.tick();
    assert_eq!(admitted(&second), 1);
}

/// The calls of the host for a second request of a key, whose page is kept by then.
fn calls_of_an_accepted_request(config: &Value) -> Vec<HostCall> {
    let mut edge = Edge::loaded(config);
    let authorization = authorization("good", "secret of good");
    let headers = [(":method", "GET"), (":path", "/a"), ("authorization", authorization.as_str())];
    assert_eq!(edge.request(1, &headers), Flow::Continue);
    let before = edge.host.calls();
    assert_eq!(edge.request(2, &headers), Flow::Continue);
    edge.host.calls_since(before)
}

/// What the host is called for before anything is told.
const TO_DECIDE: [HostCall; 3] = [HostCall::Wall, HostCall::Headers, HostCall::Stamp];

#[test]
fn an_accepted_request_calls_the_host_for_what_it_needs_and_tells_and_nothing_else() {
    // `good` has a name, an owner, a realm and two lists of roles, and no end.
    let told = [HostCall::AddHeader; 6];
    let headers_only = with("identity", json!({"filter_state": false}));
    let expected = [&TO_DECIDE[..], &[HostCall::RemoveHeader], &told].concat();
    assert_eq!(calls_of_an_accepted_request(&headers_only), expected);

    let mut ruled = headers_only.clone();
    ruled["rules"] =
        json!([{"name": "a", "match": {"paths": ["/a"], "methods": ["GET"]}, "require": {"role": "reader"}}]);
    assert_eq!(calls_of_an_accepted_request(&ruled), expected, "a rule costs no call");

    let state = [HostCall::SetFilterState; 6];
    assert_eq!(calls_of_an_accepted_request(&least()), [&expected[..], &state].concat());
}
