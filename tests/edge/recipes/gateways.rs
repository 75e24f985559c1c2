//! Gates that are switched by route, in plain Envoy and as Envoy Gateway does it, and rules in Istio.

use std::collections::BTreeSet;

use super::*;
use crate::remote_code::CodeServer;
use crate::samples::assert_understood;
use crate::shells::{is_native, lacks};
use crate::stage::parameter;

pub(super) fn keys() -> Vec<KeyRecord> {
    vec![
        key_of("alice", "native", &["order-writer"]),
        key_of("bob", "native", &["order-reader"]),
        key_of("carol", "native", &[]),
    ]
}

/// The statuses of a request without a key, with a wrong one, and with those of alice, bob and carol.
pub(super) fn statuses(stage: &Stage, method: &str, path: &str) -> [u16; 5] {
    let request = || Request::new(method, path);
    let wrong = request().api_key(&encoded("alice-native", "wrong"));
    let known = ["alice-native", "bob-native", "carol-native"].map(|id| by(id, request()));
    let [alice, bob, carol] = known;
    [request(), wrong, alice, bob, carol].map(|request| stage.send(&request).status)
}

fn forging(path: &str) -> Request {
    Request::get(path).header("x-api-key-owner", "mallory").header("x_api_key_owner", "mallory")
}

/// Whether what a client forged has reached the upstream by the only request for that path.
fn has_forged(stage: &Stage, path: &str) -> bool {
    let seen = stage.upstream.requests_to(path);
    assert_eq!(seen.len(), 1, "{path}");
    seen[0].headers.iter().any(|(_, value)| value == b"mallory")
}

#[test]
fn each_route_goes_through_the_gate_that_it_names() {
    let parts = samples("envoy/two-gates.yaml");
    let [gates, sampled] = parts.as_slice() else { panic!("{parts:?}") };
    let gates = gates.as_array().unwrap();
    for gate in gates {
        assert_understood(gate["typed_config"]["config"]["configuration"]["value"].as_str().unwrap());
    }
    // What not to do: it only switches off.
    let mut open = sampled[0].clone();
    open["match"] = json!({"prefix": "/open/"});
    open["typed_per_filter_config"].as_object_mut().unwrap().remove("latchkey.optional").unwrap();
    let stage = Stage::with_keys(keys(), |config| {
        let restriction = config.gate().unwrap()["capability_restriction_config"].clone();
        let filters = http_filters(config);
        filters.splice(0..1, gates.iter().cloned());
        for gate in &mut filters[..2] {
            gate["typed_config"]["config"]["capability_restriction_config"] = restriction.clone();
        }
        routes(config).splice(0..0, sampled.as_array().unwrap().iter().cloned().chain([open]));
    });
    assert_eq!(statuses(&stage, "GET", "/else"), [401, 401, 200, 200, 200]);
    stage.until("the other gate has read the table", || {
        statuses(&stage, "GET", "/catalogue/1") == [200, 401, 200, 200, 200]
    });
    assert_eq!(stage.send(&forging("/catalogue/forged")).status, 200);
    assert!(!has_forged(&stage, "/catalogue/forged"));
    assert_eq!(stage.send(&forging("/open/forged")).status, 200);
    assert!(has_forged(&stage, "/open/forged"), "a route without a gate lets forged headers pass");
    // Both keep one table: one follower, one instance.
    let instances: BTreeSet<String> = stage
        .keys
        .requests()
        .iter()
        .filter_map(|target| parameter(target, "instance").map(str::to_owned))
        .collect();
    assert_eq!(instances.len(), 1, "{instances:?}");
    stage.assert_no_vm_died();
}

#[test]
fn the_istio_plugin_with_rules_asks_by_path() {
    let plugins = samples("envoy/istio/wasmplugin-rules.yaml");
    let [plugin] = plugins.as_slice() else { panic!("{plugins:?}") };
    assert_eq!((&plugin["kind"], &plugin["spec"]["phase"]), (&json!("WasmPlugin"), &json!("AUTHN")));
    let plugin_config = &plugin["spec"]["pluginConfig"];
    assert_understood(&plugin_config.to_string());
    let stage = Stage::with_keys(keys(), |config| {
        config.cluster("key_service").unwrap()["name"] = plugin_config["key_service"]["cluster"].clone();
        config.gate().unwrap()["vm_config"].as_object_mut().unwrap().remove("vm_id");
        config.set_plugin_config(plugin_config).unwrap();
    });
    assert_eq!(statuses(&stage, "GET", "/healthz"), [200; 5]);
    assert_eq!(statuses(&stage, "GET", "/orders/1"), [401, 401, 200, 200, 403]);
    assert_eq!(statuses(&stage, "POST", "/orders/1"), [401, 401, 200, 403, 403]);
    assert_eq!(statuses(&stage, "GET", "/else"), [401, 401, 200, 200, 200]);
    assert_eq!(stage.send(&preflight("/orders/1")).status, 200);
}

