//! The samples for Istio and Envoy Gateway, in each version that they are for.

mod crds;
mod fields;

use std::collections::BTreeSet;

use fields::Fields;
use serde_json::{Value, json};

use crate::{documents, path};

/// A sample, and the versions of Istio or Envoy Gateway that take it.
struct Sample {
    file: &'static str,
    taken_by: &'static [&'static str],
    refused_by: &'static [&'static str],
}

const ISTIO: [&str; 3] = ["1.24", "1.27", "1.30"];
const ENVOY_GATEWAY: [&str; 3] = ["1.6", "1.9", "1.10"];

/// An `EnvoyFilter` passes what it is given on to Envoy, so CRDs before 1.31 take the module too, and proxies before do not.
const SAMPLES: [Sample; 8] = [
    Sample { file: "envoy/istio/authorization-policy.yaml", taken_by: &ISTIO, refused_by: &[] },
    Sample { file: "envoy/istio/envoyfilter-module.yaml", taken_by: &ISTIO, refused_by: &[] },
    Sample { file: "envoy/istio/wasmplugin.yaml", taken_by: &["1.27", "1.30"], refused_by: &["1.24"] },
    Sample { file: "envoy/istio/wasmplugin-before-1.27.yaml", taken_by: &ISTIO, refused_by: &[] },
    Sample { file: "envoy/istio/wasmplugin-rules.yaml", taken_by: &["1.27", "1.30"], refused_by: &["1.24"] },
    Sample { file: "envoy/envoy-gateway/extension-policy.yaml", taken_by: &ENVOY_GATEWAY, refused_by: &[] },
    Sample {
        file: "envoy/envoy-gateway/dynamic-module.yaml",
        taken_by: &["1.9", "1.10"],
        refused_by: &["1.6"],
    },
    Sample {
        file: "envoy/envoy-gateway/merged-policy.yaml",
        taken_by: &["1.9", "1.10"],
        refused_by: &["1.6"],
    },
];

#[test]
fn every_sample_is_checked() {
    let checked: BTreeSet<_> = SAMPLES.iter().map(|sample| path(sample.file)).collect();
    let directories = ["envoy/istio", "envoy/envoy-gateway"];
    let there: BTreeSet<_> = directories
        .iter()
        .flat_map(|directory| std::fs::read_dir(path(directory)).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(there, checked);
}

#[test]
fn every_sample_is_what_its_versions_take_and_no_others() {
    let fields = Fields::read();
    for Sample { file, taken_by, refused_by } in SAMPLES {
        let manifests = documents(file);
        for version in taken_by {
            let complaints: Vec<_> = manifests.iter().flat_map(|it| fields.complaints(it, version)).collect();
            assert_eq!(complaints, Vec::<String>::new(), "{file} in {version}");
        }
        for version in refused_by {
            assert!(
                manifests.iter().any(|it| !fields.complaints(it, version).is_empty()),
                "{file} in {version}"
            );
        }
    }
}

#[test]
fn what_no_version_takes_is_told() {
    let fields = Fields::read();
    let plugin = |spec: Value| {
        let plugin = json!({"apiVersion": "extensions.istio.io/v1alpha1", "kind": "WasmPlugin", "metadata": {"name": "a"}, "spec": spec});
        fields.complaints(&plugin, "1.30")
    };
    assert_eq!(plugin(json!({"url": "a", "pluginConfig": {"any": ["thing"]}})), Vec::<String>::new());
    assert_eq!(plugin(json!({"urls": "a"})), ["spec.urls is not taken"]);
    assert_eq!(plugin(json!({"url": 1})), ["spec.url is not taken: 1"]);
    assert_eq!(plugin(json!({"phase": "AUTH"})), ["spec.phase is not taken: \"AUTH\""]);
    assert_eq!(
        fields.complaints(&json!({"apiVersion": "v1", "kind": "Pod"}), "1.30"),
        ["nothing is known of v1/Pod"]
    );
}

#[test]
fn the_plugin_for_older_versions_lacks_the_fail_strategy_and_nothing_else() {
    let mut newer = documents("envoy/istio/wasmplugin.yaml").remove(0);
    assert_eq!(newer["spec"].as_object_mut().unwrap().remove("failStrategy"), Some(json!("FAIL_RELOAD")));
    assert_eq!(documents("envoy/istio/wasmplugin-before-1.27.yaml"), [newer]);
}

/// A policy of a route displaces the gate of the Gateway unless it is merged with it, and what it lists itself displaces it even then.
#[test]
fn the_merged_policy_leaves_the_gate_of_the_gateway_as_it_is() {
    let policies = documents("envoy/envoy-gateway/merged-policy.yaml");
    assert!(!policies.is_empty());
    for policy in policies {
        assert_eq!(policy["spec"]["targetRefs"][0]["kind"], "HTTPRoute");
        assert_eq!(policy["spec"]["mergeType"], "StrategicMerge");
        assert!(policy["spec"].get("wasm").is_none() && policy["spec"].get("dynamicModule").is_none());
    }
}
