//! Answers in YAML.

use latchkey_elastic::content::{Node, NodeValue};
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use serde_json::Number;

/// A value as it is written in YAML.
struct YamlNode<'a>(&'a Node);

/// The document; `None` for what cannot be written.
pub(super) fn write(node: &Node) -> Option<Vec<u8>> {
    let text = serde_saphyr::to_string(&YamlNode(node)).ok()?;
    Some(["---\n", &text].concat().into_bytes())
}

impl Serialize for YamlNode<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.value {
            NodeValue::Array(elements) => {
                let mut array = serializer.serialize_seq(Some(elements.len()))?;
                for element in elements {
                    array.serialize_element(&Self(element))?;
                }
                array.end()
            }
            NodeValue::Boolean(value) => serializer.serialize_bool(*value),
            NodeValue::Null => serializer.serialize_unit(),
            NodeValue::Number { number, .. } => write_number(number, serializer),
            NodeValue::Object(members) => {
                let mut object = serializer.serialize_map(Some(members.len()))?;
                for member in members {
                    object.serialize_entry(&member.name, &Self(&member.value))?;
                }
                object.end()
            }
            NodeValue::String(text) => serializer.serialize_str(text),
        }
    }
}

/// A whole number beyond 128 bits is written as a text: the library writes no longer ones.
fn write_number<S: Serializer>(number: &Number, serializer: S) -> Result<S::Ok, S::Error> {
    if let Some(whole) = number.as_i128() {
        return serializer.serialize_i128(whole);
    }
    match number.as_f64() {
        Some(double) if number.is_f64() => serializer.serialize_f64(double),
        _ => serializer.serialize_str(number.as_str()),
    }
}