/// The filter as Envoy Gateway makes it of a policy: switched off for all, and on for the routes of the policy,
/// with a `vm_id` of its own, and with code that is fetched.
fn filter_of(policy: &Value, like: &Value, code: Option<&CodeServer>) -> Value {
    let wasm = &policy["spec"]["wasm"][0];
    assert_eq!(wasm["env"]["hostKeys"], json!(["LATCHKEY_FEED_CREDENTIAL"]));
    assert_understood(&wasm["config"].to_string());
    let name = format!(
        "envoyextensionpolicy/{}/{}/wasm/0",
        policy["metadata"]["namespace"].as_str().unwrap(),
        policy["metadata"]["name"].as_str().unwrap()
    );
    let mut filter = like.clone();
    filter["name"] = json!(format!("envoy.filters.http.wasm/{name}"));
    filter["disabled"] = json!(true);
    let config = &mut filter["typed_config"]["config"];
    config["name"] = wasm["name"].clone();
    config["root_id"] = wasm["rootID"].clone();
    config["vm_config"]["vm_id"] = json!(name);
    if let Some(server) = code {
        config["vm_config"]["code"] = server.source();
        config["vm_config"]["runtime"] = json!("envoy.wasm.runtime.v8");
    }
    config["configuration"]["value"] = json!(wasm["config"].to_string());
    let config = config.as_object_mut().unwrap();
    config.remove("failure_policy").unwrap();
    config.remove("capability_restriction_config").unwrap();
    filter
}

#[test]
fn the_policies_of_envoy_gateway_gate_a_gateway_and_a_route() {
    let manifests = samples("envoy/envoy-gateway/extension-policy.yaml");
    let of_kind = |kind: &str| manifests.iter().filter(|it| it["kind"] == kind).cloned().collect::<Vec<_>>();
    let policies = of_kind("EnvoyExtensionPolicy");
    let targets: Vec<_> =
        policies.iter().map(|policy| policy["spec"]["targetRefs"][0]["kind"].as_str().unwrap()).collect();
    assert_eq!(targets, ["Gateway", "HTTPRoute"]);
    let patch = &of_kind("EnvoyPatchPolicy")[0]["spec"]["jsonPatches"][0]["operation"];
    assert_eq!((&patch["op"], &patch["path"]), (&json!("add"), &json!("")));
    // How it has modules is in `modules.rs`.
    let server = (!is_native()).then(CodeServer::start);
    let stage = Stage::with_keys(keys(), |config| {
        let address = config.cluster("key_service").unwrap()["load_assignment"].clone();
        *config.cluster("key_service").unwrap() = patch["value"].clone();
        config.cluster("key_service").unwrap()["load_assignment"] = address;
        if let Some(server) = &server {
            server.add_cluster(config);
        }
        let like = http_filters(config).remove(0);
        let filters: Vec<Value> =
            policies.iter().map(|policy| filter_of(policy, &like, server.as_ref())).collect();
        let on = |filter: &Value| json!({filter["name"].as_str().unwrap(): {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {}}});
        let mut catalogue = routes(config)[0].clone();
        catalogue["match"] = json!({"prefix": "/catalogue/"});
        catalogue["typed_per_filter_config"] = on(&filters[1]);
        routes(config)[0]["typed_per_filter_config"] = on(&filters[0]);
        routes(config).insert(0, catalogue);
        http_filters(config).splice(0..0, filters);
    });
    stage.until("both gates have a table", || {
        statuses(&stage, "GET", "/else") == [401, 401, 200, 200, 200]
            && statuses(&stage, "GET", "/catalogue/1") == [200, 401, 200, 200, 200]
    });
    assert_eq!(statuses(&stage, "GET", "/orders/1"), [401, 401, 200, 200, 403]);
    assert_eq!(statuses(&stage, "POST", "/orders/1"), [401, 401, 200, 403, 403]);
    assert_eq!(stage.send(&forging("/catalogue/forged")).status, 200);
    assert!(!has_forged(&stage, "/catalogue/forged"));
    let fetched = server.as_ref().map_or(1, |server| server.files.served());
    assert!(fetched > 0, "the code came from somewhere else");
    // Each policy keeps a table of its own.
    let instances: BTreeSet<String> = stage
        .keys
        .requests()
        .iter()
        .filter_map(|target| parameter(target, "instance").map(str::to_owned))
        .collect();
    assert_eq!(instances.len(), if lacks("vm_id") { 1 } else { 2 }, "{instances:?}");
}
