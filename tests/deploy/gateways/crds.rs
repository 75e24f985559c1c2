//! The samples against whole CRDs, for whoever has them: `tests/schemas/README.md` says how.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{ENVOY_GATEWAY, ISTIO, SAMPLES};
use crate::documents;
use crate::schema::assert_valid;

/// Names the directory with a directory `istio-<version>` or `envoy-gateway-<version>` for each version.
const VARIABLE: &str = "LATCHKEY_TEST_CRDS";

#[test]
#[ignore = "it needs CRDs, which are not stored here"]
fn every_sample_is_what_the_crds_take() {
    let directory = PathBuf::from(std::env::var_os(VARIABLE).expect(VARIABLE));
    for sample in SAMPLES {
        let product = if sample.file.contains("/istio/") { "istio" } else { "envoy-gateway" };
        for version in sample.taken_by {
            assert!(ISTIO.contains(version) || ENVOY_GATEWAY.contains(version));
            let crds = crds(&directory.join(format!("{product}-{version}")));
            for manifest in documents(sample.file) {
                let schema = schema_of_spec(&crds, &manifest);
                assert_valid(&schema, &manifest["spec"], &format!("{} in {version}", sample.file));
            }
        }
    }
}

fn crds(directory: &Path) -> Vec<Value> {
    let files = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    files
        .flat_map(|entry| {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            serde_saphyr::from_multiple::<Value>(&text).unwrap()
        })
        .collect()
}

fn schema_of_spec(crds: &[Value], manifest: &Value) -> Value {
    let (group, version) = manifest["apiVersion"].as_str().unwrap().split_once('/').unwrap();
    let crd = crds
        .iter()
        .find(|crd| crd["spec"]["group"] == group && crd["spec"]["names"]["kind"] == manifest["kind"])
        .unwrap_or_else(|| panic!("no CRD of {}", manifest["kind"]));
    let versions = crd["spec"]["versions"].as_array().unwrap();
    let found = versions.iter().find(|it| it["name"] == version).unwrap();
    strict(&found["schema"]["openAPIV3Schema"]["properties"]["spec"])
}

/// As JSON Schema: fields that are not known are refused. Regular expressions are Go's, and conditions in CEL are Kubernetes' own: neither is looked at.
fn strict(schema: &Value) -> Value {
    let Value::Object(object) = schema else { return schema.clone() };
    let mut made = Map::new();
    for (name, value) in object {
        let value = match name.as_str() {
            "properties" => {
                let properties = value.as_object().unwrap();
                properties.iter().map(|(name, value)| (name.clone(), strict(value))).collect()
            }
            "items" | "additionalProperties" => strict(value),
            "pattern" | "description" | "format" => continue,
            name if name.starts_with("x-") => continue,
            _ => value.clone(),
        };
        made.insert(name.clone(), value);
    }
    let keeps_unknown = object.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true));
    if made.contains_key("properties") && !keeps_unknown {
        made.entry("additionalProperties").or_insert(json!(false));
    }
    Value::Object(made)
}
