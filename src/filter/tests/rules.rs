//! Rules, from the configuration to what the upstream, the client and the operator see.

use serde_json::{Value, json};

use super::model::{Edge, FORGED, authorization, least};
use crate::filter::Flow;
use crate::host::LogLevel;
use crate::limits::{LINES_MAX, LINES_MS};
use crate::metrics;
use crate::testing::HostCall;

/// The least configuration and more.
fn configured(more: Value) -> Value {
    let mut config = least();
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    config
}

fn ruled(rules: Value) -> Value {
    configured(json!({"rules": rules}))
}

/// A request for that path, with a key if there is one, and with all that a client may make up.
fn ask(edge: &mut Edge, id: u32, path: &str, secret: Option<&str>) -> Flow {
    let authorization = secret.map(|secret| authorization("good", secret));
    let line =
        [(":method", "GET"), (":authority", "shop.example"), (":path", path), ("x-api-key-shadow", "forged")];
    let credential = authorization.as_deref().map(|value| ("authorization", value));
    edge.request(id, &line.iter().chain(&FORGED).copied().chain(credential).collect::<Vec<_>>())
}

/// What the upstream reads that is the filter's.
fn told(edge: &Edge, id: u32) -> Vec<String> {
    ["x-api-key-id", "x-api-key-shadow"].map(|name| edge.state(id).values(name)).concat()
}

const GOOD: Option<&str> = Some("secret of good");

fn rules() -> Value {
    json!([
        {"name": "health", "match": {"paths": ["/healthz"]}, "authentication": "off"},
        {"name": "catalogue", "match": {"paths": ["/catalogue/**"]}, "authentication": "optional"},
        {"name": "readers", "match": {"paths": ["/read/**"]}, "require": {"role": "reader"}},
        {"name": "writers", "match": {"paths": ["/write/**"]}, "require": {"role": "writer"}},
        {"name": "tried", "match": {"paths": ["/tried/**"]}, "mode": "shadow", "require": {"role": "writer"}}
    ])
}

#[test]
fn each_rule_asks_what_it_says() {
    let mut edge = Edge::loaded(&ruled(rules()));
    for (id, (path, secret, expected)) in (1..).zip([
        ("/healthz", None, Flow::Continue),
        ("/healthz", Some("wrong"), Flow::Continue),
        ("/catalogue/1", None, Flow::Continue),
        ("/catalogue/1", GOOD, Flow::Continue),
        ("/catalogue/1", Some("wrong"), Flow::Hold),
        ("/read/1", GOOD, Flow::Continue),
        ("/read/1", None, Flow::Hold),
        ("/write/1", GOOD, Flow::Hold),
        ("/write/1", Some("wrong"), Flow::Hold),
        ("/elsewhere", GOOD, Flow::Continue),
        ("/elsewhere", None, Flow::Hold),
        ("/%68ealthz", None, Flow::Continue),
        ("/healthz/..%2fread", None, Flow::Hold),
    ]) {
        assert_eq!(ask(&mut edge, id, path, secret), expected, "{path} {secret:?}");
        if expected == Flow::Continue {
            let state = edge.state(id);
            assert!(!state.headers.iter().any(|(_, value)| value == b"forged"), "{path}: {state:?}");
        }
    }
}

#[test]
fn a_good_key_without_the_right_is_refused_with_403() {
    let mut edge = Edge::loaded(&ruled(rules()));
    assert_eq!(ask(&mut edge, 1, "/write/1", GOOD), Flow::Hold);
    let state = edge.state(1);
    let reply = state.reply.as_ref().unwrap();
    assert_eq!((reply.status, reply.grpc_status), (403, 7));
    assert_eq!(reply.details, "latchkey_right_missing{writers}");
    let reason = "action [writers] is unauthorized for API key id [good]";
    let cause = json!({"type": "security_exception", "reason": reason});
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    let error = json!({"root_cause": [cause], "type": "security_exception", "reason": reason});
    assert_eq!(body, json!({"error": error, "status": 403}));
    assert!(!reply.body.contains("writer\""), "the right itself is not named");
    assert_eq!(edge.host.metric("latchkey.denied.rule.writers.reason.right_missing"), 1);
    // The access log knows whose key it was, because it was proven.
    for (name, value) in [("latchkey.id", "good"), ("latchkey.owner", "alice"), ("latchkey.rule", "writers")]
    {
        assert!(state.filter_state.contains(&(name.to_owned(), value.to_owned())), "{name}: {state:?}");
    }
    assert_eq!((edge.body(1), edge.trailers(1, &[])), (Flow::Hold, Flow::Hold));
}

