//! The parameter `error_trace`: every cause of an error has a field `stack_trace` (Elasticsearch, `ElasticsearchException`).
//!
//! There is no stack of a virtual machine here, and where in the service an error arose is nothing for clients. What the
//! field has of Elasticsearch's text is its first line, and one for each cause below.

use latchkey_elastic::content::{Member, Node, NodeValue, Position};

/// What stands nowhere in a document.
const NOWHERE: Position = Position { line: 1, column: 1 };

/// Adds the field to the error of an answer. An error that is only a text has no causes, and stays as it is.
pub(super) fn add(answer: &mut Node) {
    if let Some(error) = field(answer, "error") {
        add_to(error);
    }
}

fn add_to(cause: &mut Node) {
    if let Some(Node { value: NodeValue::Array(roots), .. }) = field(cause, "root_cause") {
        roots.iter_mut().for_each(add_to);
    }
    if let Some(below) = field(cause, "caused_by") {
        add_to(below);
    }
    let Some(trace) = trace(cause) else { return };
    if let NodeValue::Object(members) = &mut cause.value {
        let value = Node { position: NOWHERE, value: NodeValue::String(trace) };
        members.push(Member { name: "stack_trace".to_owned(), position: NOWHERE, value });
    }
}

/// `None` for what is no cause.
fn trace(cause: &Node) -> Option<String> {
    let text = |name| find(cause, name)?.as_str();
    let head = format!("{}: {}", text("type")?, text("reason").unwrap_or("null"));
    let below = find(cause, "caused_by").and_then(trace);
    Some(below.map_or_else(|| head.clone(), |below| format!("{head}\nCaused by: {below}")))
}

fn find<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    node.members()?.iter().find(|member| member.name == name).map(|member| &member.value)
}

fn field<'a>(node: &'a mut Node, name: &str) -> Option<&'a mut Node> {
    match &mut node.value {
        NodeValue::Object(members) => {
            members.iter_mut().find(|member| member.name == name).map(|member| &mut member.value)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traced(answer: &str) -> String {
        let mut node = Node::parse_required(answer.as_bytes()).unwrap();
        add(&mut node);
        node.to_compact_json()
    }

    #[test]
    fn every_cause_tells_itself_and_those_below() {
        let answer = r#"{"error":{"root_cause":[{"type":"c","reason":"r2"}],"type":"a","reason":"r1","caused_by":{"type":"b","reason":null}},"status":400}"#;
        let expected = r#"{"error":{"root_cause":[{"type":"c","reason":"r2","stack_trace":"c: r2"}],"type":"a","reason":"r1","caused_by":{"type":"b","reason":null,"stack_trace":"b: null"},"stack_trace":"a: r1\nCaused by: b: null"},"status":400}"#;
        assert_eq!(traced(answer), expected);
    }

    #[test]
    fn what_has_no_causes_stays_as_it_is() {
        for answer in [r#"{"error":"no handler","status":405}"#, r#"{"error":{"x":1}}"#, r#"{"a":1}"#, "[]"] {
            assert_eq!(traced(answer), answer);
        }
    }
}
