//! The samples of docs/recipes.md: who passes and who does not, in a real Envoy.

use latchkey_key_feed::KeyRecord;
use latchkey_local_stack::envoy_config::EnvoyConfig;
use latchkey_local_stack::http::Request;
use serde_json::{Value, json};

use crate::samples::{sample, samples};
use crate::stage::{Stage, configure, encoded, key};

mod gateways;
mod modules;
mod rate_limits;
mod route_metadata;

/// Puts a filter behind the gate, before the router.
fn insert_after_the_gate(config: &mut EnvoyConfig, filter: Value) {
    let filters = http_filters(config);
    filters.insert(filters.len() - 1, filter);
}

fn http_filters(config: &mut EnvoyConfig) -> &mut Vec<Value> {
    config.connection_manager().unwrap()["http_filters"].as_array_mut().unwrap()
}

fn routes(config: &mut EnvoyConfig) -> &mut Vec<Value> {
    let virtual_host = &mut config.connection_manager().unwrap()["route_config"]["virtual_hosts"][0];
    virtual_host["routes"].as_array_mut().unwrap()
}

/// A key whose id is its owner and realm, with these roles.
fn key_of(owner: &str, realm: &str, roles: &[&str]) -> KeyRecord {
    let mut record = key(&format!("{owner}-{realm}"), "secret");
    record.owner.username = owner.to_owned();
    record.owner.realm = realm.to_owned();
    record.roles = roles.iter().map(|role| (*role).to_owned()).collect();
    record.vouched_roles.clone_from(&record.roles);
    record
}

/// The same request as the key of that id.
fn by(id: &str, request: Request) -> Request {
    request.api_key(&encoded(id, "secret"))
}

#[test]
fn the_rule_that_allows_shuts_everybody_else_out() {
    let records = vec![
        key_of("alice", "native", &[]),
        key_of("alice", "file", &[]),
        key_of("bob", "native", &["auditor", "order-reader", "writer"]),
        key_of("carol", "native", &["no-order-reader", "order-reader-not"]),
    ];
    let stage = Stage::with_keys(records, |config| {
        configure(config, "/authentication", json!("optional"));
        insert_after_the_gate(config, sample("envoy/rbac-allow.yaml"));
    });
    let statuses = |request: &dyn Fn() -> Request| {
        ["alice-native", "alice-file", "bob-native", "carol-native"]
            .map(|id| stage.send(&by(id, request())).status)
    };
    assert_eq!(statuses(&|| Request::get("/orders/1")), [200, 403, 200, 403]);
    assert_eq!(statuses(&|| Request::new("POST", "/orders/1")), [200, 403, 403, 403]);
    assert_eq!(statuses(&|| Request::get("/other")), [200, 403, 403, 403]);
    stage.send(&by("carol-native", Request::get("/orders/logged")));
    assert_eq!(stage.details("/orders/logged"), "rbac_access_denied_matched_policy[none]");
    let forged = Request::get("/orders/1")
        .header("x-api-key-owner", "alice")
        .header("x-api-key-roles", "order-reader");
    assert_eq!(stage.send(&forged).status, 403);
}

// `AuthorizationPolicy` cannot read filter state. Istio turns `request.headers[<name>]` into a principal that
// looks at the header, and lets the filter of the policy run after plugins of the phase AUTHN.
#[test]
fn the_authorization_policy_of_istio_decides_by_the_headers_of_the_gate() {
    let policies = samples("envoy/istio/authorization-policy.yaml");
    let [policy] = policies.as_slice() else { panic!("{policies:?}") };
    assert_eq!(
        (&policy["kind"], &policy["spec"]["action"]),
        (&json!("AuthorizationPolicy"), &json!("ALLOW"))
    );
    let rules = policy["spec"]["rules"].as_array().unwrap().iter().map(|rule| {
        let conditions = rule["when"].as_array().unwrap().iter().map(|condition| {
            let name = condition["key"].as_str().unwrap();
            let name = name.strip_prefix("request.headers[").unwrap().strip_suffix(']').unwrap();
            let values = condition["values"].as_array().unwrap().iter();
            json!({"or_ids": {"ids": values.map(|value| json!({"header": {"name": name, "string_match": {"exact": value}}})).collect::<Vec<_>>()}})
        });
        json!({"and_ids": {"ids": conditions.collect::<Vec<_>>()}})
    });
    let rules = json!({"action": "ALLOW", "policies": {"all": {"permissions": [{"any": true}], "principals": rules.collect::<Vec<_>>()}}});
    let rbac = json!({
        "name": "envoy.filters.http.rbac",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC", "rules": rules},
    });
    let records =
        vec![key_of("alice", "native", &[]), key_of("alice", "file", &[]), key_of("mallory", "native", &[])];
    let stage = Stage::with_keys(records, |config| {
        configure(config, "/authentication", json!("optional"));
        insert_after_the_gate(config, rbac);
    });
    let forging = || {
        Request::get("/policy").header("x-api-key-owner", "alice").header("x-api-key-owner-realm", "native")
    };
    let status = |id| stage.send(&by(id, forging())).status;
    assert_eq!(["alice-native", "alice-file", "mallory-native"].map(status), [200, 403, 403]);
    assert_eq!(stage.send(&forging()).status, 403);
}

