//! A second reader of JSON, by `serde_json`: it keeps the order of fields, and names that stand twice.

use std::collections::HashSet;
use std::fmt;

use latchkey_elastic::content::number_of;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// The fields of an object.
pub(crate) type Fields = [(String, Json)];

/// What is known of the value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'j> {
    Absent,
    Once(&'j Json),
    Twice,
}

impl Json {
    /// Reads the bytes; `None` for what is no JSON, or too deep or too large a number for this reader.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Whether the bytes are no JSON, rather than something that is beyond this reader.
    pub(crate) fn is_malformed(bytes: &[u8]) -> bool {
        serde_json::from_slice::<Self>(bytes).is_err_and(|error| {
            let told = error.to_string();
            !told.starts_with("recursion limit exceeded") && !told.starts_with("number out of range")
        })
    }

    pub(crate) fn fields(&self) -> Option<&Fields> {
        match self {
            Self::Object(fields) => Some(fields),
            _ => None,
        }
    }

    pub(crate) fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn u64(&self) -> Option<u64> {
        match self {
            Self::Number(number) => number.as_u64(),
            _ => None,
        }
    }

    /// Whether some object in it has a name twice.
    pub(crate) fn has_name_twice(&self) -> bool {
        match self {
            Self::List(items) => items.iter().any(Self::has_name_twice),
            Self::Object(fields) => {
                let mut names = HashSet::new();
                !fields.iter().all(|(name, _)| names.insert(name))
                    || fields.iter().any(|(_, value)| value.has_name_twice())
            }
            _ => false,
        }
    }

    /// How deep lists and objects are nested.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Self::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Self::Object(fields) => 1 + fields.iter().map(|(_, value)| value.depth()).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// Every text that is no name.
    pub(crate) fn texts(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => vec![text],
            Self::List(items) => items.iter().flat_map(Self::texts).collect(),
            Self::Object(fields) => fields.iter().flat_map(|(_, value)| value.texts()).collect(),
            _ => Vec::new(),
        }
    }

    /// Every name of a field.
    pub(crate) fn names(&self) -> Vec<&str> {
        match self {
            Self::List(items) => items.iter().flat_map(Self::names).collect(),
            Self::Object(fields) => fields
                .iter()
                .flat_map(|(name, value)| std::iter::once(name.as_str()).chain(value.names()))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The same as a value of `serde_json`. Of names that stand twice the last counts.
    pub(crate) fn to_value(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Number(number) => number.clone().into(),
            Self::Text(text) => text.as_str().into(),
            Self::List(items) => items.iter().map(Self::to_value).collect(),
            Self::Object(fields) => {
                fields.iter().map(|(name, value)| (name.clone(), value.to_value())).collect()
            }
        }
    }
}

/// The value of that name.
pub(crate) fn value<'j>(fields: &'j Fields, name: &str) -> Value<'j> {
    let mut named = fields.iter().filter(|(other, _)| other == name).map(|(_, value)| value);
    match (named.next(), named.next()) {
        (None, _) => Value::Absent,
        (Some(value), None) => Value::Once(value),
        (Some(_), Some(_)) => Value::Twice,
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        while let Some(name) = fields.next_key::<String>()? {
            // That is how a number arrives that keeps its digits.
            if object.is_empty() && name == "$serde_json::private::Number" {
                let digits: String = fields.next_value()?;
                return number_of(&digits).map(Json::Number).map_err(A::Error::custom);
            }
            object.push((name, fields.next_value()?));
        }
        Ok(Json::Object(object))
    }
}
