//! What routes ask in their metadata, in addition to rules.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::model::{Edge, FORGED, authorization, least};
use crate::filter::Flow;
use crate::host::LogLevel;
use crate::limits::{LINES_MAX, ROUTES_KEPT_MAX};
use crate::table::sample_keys::{APPLICATION, answer_with_rights, key, live};
use crate::testing::{HostCall, RequestState, route_metadata};

const GOOD: Option<&str> = Some("secret of good");

/// A gate with rules, whose key `good` has the roles `reader` and no other.
fn edge(more: Value) -> Edge {
    let mut config = least();
    config["route_metadata"] = json!(true);
    config["rules"] = json!([
        {"name": "off", "match": {"paths": ["/off"]}, "authentication": "off"},
        {"name": "optional", "match": {"paths": ["/optional"]}, "authentication": "optional"},
        {"name": "readers", "match": {"paths": ["/read"]}, "require": {"role": "reader"}},
        {"name": "tried", "match": {"paths": ["/tried"]}, "mode": "shadow"}
    ]);
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    Edge::loaded(&config)
}

/// A request for that path, with a key if there is one, whose route has that metadata.
fn ask(edge: &mut Edge, id: u32, path: &str, secret: Option<&str>, metadata: Option<Vec<u8>>) -> Flow {
    let authorization = secret.map(|secret| authorization("good", secret));
    let line = [(":method", "GET"), (":authority", "shop.example"), (":path", path)];
    let credential = authorization.as_deref().map(|value| ("authorization", value));
    let headers: Vec<_> = line.into_iter().chain(credential).collect();
    let state = RequestState { route_metadata: metadata, ..RequestState::with_headers(&headers) };
    edge.request_with(id, state)
}

fn requiring(role: &str) -> Option<Vec<u8>> {
    Some(route_metadata(&json!({"latchkey": {"require": {"role": role}}})))
}

fn asking_nothing() -> Option<Vec<u8>> {
    Some(Vec::new())
}

#[test]
fn a_route_asks_for_more_and_never_for_less() {
    let mut edge = edge(json!({}));
    for (id, (path, secret, metadata, refused)) in (1..).zip([
        ("/else", GOOD, asking_nothing(), None),
        ("/else", GOOD, requiring("reader"), None),
        ("/else", GOOD, requiring("writer"), Some((403, "latchkey_route_right_missing"))),
        ("/else", None, requiring("reader"), Some((401, "latchkey_credential_missing"))),
        // The rule still asks what it asks.
        ("/read", GOOD, requiring("reader"), None),
        ("/read", GOOD, requiring("writer"), Some((403, "latchkey_route_right_missing"))),
        // Where the rule asks for no key, the route does.
        ("/off", None, asking_nothing(), None),
        ("/off", None, requiring("reader"), Some((401, "latchkey_credential_missing"))),
        ("/off", GOOD, requiring("reader"), None),
        ("/optional", None, requiring("reader"), Some((401, "latchkey_credential_missing"))),
        ("/optional", GOOD, requiring("writer"), Some((403, "latchkey_route_right_missing"))),
    ]) {
        let expected = if refused.is_some() { Flow::Hold } else { Flow::Continue };
        assert_eq!(ask(&mut edge, id, path, secret, metadata), expected, "{path} {secret:?}");
        assert_eq!(edge.reply(id), refused.map(|(status, details)| (status, details.to_owned())), "{path}");
    }
}

#[test]
fn a_route_that_cannot_be_read_refuses_and_is_logged() {
    let mut edge = edge(json!({}));
    let misspelt = || Some(route_metadata(&json!({"latchkey": {"requires": {"role": "reader"}}})));
    let refused = Some((503, "latchkey_route_unreadable".to_owned()));
    for (id, metadata) in (1..).zip([misspelt(), misspelt(), Some(vec![0xFF]), None]) {
        assert_eq!(ask(&mut edge, id, "/else", GOOD, metadata), Flow::Hold);
        assert_eq!(edge.reply(id), refused);
    }
    assert_eq!(edge.host.logged("refused with 503"), [LogLevel::Error; 3]);
    let mistake = "latchkey.requires is not a known field, did you mean require?";
    assert_eq!(edge.host.logged(mistake), [LogLevel::Error]);
    // Whoever has no key is told that first.
    assert_eq!(ask(&mut edge, 10, "/off", None, None), Flow::Hold);
    assert_eq!(edge.reply(10), Some((401, "latchkey_credential_missing".to_owned())));
    for id in 20..20 + 2 * LINES_MAX {
        ask(&mut edge, id, "/else", GOOD, None);
    }
    assert_eq!(edge.host.logged("refused with 503").len(), LINES_MAX as usize);
}