#[test]
fn a_right_that_nobody_can_tell_is_trouble_and_no_refusal_of_the_key() {
    let privilege = json!({"privilege": {"application": "shop", "privilege": "read", "resource": "orders"}});
    let mut edge = Edge::loaded(&ruled(json!([{"name": "a", "match": {}, "require": privilege}])));
    assert_eq!(ask(&mut edge, 1, "/", GOOD), Flow::Hold);
    assert_eq!(edge.reply(1), Some((503, "latchkey_rights_unknown".to_owned())));
    assert_eq!(edge.host.metric("latchkey.denied.rule.a.reason.rights_unknown"), 1);
}

#[test]
fn an_ambiguous_path_is_refused_where_rules_have_paths() {
    let mut edge = Edge::loaded(&ruled(rules()));
    assert_eq!(ask(&mut edge, 1, "//healthz", GOOD), Flow::Hold);
    assert_eq!(edge.reply(1), Some((400, "latchkey_path_ambiguous".to_owned())));
    assert_eq!(edge.host.metric("latchkey.denied.reason.path_ambiguous"), 1);
    let mut without_rules = Edge::loaded(&least());
    assert_eq!(ask(&mut without_rules, 1, "//healthz", GOOD), Flow::Continue);
}

#[test]
fn the_rule_is_told_to_the_rest_of_the_proxy_and_costs_one_call() {
    let calls = |config: &Value| {
        let mut edge = Edge::loaded(config);
        let before = edge.host.calls();
        assert_eq!(ask(&mut edge, 1, "/read/1", GOOD), Flow::Continue);
        (edge.host.calls() - before, edge.state(1).filter_state)
    };
    let (without, state) = calls(&least());
    assert!(!state.iter().any(|(name, _)| name == "latchkey.rule"));
    let (with_rules, state) = calls(&ruled(rules()));
    assert!(state.contains(&("latchkey.rule".to_owned(), "readers".to_owned())));
    assert_eq!(with_rules, without + 1);
    let quiet = configured(json!({"rules": rules(), "identity": {"filter_state": ["id"]}}));
    let (_, state) = calls(&quiet);
    assert_eq!(state, [("latchkey.id".to_owned(), "good".to_owned())]);
    assert!(Edge::new(&ruled(rules())).host.declared().contains(&"latchkey.rule".to_owned()));
    assert!(!Edge::new(&least()).host.declared().contains(&"latchkey.rule".to_owned()));
}

#[test]
fn a_preflight_passes_as_nobody_where_the_operator_says_so() {
    let preflight = [
        (":method", "OPTIONS"),
        (":authority", "a"),
        (":path", "/read/1"),
        ("origin", "https://a"),
        ("access-control-request-method", "PUT"),
        ("x_api_key_id", "forged"),
        ("x-api-key-shadow", "forged"),
    ];
    let mut edge = Edge::loaded(&configured(json!({"cors_preflight": "pass", "rules": rules()})));
    assert_eq!(edge.request(1, &preflight), Flow::Continue);
    assert_eq!(edge.state(1).headers.len(), 5, "{:?}", edge.state(1));
    edge.tick();
    assert_eq!(edge.host.metric(metrics::PASSED_WITHOUT_KEY), 1);
    let mut edge = Edge::loaded(&ruled(rules()));
    assert_eq!(edge.request(1, &preflight), Flow::Hold);
    assert_eq!(edge.reply(1), Some((401, "latchkey_credential_missing".to_owned())));
}

