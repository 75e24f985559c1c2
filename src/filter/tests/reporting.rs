//! What the key service is told of the uses of keys.

use serde_json::{Value, json};

use super::model::{Edge, authorization, least, with};
use crate::limits::{TICK_MS, USAGE_GATHERED_MS, USAGE_REFUSED_MS, USAGE_REPORTED_MS};
use crate::metrics;
use crate::refresh::CallId;
use crate::table::sample_keys::{key, live};
use crate::testing::{FakeAnswer, SentCall};

fn reports(edge: &Edge) -> Vec<SentCall> {
    edge.host.sent().into_iter().filter(|call| call.path().contains("/_latchkey/usage?edge=")).collect()
}

fn body(call: &SentCall) -> Value {
    serde_json::from_slice(&call.body).unwrap()
}

/// The uses that a report tells.
fn keys(call: &SentCall) -> Value {
    body(call)["keys"].clone()
}

/// Time passes, and the service has no news.
fn pass(edge: &mut Edge, millis: u64) {
    for _ in 0..millis / TICK_MS {
        edge.tick();
        edge.answer(&[], 1);
    }
}

/// The report with this number, from 1, once it was sent.
fn report(edge: &mut Edge, number: usize) -> SentCall {
    for _ in 0..4 * USAGE_REPORTED_MS / TICK_MS {
        if let Some(report) = reports(edge).get(number - 1) {
            return report.clone();
        }
        pass(edge, TICK_MS);
    }
    panic!("there is no report {number}");
}

fn answer(edge: &Edge, call: CallId, status: u16) {
    edge.root.answered(call, &FakeAnswer::new(&edge.host, status, b"{}".to_vec()));
}

fn wrong_secret(edge: &mut Edge, number: u32, id: &str) {
    edge.request(number, &[(":path", "/"), ("authorization", &authorization(id, "wrong"))]);
}

#[test]
fn the_service_is_told_how_often_keys_were_used_and_with_wrong_secrets() {
    let mut edge = Edge::loaded(&least());
    edge.good_request(1);
    edge.good_request(2);
    wrong_secret(&mut edge, 3, "good");
    wrong_secret(&mut edge, 4, "unknown");
    let first = report(&mut edge, 1);
    let header = |name: &str| first.headers.iter().find(|(other, _)| other == name).unwrap().1.clone();
    assert_eq!((header(":method").as_str(), header("content-type").as_str()), ("POST", "application/json"));
    assert_eq!(keys(&first), json!({"good": [2, 1]}), "and nothing of ids that no key has");
    answer(&edge, first.call, 200);
    pass(&mut edge, 2 * USAGE_REPORTED_MS);
    assert_eq!(reports(&edge).len(), 1, "there was nothing more to tell");
    edge.good_request(5);
    assert_eq!(keys(&report(&mut edge, 2)), json!({"good": [1, 0]}));
    assert_eq!(edge.host.metric(metrics::USAGE_LOST), 0);
}

#[test]
fn a_report_that_was_not_taken_is_told_again_with_what_came_since() {
    let mut edge = Edge::loaded(&least());
    edge.good_request(1);
    let first = report(&mut edge, 1).call;
    answer(&edge, first, 503);
    edge.good_request(2);
    assert_eq!(keys(&report(&mut edge, 2)), json!({"good": [2, 0]}));
    // No answer comes at all.
    assert_eq!(keys(&report(&mut edge, 3)), json!({"good": [2, 0]}));
    assert_eq!(edge.host.metric(metrics::USAGE_LOST), 0);
}

#[test]
fn a_service_that_knows_no_reports_is_asked_again_after_a_while_and_what_is_lost_is_counted() {
    let mut edge = Edge::loaded(&least());
    edge.good_request(1);
    let first = report(&mut edge, 1).call;
    answer(&edge, first, 404);
    assert_eq!(edge.host.metric(metrics::USAGE_LOST), 1);
    edge.good_request(2);
    edge.host.clocks().pass(USAGE_REFUSED_MS - 2 * USAGE_REPORTED_MS);
    pass(&mut edge, USAGE_REPORTED_MS);
    assert_eq!(reports(&edge).len(), 1);
    report(&mut edge, 2);
}

#[test]
fn nothing_is_told_where_the_operator_wants_no_reports() {
    let mut edge = Edge::loaded(&with("report_usage", json!(false)));
    edge.good_request(1);
    pass(&mut edge, 3 * USAGE_REPORTED_MS);
    assert_eq!(reports(&edge).len(), 0);
}

#[test]
fn one_plugin_of_a_table_tells_what_all_have_counted() {
    let mut edge = Edge::loaded(&least());
    let (shared, clocks) = (edge.host.shared().clone(), edge.host.clocks().clone());
    let mut other = Edge::beside(&least(), shared, clocks, std::rc::Rc::default());
    other.tick();
    other.good_request(1);
    edge.good_request(1);
    for _ in 0..2 * USAGE_REPORTED_MS / TICK_MS {
        other.root.tick();
        pass(&mut edge, TICK_MS);
    }
    assert_eq!(reports(&other).len(), 0);
    assert_eq!(keys(&reports(&edge)[0]), json!({"good": [2, 0]}));
}

