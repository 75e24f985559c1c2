//! The configuration as a JSON value.

use std::borrow::Cow;

use hifijson::token::Lex as _;
use hifijson::{Error, SliceLexer, value};
use latchkey_key_feed::format_limits::JSON_DEPTH_MAX;

use super::Problem;

/// A JSON value. Numbers are the text that stood there.
pub(super) type JsonValue<'a> = value::Value<&'a str, Cow<'a, str>>;

/// The fields of an object, as they stand there.
pub(super) type JsonObject<'a> = [(Cow<'a, str>, JsonValue<'a>)];

/// Reads the value, or says where the mistake was noticed: at the first byte that was not read any more.
pub(super) fn read(json: &[u8]) -> Result<JsonValue<'_>, Problem> {
    let mut lexer = SliceLexer::new(json);
    let read: Result<_, Error> = lexer
        .exactly_one(SliceLexer::ws_peek, |next, lexer| value::parse_bounded(JSON_DEPTH_MAX, next, lexer));
    read.map_err(|_| {
        let read = json.get(..json.len() - lexer.as_slice().len()).unwrap_or_default();
        let lines = read.split(|byte| *byte == b'\n');
        let column = lines.clone().next_back().map_or(0, <[u8]>::len);
        Problem::BadJson { line: lines.count(), column: column + 1 }
    })
}

/// The value of that name.
pub(super) fn value_of<'v, 'a>(fields: &'v JsonObject<'a>, name: &str) -> Option<&'v JsonValue<'a>> {
    fields.iter().find(|(other, _)| other == name).map(|(_, value)| value)
}

/// The text, if the value is one.
pub(super) fn text_of<'v>(value: &'v JsonValue<'_>) -> Option<&'v str> {
    match value {
        JsonValue::String(text) => Some(text),
        _ => None,
    }
}
