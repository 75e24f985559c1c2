//! Reading the JSON in which rights travel: an object has every field that it must have once, and no field that is
//! not known. Such a field could restrict something.

use std::borrow::Cow;

use hifijson::token::Lex as _;
use hifijson::{Error, SliceLexer, value};

/// How deep such values are nested at most, in levels: texts of a list in a block of a list of a side of rights.
const DEPTH_MAX: usize = 6;

/// A JSON value. Numbers are the text that stood there.
pub(crate) type JsonValue<'a> = value::Value<&'a str, Cow<'a, str>>;

/// The fields of an object.
pub(crate) struct Fields<'v, 'a> {
    all: &'v [(Cow<'a, str>, JsonValue<'a>)],
    /// How many have been taken.
    taken: usize,
}

/// Reads the value; `None` for what is none, and for what is nested too deep.
pub(crate) fn read(json: &[u8]) -> Option<JsonValue<'_>> {
    let mut lexer = SliceLexer::new(json);
    let read: Result<_, Error> =
        lexer.exactly_one(SliceLexer::ws_peek, |next, lexer| value::parse_bounded(DEPTH_MAX, next, lexer));
    read.ok()
}

impl<'v, 'a> Fields<'v, 'a> {
    /// Reads an object. `read` takes each field once; `None` when it does not take all.
    pub(crate) fn read<T>(value: &'v JsonValue<'a>, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let JsonValue::Object(all) = value else { return None };
        let mut fields = Self { all, taken: 0 };
        let whole = read(&mut fields)?;
        (fields.taken == all.len()).then_some(whole)
    }

    /// The value of a field; `None` when there is none of this name.
    pub(crate) fn take(&mut self, name: &str) -> Option<&'v JsonValue<'a>> {
        let (_, value) = self.all.iter().find(|(other, _)| other == name)?;
        self.taken += 1;
        Some(value)
    }

    /// The text of a field.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        text(self.take(name)?)
    }

    /// The texts of a field.
    pub(crate) fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        items(self.take(name)?, text)
    }

    /// Whether a field is true. One that is false need not be there.
    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        match self.take(name) {
            None => Some(false),
            Some(JsonValue::Bool(is_true)) => Some(*is_true),
            Some(_) => None,
        }
    }
}

/// Reads one value.
type Read<T> = fn(&JsonValue<'_>) -> Option<T>;

/// Reads a list.
pub(crate) fn items<T>(value: &JsonValue<'_>, read: Read<T>) -> Option<Vec<T>> {
    let JsonValue::Array(values) = value else { return None };
    let mut items = Vec::with_capacity(values.len());
    for value in values {
        items.push(read(value)?);
    }
    Some(items)
}

/// Reads a list that need not be there when it is empty.
pub(crate) fn some_items<T>(value: Option<&JsonValue<'_>>, read: Read<T>) -> Option<Vec<T>> {
    value.map_or_else(|| Some(Vec::new()), |value| items(value, read))
}

/// Reads a text.
pub(crate) fn text(value: &JsonValue<'_>) -> Option<String> {
    match value {
        JsonValue::String(text) => Some(text.clone().into_owned()),
        _ => None,
    }
}
