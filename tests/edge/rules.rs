//! Rules by host, path and method.

use latchkey_key_feed::KeyRecord;
use latchkey_local_stack::envoy_config::EnvoyConfig;
use latchkey_local_stack::http::http1::Http1Connection;
use latchkey_local_stack::http::{Request, Response, http2};
use serde_json::{Value, json};

use crate::stage::{Stage, configure, encoded, key};

#[path = "../cases/paths.rs"]
mod cases;

use cases::{CASES, Outcome};

/// What is wrong with a path so plainly that Envoy refuses it before any filter sees it.
const REFUSED_BY_ENVOY: [&str; 4] =
    ["not UTF-8", "a fragment", "a fragment in the query", "a control character"];

/// Envoy passes paths on as they come.
fn without_normalization(config: &mut EnvoyConfig) {
    let manager = config.connection_manager().unwrap();
    manager["normalize_path"] = json!(false);
    manager["merge_slashes"] = json!(false);
    manager["path_with_escaped_slashes_action"] = json!("KEEP_UNCHANGED");
}

/// One rule that nobody passes; everything else is open.
fn one_rule(config: &mut EnvoyConfig) {
    configure(config, "/authentication", json!("off"));
    let rule = json!({"name": "orders", "match": {"paths": ["/orders/**"]}, "require": {"role": "nobody"}});
    configure(config, "/rules", json!([rule]));
}

fn send_raw(stage: &Stage, method: &str, target: &[u8], host: &str, headers: &[(&str, &str)]) -> Response {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(" HTTP/1.1\r\nhost: {host}\r\n{headers}connection: close\r\n\r\n");
    let mut connection = Http1Connection::open(stage.address).unwrap();
    connection.send(&[method.as_bytes(), b" ", target, head.as_bytes()].concat()).unwrap();
    connection.receive().unwrap()
}

fn credential() -> String {
    format!("ApiKey {}", encoded("id", "secret"))
}

#[test]
fn no_spelling_of_a_path_leads_around_a_rule() {
    let stage = Stage::with_keys(vec![key("id", "secret")], |config| {
        without_normalization(config);
        one_rule(config);
    });
    for (name, path, outcome) in CASES {
        let answer = send_raw(&stage, "GET", path, "edge.test", &[("authorization", &credential())]);
        let expected = match outcome {
            Outcome::Ruled => 403,
            Outcome::Free => 200,
            Outcome::Ambiguous => 400,
        };
        assert_eq!(answer.status, expected, "{name}: {}", answer.text());
        if REFUSED_BY_ENVOY.contains(name) {
            continue;
        }
        if *outcome == Outcome::Ambiguous {
            assert!(answer.text().contains("can be read in several ways"), "{name}: {}", answer.text());
        }
        let request = Request::get(std::str::from_utf8(path).unwrap()).header("authorization", credential());
        let answer = http2::exchange(stage.address, &request).unwrap();
        assert_eq!(answer.status, expected, "{name}, by HTTP/2: {}", answer.text());
    }
    assert!(stage.stat("denied.reason.path_ambiguous") > 0);
    stage.assert_no_vm_died();
}

// The sample normalizes paths before the gate sees them: some ambiguous ones become plain, and none of them
// another than the rule's.
#[test]
fn where_envoy_normalizes_paths_no_spelling_leads_around_a_rule_either() {
    let stage = Stage::with_keys(vec![key("id", "secret")], one_rule);
    for (name, path, outcome) in CASES {
        let answer = send_raw(&stage, "GET", path, "edge.test", &[("authorization", &credential())]);
        match outcome {
            Outcome::Ruled => assert_eq!(answer.status, 403, "{name}"),
            Outcome::Free => assert_eq!(answer.status, 200, "{name}"),
            // Redirected to the plain path, refused, or decided by it.
            Outcome::Ambiguous => {
                assert!([307, 400, 403].contains(&answer.status), "{name}: {}", answer.status);
            }
        }
    }
    stage.assert_no_vm_died();
}

