//! The bytes that JSON takes in memory, about.

use serde_json::{Map, Value};

/// The bytes of a value besides its texts.
const VALUE_LEN: usize = size_of::<Value>();

/// The bytes of a member of an object besides its name and its value.
const MEMBER_LEN: usize = 32;

/// The bytes of a value with all that is in it.
#[must_use]
pub fn value_len(value: &Value) -> usize {
    VALUE_LEN
        + match value {
            Value::Null | Value::Bool(_) => 0,
            Value::Number(number) => number.as_str().len(),
            Value::String(text) => text.len(),
            Value::Array(elements) => elements.iter().map(value_len).sum(),
            Value::Object(object) => object_len(object),
        }
}

/// The bytes of an object with all that is in it.
#[must_use]
pub fn object_len(object: &Map<String, Value>) -> usize {
    object.iter().map(|(name, value)| MEMBER_LEN + name.len() + value_len(value)).sum()
}
