//! `tests/schemas/gateways.yaml`: which fields are taken, and from which version on.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::document;

/// By API version and kind.
pub(super) struct Fields(BTreeMap<String, Vec<Value>>);

impl Fields {
    pub(super) fn read() -> Self {
        Self(serde_json::from_value(document("tests/schemas/gateways.yaml")).unwrap())
    }

    /// What that version would not take of a manifest.
    pub(super) fn complaints(&self, manifest: &Value, version: &str) -> Vec<String> {
        let kind =
            format!("{}/{}", manifest["apiVersion"].as_str().unwrap(), manifest["kind"].as_str().unwrap());
        let Some(fields) = self.0.get(&kind) else { return vec![format!("nothing is known of {kind}")] };
        let known: Vec<&Value> = fields
            .iter()
            .filter(|field| {
                field.get("from").is_none_or(|from| number(from.as_str().unwrap()) <= number(version))
            })
            .collect();
        let mut complaints = Vec::new();
        for (name, value) in leaves("spec", &manifest["spec"]) {
            let mut at: Vec<&&Value> =
                known.iter().filter(|field| is_at(field["path"].as_str().unwrap(), &name)).collect();
            let is_known = !at.is_empty();
            at.retain(|field| is_taken(&field["is"], value));
            if !is_known {
                complaints.push(format!("{name} is not taken"));
            } else if at.is_empty() {
                complaints.push(format!("{name} is not taken: {value}"));
            }
        }
        complaints
    }
}

/// `1.9` is less than `1.10`.
fn number(version: &str) -> Vec<u32> {
    version.split('.').map(|part| part.parse().unwrap()).collect()
}

/// The values that have no other values in them, by path.
fn leaves<'a>(path: &str, value: &'a Value) -> Vec<(String, &'a Value)> {
    match value {
        Value::Object(object) if !object.is_empty() => {
            object.iter().flat_map(|(name, value)| leaves(&format!("{path}.{name}"), value)).collect()
        }
        Value::Array(list) if !list.is_empty() => {
            list.iter().flat_map(|value| leaves(&format!("{path}[]"), value)).collect()
        }
        _ => vec![(path.to_owned(), value)],
    }
}

fn is_at(pattern: &str, path: &str) -> bool {
    if let Some(begin) = pattern.strip_suffix("**") {
        return path.starts_with(begin);
    }
    match pattern.strip_suffix('*') {
        Some(begin) => path.strip_prefix(begin).is_some_and(|key| !key.contains('.')),
        None => pattern == path,
    }
}

fn is_taken(is: &Value, value: &Value) -> bool {
    match is.as_str() {
        Some("anything") => true,
        Some("flag") => value.is_boolean(),
        Some("text") => value.is_string(),
        Some(unknown) => panic!("no type {unknown}"),
        None => is.as_array().unwrap().contains(value),
    }
}