#[test]
fn a_host_is_compared_without_port_case_and_the_dot_at_its_end() {
    let stage = Stage::with_keys(vec![key("id", "secret")], |config| {
        configure(config, "/authentication", json!("off"));
        let rule = json!({"name": "shop", "match": {"hosts": ["shop.example", "*.shop.example"]}});
        configure(config, "/rules", json!([rule]));
    });
    for (host, expected) in [
        ("shop.example", 401),
        ("SHOP.example:8080", 401),
        ("shop.example.", 401),
        ("a.b.shop.example", 401),
        ("other.example", 200),
        ("shop.example.evil", 200),
        ("shop.example..", 400),
        ("user@shop.example", 400),
    ] {
        assert_eq!(send_raw(&stage, "GET", b"/", host, &[]).status, expected, "{host}");
    }
}

// Envoy itself refuses such a method by HTTP/1.1, and passes it on by HTTP/2. Frameworks read it in upper case.
#[test]
fn a_method_in_lower_case_does_not_lead_around_a_rule() {
    let stage = Stage::with_keys(Vec::new(), |config| {
        configure(config, "/authentication", json!("off"));
        configure(config, "/rules", json!([{"name": "no-deletes", "match": {"methods": ["DELETE"]}}]));
    });
    for (method, expected) in [("DELETE", 401), ("delete", 400), ("Delete", 400), ("get", 400), ("GET", 200)]
    {
        let answer = http2::exchange(stage.address, &Request::new(method, "/orders/1")).unwrap();
        assert_eq!(answer.status, expected, "{method}");
    }
    assert_eq!(send_raw(&stage, "delete", b"/orders/1", "edge.test", &[]).status, 400);
    assert_eq!(stage.stat("denied.reason.method_ambiguous"), 3);
}

#[test]
fn asterisk_and_connect_have_no_path() {
    let stage = Stage::with_keys(Vec::new(), |config| {
        one_rule(config);
        config.connection_manager().unwrap()["upgrade_configs"] = json!([{"upgrade_type": "CONNECT"}]);
        let routes = &mut config.connection_manager().unwrap()["route_config"]["virtual_hosts"][0]["routes"];
        routes[0]["match"] = json!({"connect_matcher": {}});
    });
    // Envoy itself refuses the asterisk.
    assert_eq!(send_raw(&stage, "OPTIONS", b"*", "edge.test", &[]).status, 404);
    assert_eq!(stage.details("*"), "absolute_path_rejected");
    // No rule for paths matches, so `authentication` decides, which is off here.
    assert_eq!(send_raw(&stage, "CONNECT", b"db.example:5432", "db.example:5432", &[]).status, 200);
    let required = Stage::with_keys(Vec::new(), |config| {
        configure(
            config,
            "/rules",
            json!([{"name": "all", "match": {"paths": ["/**"]}, "authentication": "off"}]),
        );
        config.connection_manager().unwrap()["upgrade_configs"] = json!([{"upgrade_type": "CONNECT"}]);
    });
    assert_eq!(send_raw(&required, "CONNECT", b"db.example:5432", "db.example:5432", &[]).status, 401);
    stage.assert_no_vm_died();
}

/// A key of that id, with these roles, of an owner with those.
fn of_roles(id: &str, roles: &[&str], limited_by: &[&str]) -> KeyRecord {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut record = key(id, "secret");
    (record.roles, record.vouched_roles) = (owned(roles), owned(roles));
    record.limited_by = owned(limited_by);
    record
}

/// The gate of `envoy/rules.yaml`, and keys that differ in what it asks.
fn sample_stage() -> Stage {
    let mut claiming = of_roles("claiming", &["order-writer"], &["reader"]);
    claiming.vouched_roles = Vec::new();
    let mut bob = of_roles("bob", &["reader"], &["reader"]);
    bob.owner.username = "bob".to_owned();
    let keys = vec![
        of_roles("reader", &["reader"], &["reader"]),
        of_roles("writer", &["order-writer"], &["reader"]),
        of_roles("admin", &["reader"], &["superuser"]),
        claiming,
        bob,
    ];
    Stage::with_keys(keys, |config| config.set_sample_rules().unwrap())
}

fn ask(stage: &Stage, method: &str, path: &str, id: Option<&str>) -> Response {
    let request = Request::new(method, path);
    stage.send(&match id {
        Some(id) => request.api_key(&encoded(id, "secret")),
        None => request,
    })
}