// The route was chosen by the forged header; once it is gone, it may be another one.
#[test]
fn a_request_with_a_header_of_ours_is_refused_where_routes_are_asked() {
    for forged in FORGED {
        let mut edge = edge(json!({}));
        let authorization = authorization("good", "secret of good");
        let headers = [(":path", "/else"), ("authorization", authorization.as_str()), forged];
        let state = RequestState { route_metadata: asking_nothing(), ..RequestState::with_headers(&headers) };
        assert_eq!(edge.request_with(1, state), Flow::Hold, "{forged:?}");
        assert_eq!(edge.reply(1), Some((400, "latchkey_route_ambiguous".to_owned())));
    }
}

#[test]
fn in_shadow_mode_a_route_is_told_of() {
    let mut edge = edge(json!({}));
    assert_eq!(ask(&mut edge, 1, "/tried", GOOD, requiring("writer")), Flow::Continue);
    assert_eq!(edge.state(1).values("x-api-key-shadow"), ["route_right_missing"]);
    assert_eq!(ask(&mut edge, 2, "/tried", GOOD, None), Flow::Continue);
    assert_eq!(edge.state(2).values("x-api-key-shadow"), ["route_unreadable"]);
}

#[test]
fn a_preflight_passes_whatever_its_route_asks() {
    let mut edge = edge(json!({"cors_preflight": "pass"}));
    let headers = [
        (":method", "OPTIONS"),
        (":path", "/read"),
        ("origin", "https://shop.example"),
        ("access-control-request-method", "GET"),
    ];
    let state = RequestState { route_metadata: requiring("writer"), ..RequestState::with_headers(&headers) };
    assert_eq!(edge.request_with(1, state), Flow::Continue);
}

#[test]
fn routes_cost_a_call_only_where_they_are_asked() {
    let mut asked = edge(json!({}));
    let mut other = edge(json!({"route_metadata": false}));
    for edge in [&mut asked, &mut other] {
        ask(edge, 1, "/else", GOOD, requiring("writer"));
    }
    let calls = |edge: &Edge| {
        edge.host.calls_since(0).into_iter().filter(|call| *call == HostCall::RouteMetadata).count()
    };
    assert_eq!((calls(&asked), calls(&other)), (1, 0));
    assert_eq!(other.reply(1), None);
}

#[test]
fn whichever_call_fails_a_request_passes_only_where_its_route_was_asked() {
    let mut whole = edge(json!({}));
    let before = whole.host.calls();
    assert_eq!(ask(&mut whole, 1, "/off", GOOD, requiring("reader")), Flow::Continue);
    for (number, failed) in whole.host.calls_since(before).into_iter().enumerate() {
        for (role, held) in [("reader", true), ("writer", false)] {
            let mut edge = edge(json!({}));
            edge.host.fail_call(number);
            let flow = ask(&mut edge, 1, "/off", GOOD, requiring(role));
            let may_pass = held && failed != HostCall::RouteMetadata;
            assert!(flow == Flow::Hold || may_pass, "{role} passed although {failed:?} had failed");
        }
    }
}

#[test]
fn a_route_asks_for_a_privilege_that_a_rule_asks_for_as_well() {
    let privilege = |name: &str| json!({"privilege": {"application": APPLICATION, "privilege": name, "resource": "orders"}});
    let mut config = least();
    config["route_metadata"] = json!(true);
    config["rules"] = json!([{"name": "known", "match": {"hosts": ["unused.invalid"]}, "require": {"any_of": [
        privilege("read"), privilege("write")
    ]}}]);
    let mut edge = Edge::new(&config);
    edge.tick();
    let record = key("good");
    let rights = json!({"limited_by": {"applications": [
        {"application": APPLICATION, "privileges": ["read"], "resources": ["*"]}]}});
    let rights = BTreeMap::from([(record.id.clone(), rights.to_string())]);
    edge.answer_with(200, answer_with_rights(1, &[live(1, record)], rights, None));
    edge.tick();
    let requiring = |name: &str| Some(route_metadata(&json!({"latchkey": {"require": privilege(name)}})));
    for (id, (name, refused)) in (1..).zip([
        ("read", None),
        ("write", Some((403, "latchkey_route_right_missing"))),
        ("delete", Some((503, "latchkey_route_unreadable"))),
    ]) {
        ask(&mut edge, id, "/", GOOD, requiring(name));
        assert_eq!(edge.reply(id), refused.map(|(status, details)| (status, details.to_owned())), "{name}");
    }
}

#[test]
fn what_routes_ask_is_kept_for_a_bounded_number_of_them() {
    let mut edge = edge(json!({}));
    let mut ask_route = |number: usize| {
        let role = format!("role-{number}");
        ask(&mut edge, number as u32 + 1, "/off", None, requiring(&role));
        edge.root.routes_kept()
    };
    for number in 0..ROUTES_KEPT_MAX {
        assert_eq!(ask_route(number), number + 1);
    }
    assert_eq!(ask_route(0), ROUTES_KEPT_MAX);
    assert_eq!(ask_route(ROUTES_KEPT_MAX), 1);
}
