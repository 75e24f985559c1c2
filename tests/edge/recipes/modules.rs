//! The native module as Envoy Gateway and Istio load it.

use latchkey_local_stack::fake_key_service::FakeKeyService;
use latchkey_local_stack::places;

use super::gateways::{keys, statuses};
use super::*;
use crate::samples::assert_understood;
use crate::shells::is_native;
use crate::stage::epoch;

/// Where the samples have the library.
const LIBRARY: &str = "/opt/latchkey/liblatchkey_filter.so";

/// The filter with the library that was built here, in the place of the one that the sample names.
fn with_library(mut filter: Value) -> Value {
    let module = &mut filter["typed_config"]["dynamic_module_config"]["module"];
    assert_eq!(module, &json!({"local": {"filename": LIBRARY}}));
    module["local"]["filename"] = json!(places::native_module());
    filter
}

/// Neither sets the runtime flag by which metrics have the names of the Wasm filter's for Prometheus.
fn set_no_flag(config: &mut EnvoyConfig) {
    config.bootstrap()["layered_runtime"] = json!({"layers": []});
}

/// Proxies of Istio keep these metrics, and no others that matter here.
fn keep_metrics_of_istio(config: &mut EnvoyConfig) {
    let kept = ["cluster_manager", "listener_manager", "server", "cluster.xds-grpc", "wasm"];
    let patterns: Vec<Value> = kept.iter().map(|prefix| json!({"prefix": prefix})).collect();
    config.bootstrap()["stats_config"] = json!({"stats_matcher": {"inclusion_list": {"patterns": patterns}}});
}

#[test]
fn the_istio_filters_gate_what_comes_in_and_their_metrics_are_kept() {
    let filters = samples("envoy/istio/envoyfilter-module.yaml");
    let mut contexts = Vec::new();
    for filter in &filters {
        assert_eq!(filter["kind"], "EnvoyFilter");
        let patches = filter["spec"]["configPatches"].as_array().unwrap();
        let [patch] = patches.as_slice() else { panic!("{patches:?}") };
        assert_eq!(patch["applyTo"], "HTTP_FILTER");
        let (met, patch) = (&patch["match"], &patch["patch"]);
        let connection_manager = "envoy.filters.network.http_connection_manager";
        assert_eq!(met["listener"]["filterChain"]["filter"]["name"], connection_manager);
        contexts.push(met["context"].as_str().unwrap());
        assert_eq!(patch["operation"], "INSERT_FIRST");
        let plugin_config = &patch["value"]["typed_config"]["filter_config"]["value"];
        assert_understood(&plugin_config.to_string());
        if is_native() {
            works_in_envoy(&patch["value"], &plugin_config["key_service"]["cluster"]);
        }
    }
    assert_eq!(contexts, ["GATEWAY", "SIDECAR_INBOUND"]);
}

fn works_in_envoy(filter: &Value, cluster: &Value) {
    assert!(cluster.as_str().unwrap().starts_with("outbound|"), "{cluster}");
    let stage = Stage::with_keys(vec![key("id", "secret")], |config| {
        set_no_flag(config);
        keep_metrics_of_istio(config);
        config.cluster("key_service").unwrap()["name"] = cluster.clone();
        http_filters(config)[0] = with_library(filter.clone());
    });
    stage.await_admitted(&encoded("id", "secret"));
    assert_eq!(stage.status_for(&encoded("id", "wrong")), 401);
    assert_counted(&stage, "envoy_wasmcustom_latchkey_denied{reason=\"secret_wrong\"}");
}

fn assert_counted(stage: &Stage, name: &str) {
    let metrics = stage.envoy.admin().get("/stats/prometheus").unwrap().text();
    assert!(metrics.contains(name), "no {name} in {metrics}");
}

/// The filter as Envoy Gateway makes it of a policy: switched off for all, and on for the routes of the policy.
fn filter_of(policy: &Value, proxy: &Value) -> Value {
    let module = &policy["spec"]["dynamicModule"][0];
    let allowed = proxy["spec"]["dynamicModules"].as_array().unwrap();
    let loaded = allowed.iter().find(|it| it["name"] == module["name"]).unwrap();
    assert_eq!(loaded["source"]["type"], "Local");
    let name = format!(
        "envoy.filters.http.dynamic_modules/envoyextensionpolicy/{}/{}/dynamic-module/0",
        policy["metadata"]["namespace"].as_str().unwrap(),
        policy["metadata"]["name"].as_str().unwrap()
    );
    json!({
        "name": name,
        "disabled": true,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter",
            "dynamic_module_config": {
                "do_not_close": loaded["doNotClose"],
                "module": {"local": {"filename": loaded["source"]["local"]["path"]}},
            },
            "filter_name": module["filterName"],
            "filter_config": {
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": module["config"].to_string(),
            },
        },
    })
}

#[test]
fn the_policy_of_envoy_gateway_loads_the_module_that_the_proxy_allows() {
    let manifests = samples("envoy/envoy-gateway/dynamic-module.yaml");
    let [proxy, policy, patch] = manifests.as_slice() else { panic!("{manifests:?}") };
    let kinds = [proxy, policy, patch].map(|it| it["kind"].as_str().unwrap());
    assert_eq!(kinds, ["EnvoyProxy", "EnvoyExtensionPolicy", "EnvoyPatchPolicy"]);

    // The library and the credential are where the rest looks for them.
    let deployment = &proxy["spec"]["provider"]["kubernetes"]["envoyDeployment"];
    let (container, volume) = (&deployment["container"], &deployment["pod"]["volumes"][0]);
    let mount = &container["volumeMounts"][0];
    assert_eq!(mount["name"], volume["name"]);
    assert!(LIBRARY.starts_with(mount["mountPath"].as_str().unwrap()));
    let plugin_config = &policy["spec"]["dynamicModule"][0]["config"];
    assert_understood(&plugin_config.to_string());
    let key_service = &plugin_config["key_service"];
    assert_eq!(key_service["credential"]["environment_variable"], container["env"][0]["name"]);
    let patch = &patch["spec"]["jsonPatches"][0]["operation"];
    assert_eq!((&patch["op"], &patch["path"]), (&json!("add"), &json!("")));
    assert_eq!(key_service["cluster"], patch["value"]["name"]);
    if !is_native() {
        return;
    }

    let service = FakeKeyService::start(epoch("first")).unwrap();
    for record in keys() {
        service.put(record);
    }
    let stage = Stage::start(service, |config| {
        let address = config.cluster("key_service").unwrap()["load_assignment"].clone();
        *config.cluster("key_service").unwrap() = patch["value"].clone();
        config.cluster("key_service").unwrap()["load_assignment"] = address;
        set_no_flag(config);
        let filter = with_library(filter_of(policy, proxy));
        let on = json!({"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {}});
        routes(config)[0]["typed_per_filter_config"] = json!({filter["name"].as_str().unwrap(): on});
        http_filters(config)[0] = filter;
    });
    stage.until("the gate has a table", || statuses(&stage, "GET", "/else") == [401, 401, 200, 200, 200]);
    assert_eq!(statuses(&stage, "GET", "/catalogue/1"), [200, 401, 200, 200, 200]);
    assert_eq!(statuses(&stage, "GET", "/orders/1"), [401, 401, 200, 200, 403]);
    assert_eq!(statuses(&stage, "POST", "/orders/1"), [401, 401, 200, 403, 403]);
    let denied = "envoy_dynamicmodulescustom_latchkey_denied{rule=\"orders-write\",reason=\"right_missing\"}";
    assert_counted(&stage, denied);
}
