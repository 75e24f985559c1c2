//! What a key may do, in words.

use std::collections::BTreeMap;

use serde_json::Value;

/// A role descriptor: its name, and a line for each of its rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RoleInWords {
    pub(super) name: String,
    pub(super) rights: Vec<String>,
}

/// Each role descriptor in words.
pub(super) fn roles_in_words(descriptors: &BTreeMap<String, Value>) -> Vec<RoleInWords> {
    let role = |(name, descriptor): (&String, &Value)| RoleInWords {
        name: name.clone(),
        rights: rights_in_words(descriptor),
    };
    descriptors.iter().map(role).collect()
}

fn rights_in_words(descriptor: &Value) -> Vec<String> {
    let mut rights = Vec::new();
    if let Some(privileges) = list(descriptor, "cluster") {
        rights.push(format!("at this service: {privileges}"));
    }
    for entry in entries(descriptor, "applications") {
        let (application, resources) = (text(entry, "application"), list(entry, "resources"));
        let privileges = list(entry, "privileges").unwrap_or_default();
        rights.push(format!(
            "in the application {application}: {privileges}, on {}",
            resources.unwrap_or_default()
        ));
    }
    for entry in entries(descriptor, "indices") {
        let (names, privileges) =
            (list(entry, "names").unwrap_or_default(), list(entry, "privileges").unwrap_or_default());
        let limits: Vec<_> = [("field_security", "some fields"), ("query", "some documents")]
            .into_iter()
            .filter(|(field, _)| entry.get(*field).is_some_and(|value| !value.is_null()))
            .map(|(_, words)| words)
            .collect();
        let limits =
            if limits.is_empty() { String::new() } else { format!(" (only {})", limits.join(" and ")) };
        rights.push(format!("on the indices {names}: {privileges}{limits}"));
    }
    if let Some(users) = list(descriptor, "run_as") {
        rights.push(format!("act as the users {users}"));
    }
    rights
}

fn entries<'a>(descriptor: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    descriptor.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(entry: &'a Value, field: &str) -> &'a str {
    entry.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The texts of a list with commas between them; `None` when there are none.
fn list(value: &Value, field: &str) -> Option<String> {
    let texts: Vec<_> = value.get(field)?.as_array()?.iter().filter_map(Value::as_str).collect();
    Some(texts.join(", ")).filter(|texts| !texts.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rights_are_told_line_by_line() {
        let descriptor = json!({
            "cluster": ["monitor", "manage_own_api_key"],
            "indices": [{"names": ["logs-*"], "privileges": ["read"], "query": "{}", "field_security": null}],
            "applications": [{"application": "shop", "privileges": ["read", "sell"], "resources": ["*"]}],
            "run_as": ["bob"],
        });
        assert_eq!(
            rights_in_words(&descriptor),
            [
                "at this service: monitor, manage_own_api_key",
                "in the application shop: read, sell, on *",
                "on the indices logs-*: read (only some documents)",
                "act as the users bob",
            ]
        );
        assert_eq!(rights_in_words(&json!({"cluster": []})), [""; 0], "a label gives no right");
    }
}
