//! A change as the audit log keeps it, and as it is shown to programs.

use latchkey_key_feed::UnixMillis;
use serde_json::{Map, Value, json};

use crate::model::moment::date;

/// A change as the audit log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptEvent {
    /// Rises with every event.
    pub number: i64,
    /// When it happened.
    pub at: UnixMillis,
    /// What was done, such as `create_api_key`.
    pub action: String,
    /// Who did it; for an API key its owner.
    pub username: String,
    /// The realm that vouched for that username.
    pub realm: String,
    /// The API key that was presented, if it was one.
    pub api_key: Option<String>,
    /// On whose behalf, if that was somebody else.
    pub run_as: Option<String>,
    /// Where the request came from, if that is known.
    pub source: Option<String>,
    /// Through what part of the service it was asked for, if it was one that asks on behalf of people.
    pub via: Option<String>,
    /// The keys it was done to.
    pub key_ids: Vec<String>,
    /// The users, roles or privileges it was done to.
    pub subjects: Vec<String>,
    /// The tokens it was done to, as far as the audit log tells.
    pub tokens: Option<Value>,
}

impl KeptEvent {
    /// With the names that a line of the log has.
    pub(crate) fn fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut add = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
        add("timestamp", json!(date(self.at.0)));
        add("at_ms", json!(self.at.0));
        add("action", json!(self.action));
        add("outcome", json!("success"));
        add("username", json!(self.username));
        add("realm", json!(self.realm));
        for (name, value) in [
            ("api_key", &self.api_key),
            ("run_as", &self.run_as),
            ("source", &self.source),
            ("via", &self.via),
        ] {
            if let Some(value) = value {
                add(name, json!(value));
            }
        }
        if let Some(tokens) = &self.tokens {
            let field = |field: &str| tokens.get(field).cloned().unwrap_or_default();
            add("token_username", field("username"));
            add("token_realm", field("realm"));
            add("tokens", field("count"));
        }
        for (name, named) in [("key_ids", &self.key_ids), ("subjects", &self.subjects)] {
            if !named.is_empty() {
                add(name, json!(named.join(",")));
            }
        }
        fields
    }

    /// Whether it was done to this key.
    pub(crate) fn is_done_to(&self, key: &str) -> bool {
        self.key_ids.iter().any(|id| id == key)
    }

    /// What somebody may see of it who may see this key and no other: nothing of other keys, and not from
    /// where the request came.
    pub(crate) fn narrowed_to(self, key: &str) -> Self {
        Self { key_ids: vec![key.to_owned()], source: None, ..self }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A change of two keys, by an administrator on behalf of somebody.
    pub(crate) fn event() -> KeptEvent {
        KeptEvent {
            number: 7,
            at: UnixMillis(1_767_225_600_000),
            action: "update_api_keys".to_owned(),
            username: "admin".to_owned(),
            realm: "file".to_owned(),
            api_key: None,
            run_as: Some("alice".to_owned()),
            source: Some("192.0.2.1:5".to_owned()),
            via: Some("console".to_owned()),
            key_ids: vec!["a".to_owned(), "b".to_owned()],
            subjects: Vec::new(),
            tokens: None,
        }
    }
}