#[test]
fn the_access_log_tells_who_it_was_and_why_it_was_refused_and_no_credential() {
    let mut record = key_of("bob", "native", &["reader"]);
    record.expiration = None;
    let stage = Stage::with_keys(vec![record], |config| {
        config.connection_manager().unwrap()["access_log"] = json!([sample("envoy/access-log.yaml")]);
        configure(
            config,
            "/credential_sources",
            json!([{"authorization": ["ApiKey"]}, {"query": "api_key"}]),
        );
        let read = json!({"name": "read", "match": {"paths": ["/read"]}, "require": {"role": "reader"}});
        let write = json!({"name": "write", "match": {"paths": ["/write"]}, "require": {"role": "writer"}});
        let watched = json!({"name": "watched", "match": {"paths": ["/watched"]}, "require": {"role": "writer"}, "mode": "shadow"});
        configure(config, "/rules", json!([read, write, watched]));
    });
    let good = encoded("bob-native", "secret");
    let wrong = encoded("bob-native", "wrong-secret-6b1e");
    let entry = |request: &Request, path: &str| {
        stage.send(request);
        let entry = stage.envoy.logged_request(path).unwrap();
        ["status", "reason", "rule", "shadow", "key_id", "owner", "realm", "claimed_key_id"]
            .map(|field| entry[field].clone())
    };
    let null = || json!(null);
    let known = || [json!("bob-native"), json!("bob"), json!("native"), null()];
    let [status, reason, rule, shadow, whom @ ..] = entry(&Request::get("/read").api_key(&good), "/read");
    assert_eq!((status, reason, rule, shadow), (json!(200), json!("via_upstream"), json!("read"), null()));
    assert_eq!(whom, known());
    let [status, reason, rule, shadow, whom @ ..] = entry(&Request::get("/write").api_key(&good), "/write");
    assert_eq!((status, reason), (json!(403), json!("latchkey_right_missing{write}")));
    assert_eq!((rule, shadow, whom), (json!("write"), null(), known()));
    let [status, _, rule, shadow, whom @ ..] = entry(&Request::get("/watched").api_key(&good), "/watched");
    assert_eq!((status, rule, shadow, whom), (json!(200), json!("watched"), json!("right_missing"), known()));
    let [status, reason, .., claimed] = entry(&Request::get("/bad").api_key(&wrong), "/bad");
    assert_eq!((status, reason, claimed), (json!(401), json!("latchkey_secret_wrong"), json!("bob-native")));
    let in_query = Request::get(&format!("/query?api_key={}&x=1", good.replace('=', "%3D")));
    assert_eq!(entry(&in_query, "/query")[4], json!("bob-native"));

    let log = stage.envoy.log().stdout();
    for secret in [
        good.trim_end_matches('='),
        wrong.trim_end_matches('='),
        "wrong-secret-6b1e",
        "api_key",
        "authorization",
    ] {
        assert!(!log.contains(secret), "the access log holds {secret}:\n{log}");
    }
}

/// What a browser asks before it sends a request with a header of its own.
fn preflight(path: &str) -> Request {
    Request::new("OPTIONS", path)
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "authorization")
}

