//! Schemas that others publish.

use jsonschema::Validator;
use serde_json::{Value, json};

/// A schema of `tests/schemas`.
pub(crate) fn stored(name: &str) -> Value {
    serde_json::from_str(&crate::text(&format!("tests/schemas/{name}"))).unwrap()
}

#[track_caller]
pub(crate) fn assert_valid(schema: &Value, value: &Value, what: &str) {
    let complaints = complaints(schema, value);
    assert!(complaints.is_empty(), "{what}:\n{}", complaints.join("\n"));
}

fn complaints(schema: &Value, value: &Value) -> Vec<String> {
    let validator = Validator::new(schema).unwrap();
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// The schema of a kind in a version of Kubernetes, `apps/v1/Deployment`.
pub(crate) fn of_kubernetes(version: &str, manifest: &Value) -> Option<Value> {
    let mut schema = stored(&format!("kubernetes-{version}.json"));
    let kind = format!("{}/{}", manifest["apiVersion"].as_str().unwrap(), manifest["kind"].as_str().unwrap());
    let kinds = schema.as_object_mut().unwrap().remove("kinds").unwrap();
    schema["$ref"] = kinds.get(&kind)?["$ref"].clone();
    Some(schema)
}

#[test]
fn what_a_schema_does_not_know_is_told() {
    let manifest =
        |spec: Value| json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "spec": spec});
    for version in crate::kubernetes::VERSIONS {
        let check = |spec: Value| {
            let manifest = manifest(spec);
            complaints(&of_kubernetes(version, &manifest).unwrap(), &manifest).len()
        };
        assert_eq!(check(json!({"maxUnavailable": 1})), 0);
        assert_eq!(check(json!({"maxUnavailable": "1%"})), 0);
        assert_ne!(check(json!({"maxUnavailable": [1]})), 0);
        assert_ne!(check(json!({"maxUnavailabel": 1})), 0);
    }
    assert_eq!(of_kubernetes("1.37", &json!({"apiVersion": "v2", "kind": "Service"})), None);
    let compose =
        |service: Value| complaints(&stored("compose.json"), &json!({"services": {"a": service}})).len();
    assert_eq!(compose(json!({"image": "b", "read_only": true})), 0);
    assert_ne!(compose(json!({"image": "b", "read_onyl": true})), 0);
    let monitor = |endpoint: Value| {
        let spec = json!({"selector": {}, "endpoints": [endpoint]});
        complaints(
            &stored("service-monitor.json"),
            &json!({"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "spec": spec}),
        )
        .len()
    };
    assert_eq!(monitor(json!({"port": "api"})), 0);
    assert_ne!(monitor(json!({"prot": "api"})), 0);
}