// A browser sends it for the very URL of the request that follows.
#[test]
fn a_preflight_brings_no_credential_to_the_upstream_or_the_log() {
    let credential = authorization("good", "secret of good");
    let preflight = |path: &'static str| {
        [
            (":method", "OPTIONS"),
            (":authority", "a"),
            (":path", path),
            ("origin", "https://a"),
            ("access-control-request-method", "PUT"),
            ("authorization", &credential),
        ]
    };
    let sources = json!([{"authorization": ["ApiKey"]}, {"query": "api_key"}]);
    let configuration =
        configured(json!({"cors_preflight": "pass", "credential_sources": sources, "rules": rules()}));
    let mut edge = Edge::loaded(&configuration);
    for (id, path) in (1..).zip(["/read/1?api_key=c2VjcmV0&b=1", "/catalogue/1?b=1&api_key=c2VjcmV0"]) {
        assert_eq!(edge.request(id, &preflight(path)), Flow::Continue, "{path}");
        assert_eq!(edge.state(id).values(":path"), [path.split('?').next().unwrap().to_owned() + "?b=1"]);
        assert!(edge.state(id).values("authorization").is_empty(), "{path}");
    }
    // Where nothing is looked at, nothing is removed.
    assert_eq!(edge.request(9, &preflight("/healthz?api_key=x")), Flow::Continue);
    assert_eq!(edge.state(9).values(":path"), ["/healthz?api_key=x"]);
}

#[test]
fn shadow_mode_refuses_nothing_and_tells_what_it_would_have_refused() {
    let rules = json!([
        {"name": "readers", "match": {"paths": ["/read/**"]}, "require": {"role": "reader"}},
        {"name": "writers", "match": {"paths": ["/write/**"]}, "require": {"role": "writer"}}
    ]);
    let mut edge = Edge::loaded(&configured(json!({"mode": "shadow", "rules": rules})));
    for (id, (path, secret, expected, rule)) in (1..).zip([
        ("/read/1", GOOD, &["good"][..], ".rule.readers"),
        ("/read/1", None, &["credential_missing"], ".rule.readers"),
        ("/read/1", Some("wrong"), &["secret_wrong"], ".rule.readers"),
        ("/write/1", GOOD, &["good", "right_missing"], ".rule.writers"),
        ("//write/1", GOOD, &["good", "path_ambiguous"], ""),
        ("//write/1", None, &["path_ambiguous"], ""),
        ("/elsewhere", None, &["credential_missing"], ""),
    ]) {
        assert_eq!(ask(&mut edge, id, path, secret), Flow::Continue, "{path}");
        assert_eq!(told(&edge, id), expected, "{path} {secret:?}");
        let state = edge.state(id);
        assert!(!state.headers.iter().any(|(_, value)| value == b"forged"), "{path}: {state:?}");
        assert!(state.values("authorization").is_empty(), "{path}");
        if let Some(reason) = expected.last().filter(|reason| **reason != "good") {
            let in_state = ("latchkey.shadow".to_owned(), (*reason).to_owned());
            assert!(state.filter_state.contains(&in_state), "{path}: {state:?}");
            assert!(
                edge.host.metric(&format!("latchkey.shadowed{rule}.reason.{reason}")) > 0,
                "{path} {reason}"
            );
        }
    }
    assert_eq!(edge.host.metric("latchkey.denied.reason.path_ambiguous"), 0);
    assert_eq!(edge.host.logged("shadow: writers would refuse a request: right_missing"), [LogLevel::Info]);
}

#[test]
fn in_shadow_mode_nothing_waits_for_a_table() {
    let mut edge = Edge::new(&configured(json!({"mode": "shadow"})));
    assert_eq!(ask(&mut edge, 1, "/", GOOD), Flow::Continue);
    assert_eq!(told(&edge, 1), ["table_absent"]);
    assert_eq!(edge.host.metric(metrics::WAITED), 0);
}

