//! The kinds of JSON values, as error messages name them.

use std::fmt;

/// The first token of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// An array.
    StartArray,
    /// An object.
    StartObject,
    /// `true` or `false`.
    ValueBoolean,
    /// `null`.
    ValueNull,
    /// A number.
    ValueNumber,
    /// A text.
    ValueString,
}

impl Token {
    /// The tokens of values that have a text: texts, numbers and booleans.
    pub const SCALARS: &'static [Self] = &[Self::ValueBoolean, Self::ValueNumber, Self::ValueString];
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StartArray => "START_ARRAY",
            Self::StartObject => "START_OBJECT",
            Self::ValueBoolean => "VALUE_BOOLEAN",
            Self::ValueNull => "VALUE_NULL",
            Self::ValueNumber => "VALUE_NUMBER",
            Self::ValueString => "VALUE_STRING",
        })
    }
}