/// A stage with the parts of the sample, the filter before or after the gate.
fn stage_with_cors(is_before: bool, cors_preflight: &str) -> Stage {
    Stage::with_keys(vec![key("id", "secret")], |config| {
        configure(config, "/cors_preflight", json!(cors_preflight));
        let parts = samples("envoy/cors.yaml");
        let [filter, policy] = parts.as_slice() else { panic!("{parts:?}") };
        routes(config)[0]["typed_per_filter_config"] = policy["typed_per_filter_config"].clone();
        http_filters(config).insert(usize::from(!is_before), filter.clone());
    })
}

#[test]
fn cors_before_the_gate_answers_preflights_and_lets_pages_read_refusals() {
    let stage = stage_with_cors(true, "refuse");
    let origin = |request: Request| request.header("origin", "https://shop.example");
    let allowed = |request: &Request| {
        let answer = stage.send(request);
        (answer.status, answer.header_values("access-control-allow-origin").concat())
    };
    let shop = || "https://shop.example".to_owned();
    assert_eq!(allowed(&preflight("/preflight")), (200, shop()));
    assert!(stage.upstream.requests_to("/preflight").is_empty(), "the filter answers it");
    assert_eq!(allowed(&origin(Request::get("/page"))), (401, shop()));
    assert_eq!(allowed(&origin(Request::get("/page")).api_key(&encoded("id", "secret"))), (200, shop()));
    let elsewhere = Request::get("/page").header("origin", "https://elsewhere.example");
    assert_eq!(allowed(&elsewhere), (401, String::new()));
}

#[test]
fn cors_after_the_gate_needs_preflights_to_pass() {
    let refusing = stage_with_cors(false, "refuse");
    assert_eq!(refusing.send(&preflight("/preflight")).status, 401);

    let passing = stage_with_cors(false, "pass");
    let answer = passing.send(&preflight("/preflight"));
    assert_eq!(
        (answer.status, answer.header_values("access-control-allow-origin").concat().as_str()),
        (200, "https://shop.example")
    );
    assert!(passing.upstream.requests_to("/preflight").is_empty(), "the filter answers it");
    // An OPTIONS that is no preflight is a request like any other, and a refusal tells the page nothing.
    assert_eq!(passing.send(&Request::new("OPTIONS", "/options")).status, 401);
    let refused = passing.send(&Request::get("/page").header("origin", "https://shop.example"));
    assert_eq!((refused.status, refused.header_values("access-control-allow-origin").len()), (401, 0));
}

#[test]
fn requests_go_by_the_owner_that_the_gate_has_found() {
    let alice_upstream = latchkey_local_stack::upstream::Upstream::start(([127, 0, 0, 1], 0).into()).unwrap();
    let records =
        vec![key_of("alice", "native", &[]), key_of("alice", "file", &[]), key_of("bob", "native", &[])];
    let stage = Stage::with_keys(records, |config| {
        configure(config, "/authentication", json!("optional"));
        configure(config, "/clear_route_cache", json!(true));
        routes(config).insert(0, sample("envoy/route-by-owner.yaml"));
        let mut cluster = config.cluster("upstream").unwrap().clone();
        cluster["name"] = json!("upstream_of_alice");
        config.bootstrap()["static_resources"]["clusters"].as_array_mut().unwrap().push(cluster);
        config.set_cluster_address("upstream_of_alice", alice_upstream.address()).unwrap();
    });
    let arrived = |path: &str, request: &Request| {
        assert_eq!(stage.send(request).status, 200);
        (alice_upstream.requests_to(path).len(), stage.upstream.requests_to(path).len())
    };
    assert_eq!(arrived("/alice", &by("alice-native", Request::get("/alice"))), (1, 0));
    assert_eq!(arrived("/other", &by("alice-file", Request::get("/other"))), (0, 1));
    // Whatever a client says of itself, as somebody else or as nobody.
    let forged = |path: &str| {
        Request::get(path).header("x-api-key-owner", "alice").header("x-api-key-owner-realm", "native")
    };
    assert_eq!(arrived("/bob", &by("bob-native", forged("/bob"))), (0, 1));
    assert_eq!(arrived("/nobody", &forged("/nobody")), (0, 1));
    assert_eq!(arrived("/true", &by("alice-native", forged("/true"))), (1, 0));
}