#[test]
fn a_rule_may_be_in_shadow_alone() {
    let mut edge = Edge::loaded(&ruled(rules()));
    assert_eq!(ask(&mut edge, 1, "/tried/1", GOOD), Flow::Continue);
    assert_eq!(told(&edge, 1), ["good", "right_missing"]);
    assert_eq!(ask(&mut edge, 2, "/write/1", GOOD), Flow::Hold);
    // Which rule it would be nobody can tell, so the filter's own mode decides.
    assert_eq!(ask(&mut edge, 3, "/tried//1", GOOD), Flow::Hold);
}

#[test]
fn where_nothing_is_wrong_a_client_cannot_say_that_it_is() {
    let mut edge = Edge::loaded(&least());
    assert_eq!(ask(&mut edge, 1, "/", GOOD), Flow::Continue);
    assert_eq!(told(&edge, 1), ["good"]);
}

#[test]
fn lines_about_shadow_mode_are_bounded() {
    let mut edge = Edge::loaded(&configured(json!({"mode": "shadow"})));
    let lines = |edge: &Edge| edge.host.logged("shadow: no rule would refuse").len();
    let most = LINES_MAX as usize;
    for id in 1..=2 * LINES_MAX {
        ask(&mut edge, id, "/", None);
    }
    assert_eq!(lines(&edge), most);
    edge.host.clocks().pass(LINES_MS);
    for id in 1..=2 * LINES_MAX {
        ask(&mut edge, id, "/", None);
    }
    assert_eq!(lines(&edge), 2 * most);
    assert_eq!(edge.host.metric("latchkey.shadowed.reason.credential_missing"), 4 * u64::from(LINES_MAX));
}

#[test]
fn a_filter_whose_rules_ask_for_keys_follows_the_feed() {
    let off = |rules: Value| Edge::new(&configured(json!({"authentication": "off", "rules": rules})));
    let mut asking = off(json!([{"name": "a", "match": {"paths": ["/a"]}}]));
    asking.tick();
    assert!(!asking.host.sent().is_empty());
    let mut silent = off(json!([{"name": "a", "match": {"paths": ["/a"]}, "authentication": "off"}]));
    silent.tick();
    assert!(silent.host.sent().is_empty());
}

#[test]
fn whichever_call_fails_a_key_without_the_right_does_not_pass() {
    let config = ruled(rules());
    let mut whole = Edge::loaded(&config);
    let before = whole.host.calls();
    assert_eq!(ask(&mut whole, 1, "/write/1", GOOD), Flow::Hold);
    for number in 0..whole.host.calls() - before {
        let mut edge = Edge::loaded(&config);
        edge.host.fail_call(number);
        assert_eq!(ask(&mut edge, 1, "/write/1", GOOD), Flow::Hold);
        assert_eq!(edge.body(1), Flow::Hold);
    }
}

#[test]
fn whichever_call_fails_a_request_in_shadow_mode_passes_without_forged_headers_or_not_at_all() {
    for secret in [GOOD, Some("wrong"), None] {
        let config = configured(json!({"mode": "shadow", "rules": rules()}));
        let mut whole = Edge::loaded(&config);
        let before = whole.host.calls();
        assert_eq!(ask(&mut whole, 1, "/write/1", secret), Flow::Continue);
        let calls: Vec<HostCall> = whole.host.calls_since(before);
        for (number, failed) in calls.into_iter().enumerate() {
            let mut edge = Edge::loaded(&config);
            edge.host.fail_call(number);
            if ask(&mut edge, 1, "/write/1", secret) == Flow::Continue {
                let state = edge.state(1);
                assert!(!state.headers.iter().any(|(_, value)| value == b"forged"), "{failed:?}: {state:?}");
            }
        }
    }
}
