//! What keys may do, from the feed to the answer of a request.

use std::collections::BTreeMap;

use latchkey_key_feed::FEED_VERSION_HEADER;
use serde_json::json;

use super::model::{Edge, authorization, least};
use crate::filter::Flow;
use crate::host::LogLevel;
use crate::metrics;
use crate::table::sample_keys::{APPLICATION, answer_with_rights, key, live};

/// A plugin whose rules ask what a key may do with an order.
fn edge() -> Edge {
    let privilege = |name: &str| json!({"privilege": {"application": APPLICATION, "privilege": name, "resource": "orders/{id}"}});
    let mut config = least();
    config["rules"] = json!([
        {"name": "read", "match": {"paths": ["/orders/{id}"], "methods": ["GET"]}, "require": privilege("read")},
        {"name": "write", "match": {"paths": ["/orders/{id}"]}, "require": privilege("write")}]);
    let mut edge = Edge::new(&config);
    edge.tick();
    edge
}

/// The key service says that the key `good` may read these orders.
fn answer(edge: &mut Edge, seq: u64, orders: &str, registered: Option<&str>) {
    let record = key("good");
    let rights = json!({"limited_by": {"applications": [
        {"application": APPLICATION, "privileges": ["read"], "resources": [orders]}]}});
    let rights = BTreeMap::from([(record.id.clone(), rights.to_string())]);
    let registered = registered.map(|json| (seq, Some(json.to_owned())));
    edge.answer_with(200, answer_with_rights(seq, &[live(seq, record)], rights, registered));
    edge.tick();
}

fn ask(edge: &mut Edge, id: u32, method: &str, path: &str) -> Option<(u32, String)> {
    let credential = authorization("good", "secret of good");
    let headers = [(":method", method), (":authority", "shop.example"), (":path", path)];
    let flow = edge.request(id, &[&headers[..], &[("authorization", &credential)]].concat());
    if flow == Flow::Continue { None } else { edge.reply(id) }
}

fn missing(rule: &str) -> Option<(u32, String)> {
    Some((403, format!("latchkey_right_missing{{{rule}}}")))
}

#[test]
fn a_key_may_do_what_it_has_the_privilege_for_and_where() {
    let mut edge = edge();
    let sent = edge.host.sent().last().unwrap().headers.clone();
    assert!(sent.contains(&(FEED_VERSION_HEADER.to_owned(), "2".to_owned())), "{sent:?}");
    answer(&mut edge, 1, "orders/a*", None);
    assert_eq!(edge.host.metric("latchkey.feed.version"), 2);
    assert_eq!(ask(&mut edge, 1, "GET", "/orders/a1"), None);
    assert_eq!(ask(&mut edge, 2, "GET", "/orders/b1"), missing("read"));
    assert_eq!(ask(&mut edge, 3, "PUT", "/orders/a1"), missing("write"));
    // A path that is a pattern asks for everything that it matches.
    assert_eq!(ask(&mut edge, 4, "GET", "/orders/*"), missing("read"));
    assert_eq!(ask(&mut edge, 5, "GET", "/orders/a*"), None);
    answer(&mut edge, 2, "orders/b*", None);
    assert_eq!(ask(&mut edge, 6, "GET", "/orders/a1"), missing("read"));
    answer(&mut edge, 3, "orders/b*", Some(r#"{"read":["data:a"],"write":["data:a"]}"#));
    assert_eq!(ask(&mut edge, 7, "PUT", "/orders/b1"), None);
    answer(&mut edge, 4, "orders/b*", Some("{}"));
    assert_eq!(ask(&mut edge, 8, "PUT", "/orders/b1"), missing("write"));
}

#[test]
fn the_upstream_is_told_the_privileges_of_the_key_and_nothing_that_a_client_made_up() {
    let mut config = least();
    config["identity"] = json!({"privileges": {"application": APPLICATION}, "filter_state": ["privileges"]});
    let mut edge = Edge::new(&config);
    edge.tick();
    let credential = authorization("good", "secret of good");
    let told = |edge: &mut Edge, id| {
        let flow = edge.request(
            id,
            &[
                (":path", "/"),
                ("authorization", &credential),
                ("x-api-key-privileges", "[{\"privileges\":[\"all\"],\"resources\":[\"*\"]}]"),
                ("X_Api.Key-Privileges", "all"),
            ],
        );
        assert_eq!(flow, Flow::Continue);
        let state = edge.state(id);
        let is_told = |(name, _): &&(Vec<u8>, Vec<u8>)| name.to_ascii_lowercase().ends_with(b"privileges");
        let values: Vec<_> = state.headers.iter().filter(is_told).map(|(_, value)| value.clone()).collect();
        let in_state = state.filter_state.iter().find(|(name, _)| name == "latchkey.privileges");
        assert_eq!(values.first(), in_state.map(|(_, value)| value.clone().into_bytes()).as_ref());
        assert!(values.len() < 2, "{values:?}");
        values.first().map(|value| String::from_utf8_lossy(value).into_owned())
    };
    answer(&mut edge, 1, "orders/a*", Some(r#"{"read":["data:a"],"write":["data:b"]}"#));
    let read = r#"[{"privileges":["read"],"resources":["orders/a*"]}]"#;
    assert_eq!(told(&mut edge, 1).as_deref(), Some(read));
    answer(&mut edge, 2, "orders/b*", Some("{}"));
    assert_eq!(told(&mut edge, 2).as_deref(), Some("[]"));
    edge.tick();
    assert_eq!(edge.host.metric(metrics::PRIVILEGES_UNTOLD), 0);
    // An older key service says nothing of rights.
    let mut edge = Edge::new(&config);
    edge.tick();
    edge.answer(&[live(1, key("good"))], 1);
    edge.tick();
    assert_eq!(told(&mut edge, 3), None);
    edge.tick();
    assert_eq!(edge.host.metric(metrics::PRIVILEGES_UNTOLD), 1);
    assert_eq!(edge.host.logged("the privileges of a key are not told: unknown"), [LogLevel::Warn]);
}

#[test]
fn an_answer_that_is_kept_costs_a_request_no_call_of_the_host() {
    let mut edge = edge();
    answer(&mut edge, 1, "orders/*", None);
    assert_eq!(ask(&mut edge, 1, "GET", "/orders/1"), None);
    let reads = edge.host.shared().reads();
    assert_eq!(ask(&mut edge, 2, "GET", "/orders/2"), None);
    assert_eq!(edge.host.shared().reads(), reads);
}

#[test]
fn an_older_key_service_is_told_of_and_nobody_is_admitted_by_a_guess() {
    let mut edge = edge();
    edge.answer(&[live(1, key("good"))], 1);
    edge.tick();
    assert_eq!(ask(&mut edge, 1, "GET", "/orders/1"), Some((503, "latchkey_rights_unknown".to_owned())));
    assert_eq!(edge.host.metric("latchkey.feed.version"), 1);
    assert_eq!(edge.host.logged("does not tell what keys may do"), [LogLevel::Error]);
}