#[test]
fn what_a_replaced_configuration_has_counted_is_told_by_the_next() {
    let mut edge = Edge::loaded(&least());
    edge.good_request(1);
    assert!(edge.root.configure(least().to_string().as_bytes(), |_| None));
    edge.tick();
    edge.answer(&[live(1, key("good"))], 1);
    assert_eq!(keys(&report(&mut edge, 1)), json!({"good": [1, 0]}));
}

#[test]
fn the_last_plugin_of_a_table_tells_what_is_left_before_it_says_goodbye() {
    let vm: std::rc::Rc<crate::filter::Vm<_>> = std::rc::Rc::default();
    let (shared, clocks) = (crate::testing::FakeSharedData::default(), crate::testing::FakeClocks::new());
    let mut edge = Edge::beside(&least(), shared.clone(), clocks.clone(), std::rc::Rc::clone(&vm));
    edge.tick();
    edge.answer(&[live(1, key("good"))], 1);
    edge.good_request(1);
    let mut config = least();
    config["key_service"]["cluster"] = json!("others");
    // Another plugin of the VM ends the work of the first.
    let mut other = Edge::beside(&config, shared, clocks, vm);
    other.tick();
    edge.end(1);
    drop(edge);
    for _ in 0..600 {
        other.tick();
    }
    let sent = other.host.sent();
    let told = sent.iter().position(|call| call.path().starts_with("/_latchkey/usage?")).unwrap();
    assert_eq!(body(&sent[told]), json!({"keys": {"good": [1, 0]}}));
    assert!(sent[told + 1].path().ends_with("&leaving=true"), "{}", sent[told + 1].path());
    assert_eq!((sent[told].cluster.as_str(), sent[told + 1].cluster.as_str()), ("keys", "keys"));
}

#[test]
fn the_service_is_told_how_large_the_table_is_and_what_is_refused() {
    let mut edge = Edge::loaded(&least());
    wrong_secret(&mut edge, 1, "good");
    wrong_secret(&mut edge, 2, "unknown");
    edge.request(3, &[(":path", "/")]);
    let first = report(&mut edge, 1);
    let told = body(&first)["edge"].clone();
    let denied = json!({"credential_missing": 1, "key_unknown": 1, "secret_wrong": 1});
    assert_eq!((&told["keys"], &told["denied"]), (&json!(1), &denied));
    let instance = told["instance"].as_str().unwrap();
    let follows =
        edge.host.sent().into_iter().any(|call| call.path().contains(&format!("instance={instance}")));
    assert!(follows, "it is the instance that asks for the feed");
    assert!(told["over_ms"].as_u64() >= Some(USAGE_GATHERED_MS), "{told}");
    answer(&edge, first.call, 200);
    // A refusal alone is told as well.
    edge.request(4, &[(":path", "/")]);
    let second = body(&report(&mut edge, 2));
    assert_eq!((&second["keys"], &second["edge"]["denied"]), (&json!({}), &json!({"credential_missing": 1})));
}

#[test]
fn a_report_is_about_the_time_since_the_one_before_and_no_idle_time() {
    let mut edge = Edge::loaded(&least());
    edge.good_request(1);
    let first = report(&mut edge, 1).call;
    answer(&edge, first, 200);
    pass(&mut edge, 20 * USAGE_REPORTED_MS);
    edge.good_request(2);
    let over_ms = |call: &SentCall| body(call)["edge"]["over_ms"].as_u64().unwrap();
    let second = report(&mut edge, 2);
    assert!(over_ms(&second) <= 2 * USAGE_REPORTED_MS, "{}", over_ms(&second));
    // What was not heard is told again, with the time that it is about.
    answer(&edge, second.call, 503);
    let third = report(&mut edge, 3).call;
    answer(&edge, third, 503);
    let fourth = over_ms(&report(&mut edge, 4));
    assert!(fourth >= 2 * USAGE_REPORTED_MS, "{fourth}");
}

#[test]
fn a_service_that_knows_nothing_of_edges_is_told_the_uses_alone_and_asked_again_after_a_while() {
    let mut edge = Edge::loaded(&least());
    edge.good_request(1);
    wrong_secret(&mut edge, 2, "unknown");
    let first = report(&mut edge, 1).call;
    answer(&edge, first, 400);
    let second = report(&mut edge, 2);
    assert_eq!(body(&second), json!({"keys": {"good": [1, 0]}}));
    answer(&edge, second.call, 200);
    assert_eq!(edge.host.metric(metrics::USAGE_LOST), 0);
    edge.host.clocks().pass(USAGE_REFUSED_MS);
    edge.good_request(3);
    let third = report(&mut edge, 3);
    assert_eq!((keys(&third), body(&third)["edge"].is_object()), (json!({"good": [1, 0]}), true));
}

#[test]
fn a_service_that_cannot_read_the_uses_either_is_asked_again_after_a_while() {
    let mut edge = Edge::loaded(&least());
    edge.good_request(1);
    for number in 1..=2 {
        let call = report(&mut edge, number).call;
        answer(&edge, call, 400);
    }
    assert_eq!(edge.host.metric(metrics::USAGE_LOST), 1);
    edge.good_request(2);
    pass(&mut edge, 2 * USAGE_REPORTED_MS);
    assert_eq!(reports(&edge).len(), 2);
}
