//! Metadata of a route, as a host hands it over.

use serde_json::Value;

/// `envoy.config.core.v3.Metadata` in which these namespaces have these fields.
#[must_use]
pub fn route_metadata(namespaces: &Value) -> Vec<u8> {
    fields(namespaces, fields_of)
}

/// A map of names to whatever `value` writes, as field 1 of a message.
fn fields(object: &Value, value: fn(&Value) -> Vec<u8>) -> Vec<u8> {
    let entries = object.as_object().into_iter().flatten();
    let entries = entries.map(|(name, held)| [bytes(1, name.as_bytes()), bytes(2, &value(held))].concat());
    entries.flat_map(|entry| bytes(1, &entry)).collect()
}

fn fields_of(object: &Value) -> Vec<u8> {
    fields(object, value_of)
}

/// `google.protobuf.Value`.
fn value_of(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => vec![1 << 3, 0],
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or_default();
            [&[(2 << 3) | 1], number.to_le_bytes().as_slice()].concat()
        }
        Value::String(text) => bytes(3, text.as_bytes()),
        Value::Bool(flag) => vec![4 << 3, u8::from(*flag)],
        Value::Object(_) => bytes(5, &fields_of(value)),
        Value::Array(values) => {
            let values: Vec<u8> = values.iter().flat_map(|value| bytes(1, &value_of(value))).collect();
            bytes(6, &values)
        }
    }
}

/// A field of bytes.
fn bytes(field: u8, value: &[u8]) -> Vec<u8> {
    let mut written = vec![(field << 3) | 2];
    let mut len = value.len();
    while len >= 0x80 {
        written.push((len & 0x7F) as u8 | 0x80);
        len >>= 7;
    }
    written.push(len as u8);
    written.extend(value);
    written
}