#[test]
fn the_sample_asks_of_each_route_what_it_says() {
    let stage = sample_stage();
    let status = |method, path, id| ask(&stage, method, path, id).status;
    assert_eq!(status("GET", "/healthz", None), 200);
    assert_eq!(status("GET", "/elsewhere", None), 401);
    assert_eq!(status("GET", "/elsewhere", Some("reader")), 200);
    // Another host than the rule's.
    assert_eq!(status("GET", "/catalogue/1", None), 401);
    assert_eq!(send_raw(&stage, "GET", b"/catalogue/1", "www.shop.example:80", &[]).status, 200);
    assert_eq!(send_raw(&stage, "PUT", b"/catalogue/1", "shop.example", &[]).status, 401);
    // What a key claims opens nothing.
    for (id, expected) in [("writer", 200), ("admin", 200), ("reader", 403), ("claiming", 403)] {
        assert_eq!(status("PUT", "/orders/1", Some(id)), expected, "{id}");
    }
    assert_eq!(status("PUT", "/orders/1", None), 401);
    // Two places of the sample, and a preflight.
    let by_header = Request::new("PUT", "/orders/2").header("x-api-key", encoded("writer", "secret"));
    assert_eq!(stage.send(&by_header).status, 200);
    let preflight = Request::new("OPTIONS", "/orders/preflight")
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "PUT")
        .header("x_api_key_owner", "mallory");
    assert_eq!(stage.send(&preflight).status, 200);
    let seen = stage.upstream.requests_to("/orders/preflight").pop().unwrap();
    assert!(!seen.headers.iter().any(|(_, value)| value == b"mallory"), "{seen:?}");
    stage.assert_no_vm_died();
}

#[test]
fn a_missing_right_is_a_403_that_names_the_rule_and_not_the_right() {
    let stage = sample_stage();
    let answer = ask(&stage, "PUT", "/orders/403", Some("reader"));
    assert_eq!(answer.status, 403);
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["error"]["type"], "security_exception");
    assert_eq!(body["error"]["reason"], "action [orders-write] is unauthorized for API key id [reader]");
    assert_eq!(stage.details("/orders/403"), "latchkey_right_missing{orders-write}");
    let logged = stage.envoy.logged_request("/orders/403").unwrap();
    assert_eq!([&logged["key_id"], &logged["owner"], &logged["rule"]], ["reader", "alice", "orders-write"]);
    let labelled = stage.envoy.admin().get("/stats/prometheus").unwrap().text();
    let line = labelled.lines().find(|line| line.starts_with("latchkey_denied{")).unwrap_or_default();
    assert!(line.contains("reason=\"right_missing\"") && line.contains("rule=\"orders-write\""), "{line}");

    let grpc = Request::new("POST", "/orders/grpc")
        .header("content-type", "application/grpc")
        .api_key(&encoded("reader", "secret"));
    let answer = http2::exchange(stage.address, &grpc).unwrap();
    assert_eq!(answer.grpc_status().as_deref(), Some("7"));
}

#[test]
fn a_rule_in_shadow_mode_refuses_nothing_and_tells() {
    let stage = sample_stage();
    for (path, id, expected) in [
        ("/reports/alice", Some("reader"), None),
        ("/reports/bob", Some("bob"), Some("right_missing")),
        ("/reports/nobody", None, Some("credential_missing")),
    ] {
        let request = Request::get(path).header("x-api-key-shadow", "forged");
        let request = id.iter().fold(request, |request, id| request.api_key(&encoded(id, "secret")));
        assert_eq!(stage.send(&request).status, 200, "{path}");
        let seen = stage.upstream.requests_to(path).pop().unwrap();
        let told: Vec<String> = expected.iter().map(|reason| (*reason).to_owned()).collect();
        assert_eq!(seen.header_values("x-api-key-shadow"), told, "{path}");
        let ids: Vec<String> = id.iter().map(|id| (*id).to_owned()).collect();
        assert_eq!(seen.header_values("x-api-key-id"), ids, "{path}");
        let logged = stage.envoy.logged_request(path).unwrap();
        assert_eq!((&logged["rule"], &logged["shadow"]), (&json!("reports"), &json!(expected)), "{path}");
    }
    assert_eq!(stage.stat("shadowed.rule.reports.reason.right_missing"), 1);
    assert_eq!(stage.stat("shadowed.rule.reports.reason.credential_missing"), 1);
}
