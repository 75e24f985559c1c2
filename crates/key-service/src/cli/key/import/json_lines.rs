//! A list in JSON lines: an object a line.
//!
//! ```json
//! {"key": "5f0f3b0c-55aa-4c1f-9a4e-6b1d2a7c8e90", "owner": "alice", "name": "billing", "roles": ["reader"]}
//! ```

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::draft::{Draft, Mistake, expiration};

pub(super) fn read(text: &str, mistakes: &mut Vec<Mistake>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        if text.trim().is_empty() {
            continue;
        }
        match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => drafts.push(draft(line, fields, mistakes)),
            // The parser's complaint could quote the line, which holds a secret.
            Ok(_) | Err(_) => mistakes.push(Mistake { line, problem: "is no JSON object".to_owned() }),
        }
    }
    drafts
}

fn draft(line: u64, fields: Map<String, Value>, mistakes: &mut Vec<Mistake>) -> Draft {
    let mut draft = Draft { line, ..Draft::default() };
    let mut complain = |problem: String| mistakes.push(Mistake { line, problem });
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("key", Value::String(text)) => draft.key = Zeroizing::new(text),
            ("owner", Value::String(text)) => draft.owner = Some(text),
            ("name", Value::String(text)) => draft.name = Some(text),
            ("roles", Value::Array(roles)) if roles.iter().all(Value::is_string) => {
                draft.roles = roles.iter().filter_map(|role| role.as_str().map(str::to_owned)).collect();
            }
            ("role_descriptors", Value::Object(descriptors)) => draft.role_descriptors = Some(descriptors),
            ("metadata", Value::Object(metadata)) => draft.metadata = Some(metadata),
            ("expiration", value @ (Value::Null | Value::Number(_))) => draft.expiration = Some(value),
            ("expiration", Value::String(text)) => match expiration(&text) {
                Ok(end) => draft.expiration = Some(end),
                Err(problem) => complain(problem),
            },
            ("key" | "owner" | "name" | "roles" | "role_descriptors" | "metadata" | "expiration", _) => {
                complain(format!("has another value in {name} than there may be"));
            }
            _ => complain(format!(
                "has the field {name}, and there are key, owner, name, roles, role_descriptors, expiration and metadata"
            )),
        }
    }
    if draft.key.is_empty() {
        complain("has no key".to_owned());
    }
    draft
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_key_and_every_mistake_has_its_line() {
        let text = "{\"key\":\"k1\",\"owner\":\"a\",\"name\":\"n\",\"roles\":[\"r\"],\"expiration\":\"2026-01-01\"}\n\n\
                    [1]\n{\"name\":5,\"secret\":\"s\"}\n{\"key\":\"k2\",\"expiration\":null,\"metadata\":{\"a\":1}}";
        let mut mistakes = Vec::new();
        let drafts = read(text, &mut mistakes);
        let keys: Vec<_> = drafts.iter().map(|draft| (draft.line, draft.key.as_str())).collect();
        assert_eq!(keys, [(1, "k1"), (4, ""), (5, "k2")]);
        assert_eq!(drafts[0].expiration, Some(serde_json::json!(1_767_225_600_000_u64)));
        assert_eq!(drafts[2].expiration, Some(Value::Null));
        let lines: Vec<_> = mistakes.iter().map(|mistake| mistake.line).collect();
        assert_eq!(lines, [3, 4, 4, 4]);
        assert!(mistakes.iter().all(|mistake| !mistake.problem.contains("\"s\"")), "{mistakes:?}");
    }
}
