//! Application privileges of a new key that nobody has stored. The key service takes them as Elasticsearch does; mostly
//! somebody has mistyped a name.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::IgnoredAny;
use serde_json::Value;

use crate::limits::APPLICATIONS_LOOKED_UP_MAX;
use crate::rest::{Person, RestFailure, path_part};

/// What `GET /_security/privilege/{application}` answers: privileges by application and name.
type Stored = BTreeMap<String, BTreeMap<String, IgnoredAny>>;

/// The privileges of the body of a new key that are not stored, such as `raed of shop`, as far as the user may look.
///
/// # Errors
///
/// [`RestFailure::Unauthenticated`] when the credential of the user has ended.
pub(super) async fn unknown_privileges(person: &Person, body: &Value) -> Result<Vec<String>, RestFailure> {
    let mut unknown = Vec::new();
    for (application, names) in named(body).into_iter().take(APPLICATIONS_LOOKED_UP_MAX) {
        let path = format!("/_security/privilege/{}", path_part(application));
        let stored = match person.get::<Stored>(&path).await {
            Ok(stored) => stored,
            Err(failure @ RestFailure::Unauthenticated(_)) => return Err(failure),
            // What was found is worth a question all the same.
            Err(RestFailure::Refused { .. } | RestFailure::Unknown) => break,
        };
        let stored = stored.get(application);
        let is_unknown = |name: &&str| stored.is_none_or(|stored| !stored.contains_key(*name));
        unknown.extend(names.into_iter().filter(is_unknown).map(|name| format!("{name} of {application}")));
    }
    Ok(unknown)
}

/// The privileges that a body names, by application. A pattern of applications or actions names none.
fn named(body: &Value) -> BTreeMap<&str, BTreeSet<&str>> {
    let roles = body.get("role_descriptors").and_then(Value::as_object);
    let roles = roles.into_iter().flat_map(|roles| roles.values());
    let entries = roles.filter_map(|role| role.get("applications")?.as_array()).flatten();
    let mut named: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for entry in entries {
        let Some(application) = entry.get("application").and_then(Value::as_str) else { continue };
        let privileges = entry.get("privileges").and_then(Value::as_array).into_iter().flatten();
        let names = privileges.filter_map(Value::as_str).filter(|name| !name.contains(['*', '/', ':']));
        if !application.contains('*') {
            named.entry(application).or_default().extend(names);
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_looked_up_and_patterns_are_not() {
        let entry = |application: &str, privileges: &[&str]| json!({"application": application, "privileges": privileges, "resources": ["*"]});
        let body = json!({"role_descriptors": {
            "a": {"applications": [entry("shop", &["read", "data:read/*", "*"]), entry("shop", &["write"])]},
            "b": {"applications": [entry("bank", &["read"]), entry("kibana-*", &["all"]), {"application": 7}]},
            "c": {"applications": "nonsense"},
        }});
        let expected =
            BTreeMap::from([("bank", BTreeSet::from(["read"])), ("shop", BTreeSet::from(["read", "write"]))]);
        assert_eq!(named(&body), expected);
        assert_eq!(named(&json!({"name": "k"})), BTreeMap::new());
    }
}
