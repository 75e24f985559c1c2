//! The body of a request to the key service: first the JSON parser, then everything that is read of its tree.

use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::{BODY_DEPTH_MAX, BODY_VALUES_MAX, Node, NodeValue, Position};
use latchkey_privileges::permission::HasPrivilegesRequest;

use crate::allocation::within;
use crate::json::Json;

/// Bytes of memory that the service counts for each byte of a body.
#[cfg(feature = "service")]
const COST_PER_BYTE: usize = latchkey_key_service::fuzzing::BODY_HELD_PER_BYTE;
#[cfg(not(feature = "service"))]
const COST_PER_BYTE: usize = 16;

/// What a body may cost however short it is; for each of its bytes it is what the service counts.
const COST_BASE: usize = 64 * 1024;

/// Longest body of which every position is looked at.
const POSITIONS_LEN_MAX: usize = 512;

/// Digits that the reader of bodies takes at most, of a number and of its exponent.
const DIGITS_MAX: usize = 100;

/// * A body without comments is read exactly when a second reader reads it, and to the same values.
/// * What is read is written so that it is read the same, and every value is where its position says.
/// * It costs no more memory than the service counts for it, whichever route it is for.
pub fn rest_bodies(data: &[u8]) {
    let bytes_max = COST_PER_BYTE * data.len() + COST_BASE;
    let parsed = within(bytes_max, || Node::parse(data));
    // A slash outside of texts begins a comment, which only one of the readers takes.
    if !data.contains(&b'/') {
        check_second_reader(data, parsed.as_ref());
    }
    let node = match parsed {
        Ok(Some(node)) => node,
        Ok(None) => return assert!(data.is_empty()),
        Err(refusal) => return check_refusal(&refusal),
    };
    let text = std::str::from_utf8(data).expect("it was read");
    if text.len() <= POSITIONS_LEN_MAX {
        check_positions(&node, text);
    }
    let written = node.to_compact_json();
    let again = Node::parse_required(written.as_bytes()).expect("what was written");
    assert_eq!(again.to_value(), node.to_value());
    assert_eq!(serde_json::from_str::<serde_json::Value>(&written).expect("JSON"), node.to_value());
    drop(again);
    #[cfg(feature = "service")]
    for read in within(bytes_max, || latchkey_key_service::fuzzing::read_by_every_route(&node)) {
        if let Err(refusal) = read {
            check_refusal(&refusal);
        }
    }
    if let Err(refusal) = within(bytes_max, || HasPrivilegesRequest::parse(&node, "ann")) {
        check_refusal(&refusal);
    }
}

fn check_second_reader(data: &[u8], parsed: Result<&Option<Node>, &ErrorCause>) {
    let json = Json::read(data);
    match (parsed, json) {
        (Ok(Some(node)), Some(json)) => {
            assert!(!json.has_name_twice() && json.depth() <= BODY_DEPTH_MAX as usize);
            assert_eq!(node.to_value(), json.to_value());
        }
        (Ok(Some(_)), None) => assert!(!Json::is_malformed(data), "a second reader does not take it"),
        (Err(refusal), Some(json)) => {
            let is_beyond = json.has_name_twice()
                || json.names().iter().any(|name| name.starts_with("$serde_json::private::"))
                || json.depth() > BODY_DEPTH_MAX as usize
                || data.len() >= BODY_VALUES_MAX
                || has_long_number(data);
            assert!(is_beyond, "a second reader takes it: {refusal}");
        }
        (Ok(None) | Err(_), None) => {}
        (Ok(None), Some(json)) => panic!("nothing is {json:?}"),
    }
}

/// Whether some number may have more digits, or a larger exponent, than the reader of bodies takes.
fn has_long_number(data: &[u8]) -> bool {
    let is_of_number = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    let mut numbers = data.split(|byte| !is_of_number(byte));
    numbers.any(|number| {
        let exponent = number.iter().position(|byte| matches!(byte, b'e' | b'E'));
        number.len() >= DIGITS_MAX || exponent.is_some_and(|at| number.len() - at > 3)
    })
}

/// Every value begins at its position, with the character that its kind begins with.
fn check_positions(node: &Node, text: &str) {
    let lines: Vec<&str> = text.split('\n').collect();
    let mut waiting = vec![node];
    while let Some(node) = waiting.pop() {
        let first = char_at(&lines, node.position);
        let fits = match &node.value {
            NodeValue::Array(_) => first == Some('['),
            NodeValue::Boolean(value) => first == Some(if *value { 't' } else { 'f' }),
            NodeValue::Null => first == Some('n'),
            NodeValue::Number { digits, .. } => first == digits.chars().next(),
            NodeValue::Object(_) => first == Some('{'),
            NodeValue::String(_) => first == Some('"'),
        };
        assert!(fits, "{node:?} begins with {first:?}");
        waiting.extend(node.elements().unwrap_or_default());
        for member in node.members().unwrap_or_default() {
            assert_eq!(char_at(&lines, member.position), Some('"'));
            waiting.push(&member.value);
        }
    }
}

fn char_at(lines: &[&str], position: Position) -> Option<char> {
    let line = lines.get(usize::try_from(position.line).ok()?.checked_sub(1)?)?;
    line.chars().nth(usize::try_from(position.column).ok()?.checked_sub(1)?)
}

/// A refusal says something, and the answer that holds it is JSON.
fn check_refusal(refusal: &ErrorCause) {
    let mut cause = Some(refusal);
    while let Some(it) = cause {
        assert!(!it.reason().is_empty());
        cause = it.cause();
    }
    let told = serde_json::to_string(refusal).expect("a refusal has a JSON form");
    assert!(Json::read(told.as_bytes()).is_some_and(|json| !json.has_name_twice()));
}
