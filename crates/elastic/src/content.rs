//! Request bodies: JSON with positions, and parsers that report mistakes as Elasticsearch does.
//!
//! [`Node::parse`] reads a whole body into a tree in which every value has its position; an
//! [`ObjectParser`](object_parser::ObjectParser) then reads an object of that tree field by field, in the
//! order of the document, and stops at the first mistake. Malformed JSON anywhere in the body is reported
//! before anything else.
//!
//! A body is JSON (RFC 8259), with `/* */` and `//` comments. Besides malformed JSON these are refused:
//! duplicate names in one object (two readers of such a body could disagree about what it says), bytes that
//! are not UTF-8, numbers with more than 100 digits or an exponent of more than 99, nesting deeper than
//! [`BODY_DEPTH_MAX`], and more than [`BODY_VALUES_MAX`] values.

mod building;
mod json;
mod number;
pub mod object_parser;
mod token;

use std::fmt;

use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use serde_json::{Number, Value};

use crate::{ErrorCause, ErrorType};

pub use building::{MemberList, ValuesLeft};
pub use number::{NUMBER_LEN_MAX, number_of};
pub use token::Token;

/// Deepest nesting of arrays and objects in a body. `serde_json` stops at 128, and what a body holds must be
/// readable again after it was stored inside a few levels more.
pub const BODY_DEPTH_MAX: u32 = 100;

/// Most values of a body: twice as many as a `terms` query takes. Each takes some hundred bytes while it is
/// read.
pub const BODY_VALUES_MAX: usize = 131_072;

/// What some editors write before a text in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Where a value begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1, in characters.
    pub column: u64,
}

/// A value of a body.
#[derive(Clone, PartialEq)]
pub struct Node {
    /// Where it begins.
    pub position: Position,
    /// What it is.
    pub value: NodeValue,
}

/// What a value of a body is.
#[derive(Clone, PartialEq)]
pub enum NodeValue {
    /// `[…]`.
    Array(Vec<Node>),
    /// `true` or `false`.
    Boolean(bool),
    /// `null`.
    Null,
    /// A number, with the digits the client wrote.
    Number {
        /// Its value.
        number: Number,
        /// Its digits.
        digits: String,
    },
    /// `{…}`, in the order of the document; no name occurs twice.
    Object(Vec<Member>),
    /// A text.
    String(String),
}

/// A name and a value inside an object.
#[derive(Clone, PartialEq)]
pub struct Member {
    /// The name.
    pub name: String,
    /// Where the name begins.
    pub position: Position,
    /// The value.
    pub value: Node,
}

/// The error of a route that requires a body.
#[must_use]
pub fn missing_body() -> ErrorCause {
    ErrorCause::parse("request body is required")
}

impl Node {
    /// Reads a body that is required.
    ///
    /// # Errors
    ///
    /// `parse_exception` when there is no body, `x_content_parse_exception` when it is not acceptable JSON.
    pub fn parse_required(body: &[u8]) -> Result<Self, ErrorCause> {
        Self::parse(body)?.ok_or_else(missing_body)
    }

    /// Reads a body; without bytes there is none. A byte order mark before it is passed over, as Elasticsearch's parser does.
    ///
    /// # Errors
    ///
    /// `x_content_parse_exception` when it is not acceptable JSON.
    pub fn parse(body: &[u8]) -> Result<Option<Self>, ErrorCause> {
        let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
        if body.is_empty() { Ok(None) } else { Self::parse_within(BODY_VALUES_MAX, body).map(Some) }
    }

    /// Reads JSON that is not the body of a request, with a limit of values of its own.
    ///
    /// # Errors
    ///
    /// As of [`Self::parse`].
    pub fn parse_within(values_max: usize, text: &[u8]) -> Result<Self, ErrorCause> {
        json::read(text, values_max)
    }

    /// What kind of value this is, as error messages name it.
    #[must_use]
    pub fn token(&self) -> Token {
        match &self.value {
            NodeValue::Array(_) => Token::StartArray,
            NodeValue::Boolean(_) => Token::ValueBoolean,
            NodeValue::Null => Token::ValueNull,
            NodeValue::Number { .. } => Token::ValueNumber,
            NodeValue::Object(_) => Token::StartObject,
            NodeValue::String(_) => Token::ValueString,
        }
    }

    /// The text, if this is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            NodeValue::String(text) => Some(text),
            _ => None,
        }
    }

    /// The members, if this is an object.
    #[must_use]
    pub fn members(&self) -> Option<&[Member]> {
        match &self.value {
            NodeValue::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The elements, if this is an array.
    #[must_use]
    pub fn elements(&self) -> Option<&[Self]> {
        match &self.value {
            NodeValue::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The value without positions.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match &self.value {
            NodeValue::Array(elements) => elements.iter().map(Self::to_value).collect(),
            NodeValue::Boolean(value) => Value::Bool(*value),
            NodeValue::Null => Value::Null,
            NodeValue::Number { number, .. } => Value::Number(number.clone()),
            NodeValue::Object(members) => {
                members.iter().map(|member| (member.name.clone(), member.value.to_value())).collect()
            }
            NodeValue::String(text) => Value::String(text.clone()),
        }
    }

    /// The value as JSON text without spaces, its names in the order of the document.
    #[must_use]
    pub fn to_compact_json(&self) -> String {
        // A tree of texts, numbers and booleans always serializes.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Position {
    /// How many levels of arrays and objects may be inside of the one that begins here.
    ///
    /// # Errors
    ///
    /// `x_content_parse_exception` where it may not begin.
    pub fn deeper(self, levels: u32) -> Result<u32, ErrorCause> {
        levels.checked_sub(1).ok_or_else(|| self.too_deep())
    }

    /// The error of what is nested deeper than [`BODY_DEPTH_MAX`].
    #[must_use]
    pub fn too_deep(self) -> ErrorCause {
        self.complain(format_args!("Document nesting depth exceeds the maximum allowed ({BODY_DEPTH_MAX})"))
    }

    /// An `x_content_parse_exception` about this place: `[<line>:<column>] <complaint>`.
    #[must_use]
    pub fn complain(self, complaint: impl fmt::Display) -> ErrorCause {
        ErrorCause::new(ErrorType::XContentParse, format!("[{self}] {complaint}"))
    }
}

/// In the order of the document, as JSON: other formats do not know how a number keeps its digits.
impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.value {
            NodeValue::Array(elements) => {
                let mut array = serializer.serialize_seq(Some(elements.len()))?;
                for element in elements {
                    array.serialize_element(element)?;
                }
                array.end()
            }
            NodeValue::Boolean(value) => serializer.serialize_bool(*value),
            NodeValue::Null => serializer.serialize_unit(),
            NodeValue::Number { number, .. } => number.serialize(serializer),
            NodeValue::Object(members) => {
                let mut object = serializer.serialize_map(Some(members.len()))?;
                for member in members {
                    object.serialize_entry(&member.name, &member.value)?;
                }
                object.end()
            }
            NodeValue::String(text) => serializer.serialize_str(text),
        }
    }
}

/// Shows only position and kind: a body may hold passwords and tokens.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.token(), self.position)
    }
}

/// Shows only the kind, like [`Node`].
impl fmt::Debug for NodeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeValue")
    }
}

/// Shows the name, and only the kind of the value, like [`Node`].
impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.name, self.value)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests;
