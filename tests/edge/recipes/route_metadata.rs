//! Routes that ask for more in their metadata.

use super::*;
use crate::shells::lacks;

fn keys() -> Vec<KeyRecord> {
    vec![
        key_of("alice", "native", &["order-writer"]),
        key_of("bob", "native", &["order-reader"]),
        key_of("carol", "native", &[]),
    ]
}

/// A gate that asks routes, with the routes of the sample and these before them.
fn stage(more: &[Value], edit: impl FnOnce(&mut EnvoyConfig)) -> Stage {
    Stage::with_keys(keys(), |config| {
        configure(config, "/route_metadata", json!(true));
        edit(config);
        let sample = sample("envoy/route-metadata.yaml");
        let routes = routes(config);
        let others = std::mem::take(routes);
        routes.extend(more.iter().chain(sample.as_array().unwrap()).cloned());
        routes.extend(others);
    })
}

/// A route whose namespace `latchkey` holds that.
fn route(prefix: &str, latchkey: Value) -> Value {
    json!({
        "match": {"prefix": prefix},
        "metadata": {"filter_metadata": {"latchkey": latchkey, "istio": {"config": "/apis", "weight": 3}}},
        "route": {"cluster": "upstream"},
    })
}

#[track_caller]
fn answered(stage: &Stage, request: &Request, status: u16, details: &str) {
    assert_eq!(stage.send(request).status, status, "{}", request.target);
    assert_eq!(stage.details(&request.target), details);
}

#[test]
fn each_route_asks_for_what_its_metadata_says() {
    if lacks("route_metadata") {
        return;
    }
    let stage = stage(&[], |_| {});
    let statuses = |method: &'static str, path: &str| {
        ["alice-native", "bob-native", "carol-native"]
            .map(|id| stage.send(&by(id, Request::new(method, path))).status)
    };
    assert_eq!(statuses("GET", "/orders/1"), [200, 200, 403]);
    assert_eq!(statuses("POST", "/orders/1"), [200, 403, 403]);
    assert_eq!(statuses("GET", "/reports/1"), [200, 403, 403]);
    assert_eq!(statuses("GET", "/elsewhere"), [200, 200, 200]);
    answered(&stage, &by("carol-native", Request::get("/orders/2")), 403, "latchkey_route_right_missing");
    answered(&stage, &Request::get("/orders/3"), 401, "latchkey_credential_missing");
    assert!(stage.upstream.requests_to("/orders/2").is_empty());
    stage.assert_no_vm_died();
}

#[test]
fn a_route_tightens_what_a_rule_leaves_open() {
    if lacks("route_metadata") {
        return;
    }
    let stage = stage(&[], |config| {
        configure(
            config,
            "/rules",
            json!([{"name": "open", "match": {"paths": ["/**"]}, "authentication": "off"}]),
        );
    });
    assert_eq!(stage.send(&Request::get("/elsewhere")).status, 200);
    answered(&stage, &Request::get("/orders/1"), 401, "latchkey_credential_missing");
    answered(&stage, &by("carol-native", Request::get("/orders/2")), 403, "latchkey_route_right_missing");
    let seen = stage.send(&by("bob-native", Request::get("/orders/4")));
    assert_eq!(seen.status, 200);
    assert_eq!(stage.upstream.requests_to("/orders/4")[0].header_values("x-api-key-owner"), ["bob"]);
}

#[test]
fn metadata_that_is_not_understood_opens_nothing() {
    if lacks("route_metadata") {
        return;
    }
    let mistakes = [
        ("/misspelt", json!({"requires": {"role": "order-reader"}}), "did you mean require?"),
        ("/text", json!({"require": "order-reader"}), "latchkey.require is not an object"),
        ("/number", json!({"require": {"role": 7}}), "latchkey.require.role is not"),
        ("/claim", json!({"require": {"name": "x"}}), "latchkey.require.name cannot be required"),
        ("/empty", json!({}), "latchkey.require is required"),
    ];
    let routes: Vec<Value> =
        mistakes.iter().map(|(path, latchkey, _)| route(path, latchkey.clone())).collect();
    let stage = stage(&routes, |_| {});
    for (path, _, told) in mistakes {
        answered(&stage, &by("alice-native", Request::get(path)), 503, "latchkey_route_unreadable");
        stage.until("the log tells the mistake", || stage.envoy.log().stderr().contains(told));
    }
    assert_eq!(stage.stat("denied.reason.route_unreadable"), 5);
}

#[test]
fn a_request_without_a_route_is_refused() {
    if lacks("route_metadata") {
        return;
    }
    let stage = stage(&[], |config| routes(config).clear());
    answered(&stage, &by("alice-native", Request::get("/nowhere")), 503, "latchkey_route_unreadable");
    answered(&stage, &Request::get("/nobody"), 401, "latchkey_credential_missing");
}

// The lenient route is chosen by the forged header, and the strict one once the gate has removed it.
#[test]
fn a_forged_header_does_not_choose_the_route_that_is_asked() {
    if lacks("route_metadata") {
        return;
    }
    let lenient = json!({
        "match": {"prefix": "/orders/", "headers": [{"name": "x-api-key-owner", "string_match": {"exact": "carol"}}]},
        "route": {"cluster": "upstream"},
    });
    let stage = stage(&[lenient], |_| {});
    for name in ["x-api-key-owner", "X_Api_Key_Owner", "x-api-key-shadow"] {
        let path = format!("/orders/{name}");
        let forged = by("bob-native", Request::new("POST", &path)).header(name, "carol");
        answered(&stage, &forged, 400, "latchkey_route_ambiguous");
        assert!(stage.upstream.requests_to(&path).is_empty());
    }
}

// Such a route is chosen by what the gate has set, and that is after the gate. docs/configuration.md says not to
// write it, and to use rules.
#[test]
fn a_route_that_matches_by_an_identity_header_is_chosen_too_late_to_be_asked() {
    if lacks("route_metadata") {
        return;
    }
    let mut by_owner = route("/owned/", json!({"require": {"role": "order-writer"}}));
    by_owner["match"]["headers"] = json!([{"name": "x-api-key-owner", "string_match": {"exact": "bob"}}]);
    let stage = stage(&[by_owner], |_| {});
    assert_eq!(stage.send(&by("bob-native", Request::get("/owned/1"))).status, 200);
}

#[test]
fn a_request_that_waits_is_asked_by_its_route_afterwards() {
    if lacks("route_metadata") {
        return;
    }
    let keys =
        latchkey_local_stack::fake_key_service::FakeKeyService::start(crate::stage::epoch("first")).unwrap();
    keys.behave(latchkey_local_stack::fake_key_service::FeedManner::Status(500));
    for record in self::keys() {
        keys.put(record);
    }
    let stage = Stage::start(keys, |config| {
        configure(config, "/route_metadata", json!(true));
        configure(config, "/start_up_wait", json!("60s"));
        let sample = sample("envoy/route-metadata.yaml");
        routes(config).splice(0..0, sample.as_array().unwrap().iter().cloned());
    });
    let address = stage.address;
    let sent = |id: &'static str| {
        std::thread::spawn(move || {
            let request = by(id, Request::new("POST", "/orders/1"));
            latchkey_local_stack::http::http1::exchange(address, &request).unwrap().status
        })
    };
    let (alice, bob) = (sent("alice-native"), sent("bob-native"));
    stage.until("both wait", || stage.stat("waited") == 2);
    stage.keys.behave(latchkey_local_stack::fake_key_service::FeedManner::Truthful);
    assert_eq!((alice.join().unwrap(), bob.join().unwrap()), (200, 403));
}
