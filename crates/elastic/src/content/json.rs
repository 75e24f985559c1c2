//! From bytes to a tree with positions.

use struson::reader::{
    JsonReader as _, JsonReaderPosition, JsonStreamReader, LinePosition, ReaderError, ReaderSettings,
    SyntaxErrorKind, ValueType,
};

use super::{BODY_DEPTH_MAX, MemberList, Node, NodeValue, Position, ValuesLeft, number_of};
use crate::ErrorCause;

type Reader<'a> = JsonStreamReader<&'a [u8]>;

/// Reads exactly one value, to the end of the bytes. It may have `values_max` values in it.
pub(super) fn read(body: &[u8], values_max: usize) -> Result<Node, ErrorCause> {
    let text = std::str::from_utf8(body).map_err(|error| not_utf8(body, error.valid_up_to()))?;
    let settings = ReaderSettings {
        allow_comments: true,
        max_nesting_depth: Some(BODY_DEPTH_MAX),
        // `number_of` has a limit of its own.
        restrict_number_values: false,
        track_path: false,
        ..ReaderSettings::default()
    };
    let mut reader = JsonStreamReader::new_custom(text.as_bytes(), settings);
    let explain = |error| unreadable(text, error);
    let mut values = ValuesLeft::new(values_max);
    let node = read_value(&mut reader, &mut values, &explain)?;
    reader.consume_trailing_whitespace().map_err(explain)?;
    Ok(node)
}

/// Recursion ends where the reader refuses to nest deeper.
fn read_value(
    reader: &mut Reader<'_>,
    values: &mut ValuesLeft,
    explain: &impl Fn(ReaderError) -> ErrorCause,
) -> Result<Node, ErrorCause> {
    let value_type = reader.peek().map_err(explain)?;
    let position = position(&reader.current_position(false));
    values.take(position)?;
    let value = match value_type {
        ValueType::Array => read_array(reader, values, explain)?,
        ValueType::Object => read_object(reader, values, explain)?,
        ValueType::String => NodeValue::String(reader.next_string().map_err(explain)?),
        ValueType::Number => {
            let digits = reader.next_number_as_string().map_err(explain)?;
            let number = number_of(&digits).map_err(|problem| position.complain(problem))?;
            NodeValue::Number { number, digits }
        }
        ValueType::Boolean => NodeValue::Boolean(reader.next_bool().map_err(explain)?),
        ValueType::Null => {
            reader.next_null().map_err(explain)?;
            NodeValue::Null
        }
    };
    Ok(Node { position, value })
}

fn read_array(
    reader: &mut Reader<'_>,
    values: &mut ValuesLeft,
    explain: &impl Fn(ReaderError) -> ErrorCause,
) -> Result<NodeValue, ErrorCause> {
    let mut elements = Vec::new();
    reader.begin_array().map_err(explain)?;
    while reader.has_next().map_err(explain)? {
        elements.push(read_value(reader, values, explain)?);
    }
    reader.end_array().map_err(explain)?;
    Ok(NodeValue::Array(elements))
}

fn read_object(
    reader: &mut Reader<'_>,
    values: &mut ValuesLeft,
    explain: &impl Fn(ReaderError) -> ErrorCause,
) -> Result<NodeValue, ErrorCause> {
    let mut members = MemberList::default();
    reader.begin_object().map_err(explain)?;
    while reader.has_next().map_err(explain)? {
        let position = position(&reader.current_position(false));
        let name = reader.next_name_owned().map_err(explain)?;
        members.refuse_name(&name, position)?;
        let value = read_value(reader, values, explain)?;
        members.push(name, position, value);
    }
    reader.end_object().map_err(explain)?;
    Ok(members.finish())
}

/// The text of Elasticsearch's JSON library where that is easy to reproduce, and a plain sentence elsewhere.
fn unreadable(text: &str, error: ReaderError) -> ErrorCause {
    match error {
        ReaderError::SyntaxError(error) => {
            let at = position(&error.location);
            match error.kind {
                SyntaxErrorKind::IncompleteDocument
                | SyntaxErrorKind::IncompleteComment
                | SyntaxErrorKind::BlockCommentNotClosed => at.complain("Unexpected end-of-input"),
                kind => at.complain(unexpected_character(text, &error.location, kind)),
            }
        }
        ReaderError::MaxNestingDepthExceeded { location, .. } => position(&location).too_deep(),
        ReaderError::UnsupportedNumberValue { location, .. } => {
            position(&location).complain("Numeric value out of range")
        }
        // Other errors cannot happen: the bytes are in memory, and a value is read by the type that was
        // peeked.
        ReaderError::UnexpectedValueType { location, .. }
        | ReaderError::UnexpectedStructure { location, .. }
        | ReaderError::IoError { location, .. } => position(&location).complain("Unreadable content"),
        // A later version of the library may have more errors; their text holds no values of the body.
        _ => Position { line: 1, column: 1 }.complain("Unreadable content"),
    }
}

fn unexpected_character(text: &str, location: &JsonReaderPosition, kind: SyntaxErrorKind) -> String {
    let offset = location.data_pos.and_then(|offset| usize::try_from(offset).ok()).unwrap_or(usize::MAX);
    match text.get(offset..).and_then(|rest| rest.chars().next()) {
        Some(found) => {
            format!("Unexpected character ('{found}' (code {})): {}", u32::from(found), expectation(kind))
        }
        None => "Unexpected end-of-input".to_owned(),
    }
}

fn expectation(kind: SyntaxErrorKind) -> &'static str {
    match kind {
        SyntaxErrorKind::ExpectingMemberNameOrObjectEnd => "was expecting double-quote to start field name",
        SyntaxErrorKind::MissingColon => "was expecting a colon to separate field name and value",
        SyntaxErrorKind::MissingComma => "was expecting comma to separate entries",
        SyntaxErrorKind::NotEscapedControlCharacter => {
            "has to be escaped using backslash to be included in string value"
        }
        SyntaxErrorKind::UnknownEscapeSequence
        | SyntaxErrorKind::MalformedEscapeSequence
        | SyntaxErrorKind::UnpairedSurrogatePairEscapeSequence => "malformed escape sequence",
        SyntaxErrorKind::TrailingData => "trailing content after the end of the document",
        _ => "expected a valid value",
    }
}

fn not_utf8(body: &[u8], valid_up_to: usize) -> ErrorCause {
    let valid = body.get(..valid_up_to).map(String::from_utf8_lossy).unwrap_or_default();
    let line = valid.matches('\n').count() as u64 + 1;
    let column = valid.rsplit('\n').next().unwrap_or_default().chars().count() as u64 + 1;
    let byte = body.get(valid_up_to).copied().unwrap_or_default();
    Position { line, column }.complain(format_args!("Invalid UTF-8 start byte 0x{byte:02x}"))
}

/// The reader counts from 0.
fn position(location: &JsonReaderPosition) -> Position {
    let LinePosition { line, column } = location.line_pos.unwrap_or(LinePosition { line: 0, column: 0 });
    Position { line: line + 1, column: column + 1 }
}
