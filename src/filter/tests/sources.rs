//! Credentials in places that the operator names: what is taken out of a request, and when.

use serde_json::{Value, json};

use super::model::{Edge, least, with};
use crate::filter::Flow;
use crate::table::sample_keys::{key, live};
use crate::testing::HostCall;

/// `printf 'good:secret of good' | base64`, as it stands in a query.
const GOOD: &str = "Z29vZDpzZWNyZXQgb2YgZ29vZA%3D%3D";

fn sources() -> Value {
    with("credential_sources", json!([{"authorization": ["ApiKey"]}, {"query": "key"}, {"cookie": "key"}]))
}

fn by_query(rest: &str) -> Vec<(&'static str, String)> {
    vec![(":path", format!("/a?{rest}&key={GOOD}&b")), ("x-envoy-original-path", format!("/old?key={GOOD}"))]
}

fn ask(edge: &mut Edge, id: u32, headers: &[(&'static str, String)]) -> Flow {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    edge.request(id, &headers)
}

#[test]
fn the_parameter_goes_with_its_copy_and_the_rest_stays() {
    let mut edge = Edge::loaded(&sources());
    assert_eq!(ask(&mut edge, 1, &by_query("c=%41")), Flow::Continue);
    let state = edge.state(1);
    assert_eq!(state.values(":path"), ["/a?c=%41&b"]);
    assert_eq!(state.values("x-envoy-original-path"), ["/old"]);
    assert_eq!(state.values("x-api-key-id"), ["good"]);
}

#[test]
fn the_cookie_goes_and_other_bytes_stay() {
    let mut edge = Edge::loaded(&sources());
    let cookies = "a=\u{e4}; key=Z29vZDpzZWNyZXQgb2YgZ29vZA==; b";
    assert_eq!(edge.request(1, &[(":path", "/"), ("cookie", cookies)]), Flow::Continue);
    assert_eq!(edge.state(1).values("cookie"), ["a=\u{e4}; b"]);
}

#[test]
fn a_refused_request_has_no_credential_in_its_path() {
    let mut edge = Edge::loaded(&sources());
    let authorization = vec![("authorization", "ApiKey x".to_owned())];
    assert_eq!(ask(&mut edge, 1, &[by_query("c"), authorization].concat()), Flow::Hold);
    assert_eq!(edge.reply(1), Some((401, "latchkey_credential_duplicate".to_owned())));
    assert_eq!(edge.state(1).values(":path"), ["/a?c&b"]);
    assert_eq!(edge.request(2, &[(":path", "/a?b&key=")]), Flow::Hold);
    let reply = edge.state(2).reply.unwrap();
    assert_eq!(reply.details, "latchkey_credential_empty");
    assert!(reply.body.contains("[/a?b]"), "{}", reply.body);
}

#[test]
fn a_request_that_waits_is_woken_with_the_credential_that_was_taken_out_of_it() {
    let mut edge = Edge::new(&sources());
    assert_eq!(ask(&mut edge, 1, &by_query("c")), Flow::Hold);
    assert_eq!(edge.state(1).values(":path"), ["/a?c&b"], "the access log could show it");
    edge.tick();
    edge.tick();
    assert_eq!(edge.state(1).reply, None, "it waits as before");
    edge.answer(&[live(1, key("good"))], 1);
    edge.tick();
    assert_eq!(edge.resumed(), [1]);
    assert_eq!(edge.state(1).values("x-api-key-id"), ["good"]);
    assert_eq!(edge.state(1).values(":path"), ["/a?c&b"]);
}

#[test]
fn where_the_path_cannot_be_changed_a_request_neither_waits_nor_passes() {
    for loaded in [true, false] {
        let mut edge = if loaded { Edge::loaded(&sources()) } else { Edge::new(&sources()) };
        edge.host.fail_all(HostCall::SetHeader);
        assert_eq!(ask(&mut edge, 1, &by_query("c")), Flow::Hold);
        assert_eq!(edge.reply(1), Some((503, "latchkey_host_failed".to_owned())));
    }
}

#[test]
fn a_credential_that_is_forwarded_stays_while_its_request_waits() {
    let mut config = sources();
    config["forward_credential"] = json!(true);
    let mut edge = Edge::new(&config);
    ask(&mut edge, 1, &by_query("c"));
    edge.tick();
    edge.answer(&[live(1, key("good"))], 1);
    edge.tick();
    assert_eq!(edge.resumed(), [1]);
    assert_eq!(edge.state(1).values(":path"), [format!("/a?c&key={GOOD}&b")]);
}

// In shadow mode such a request goes on to the upstream.
#[test]
fn what_would_be_refused_passes_without_its_credentials() {
    let mut config = sources();
    config["mode"] = json!("shadow");
    let mut edge = Edge::loaded(&config);
    let twice = [
        (":path", "/a?key=x&b&key=y"),
        ("authorization", "ApiKey\tx"),
        ("cookie", "a=1; key=x"),
        ("cookie", "key=y; b=2"),
    ];
    assert_eq!(edge.request(1, &twice), Flow::Continue);
    let state = edge.state(1);
    assert_eq!(state.values("x-api-key-shadow"), ["credential_duplicate"]);
    assert_eq!(
        (state.values(":path"), state.values("cookie")),
        (vec!["/a?b".into()], vec!["a=1; b=2".into()])
    );
    assert!(state.values("authorization").is_empty());
}

#[test]
fn other_places_cost_no_further_call_of_the_host() {
    let calls = |config: &Value, headers: &[(&'static str, String)]| {
        let mut edge = Edge::loaded(config);
        let before = edge.host.calls();
        ask(&mut edge, 1, headers);
        edge.host.calls_since(before)
    };
    let plain = vec![("authorization", super::model::authorization("good", "secret of good"))];
    let usual = calls(&least(), &plain);
    assert_eq!(calls(&sources(), &plain), usual);
    // The path is set where the header is removed.
    let mut by_path = calls(&sources(), &[(":path", format!("/?key={GOOD}"))]);
    let set = by_path.iter().position(|call| *call == HostCall::SetHeader).unwrap();
    by_path[set] = HostCall::RemoveHeader;
    assert_eq!(by_path, usual);
}
