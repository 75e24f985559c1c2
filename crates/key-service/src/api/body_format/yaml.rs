//! Bodies in YAML. The library takes a document apart into events, one at a time; what a body may be is decided here.
//!
//! It is one document, without anchors, aliases, tags and directives, so that nothing becomes larger than it was sent. What is
//! written without quotes has the type that the core schema of YAML 1.2.2 (section 10.3.2) gives it.

use granit_parser::{ErrorKind, Event, Options, Parser, ScalarStyle, ScanError, Span, StrInput};
use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::{
    BODY_DEPTH_MAX, MemberList, Node, NodeValue, Position, ValuesLeft, number_of,
};

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    values: ValuesLeft,
}

/// What a node begins with.
enum Beginning<'a> {
    List,
    Map,
    Scalar(std::borrow::Cow<'a, str>, ScalarStyle),
}

/// Reads exactly one document.
pub(crate) fn read(body: &[u8]) -> Result<Node, ErrorCause> {
    let start = Position { line: 1, column: 1 };
    let text = std::str::from_utf8(body).map_err(|_| start.complain("the document is not UTF-8"))?;
    let events = Parser::new_from_str_with_options(text, strict());
    let mut reader = Reader { events, values: ValuesLeft::default() };
    loop {
        match reader.next()? {
            (Event::StreamStart, _) => {}
            (Event::DocumentStart(..), _) => break,
            (_, position) => return Err(position.complain("Unexpected end-of-input")),
        }
    }
    let node = reader.node(BODY_DEPTH_MAX)?;
    loop {
        match reader.next()? {
            (Event::DocumentEnd, _) => {}
            (Event::StreamEnd, _) => return Ok(node),
            (_, position) => return Err(position.complain("trailing content after the end of the document")),
        }
    }
}

/// Directives could give a document tags of its own.
fn strict() -> Options {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.disallow_directives = true;
    options.flow_nesting_limit = BODY_DEPTH_MAX as usize;
    options.block_nesting_limit = BODY_DEPTH_MAX as usize;
    options
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Position), ErrorCause> {
        match self.events.next_event() {
            Some(Ok((event, span))) => Ok((event, position(&span))),
            Some(Err(error)) => Err(explain(&error)),
            None => Err(Position { line: 1, column: 1 }.complain("Unexpected end-of-input")),
        }
    }

    /// The node that comes next; `None` where a list or map ends.
    fn beginning(&mut self) -> Result<(Option<Beginning<'a>>, Position), ErrorCause> {
        let (event, position) = self.next()?;
        let (beginning, anchor, tag) = match event {
            Event::Scalar(text, style, anchor, tag) => (Beginning::Scalar(text, style), anchor, tag),
            Event::SequenceStart(_, anchor, tag) => (Beginning::List, anchor, tag),
            Event::MappingStart(_, anchor, tag) => (Beginning::Map, anchor, tag),
            Event::SequenceEnd | Event::MappingEnd => return Ok((None, position)),
            Event::Alias(_) => return Err(position.complain("aliases are not supported")),
            _ => return Err(position.complain("Unexpected end-of-input")),
        };
        if anchor != 0 {
            return Err(position.complain("anchors are not supported"));
        }
        if tag.is_some() {
            return Err(position.complain("tags are not supported"));
        }
        Ok((Some(beginning), position))
    }

    fn node(&mut self, levels: u32) -> Result<Node, ErrorCause> {
        match self.beginning()? {
            (Some(beginning), position) => self.rest(beginning, position, levels),
            (None, position) => Err(position.complain("Unexpected end-of-input")),
        }
    }

    /// Recursion ends at a depth of `levels`.
    fn rest(
        &mut self,
        beginning: Beginning<'a>,
        position: Position,
        levels: u32,
    ) -> Result<Node, ErrorCause> {
        self.values.take(position)?;
        let value = match beginning {
            Beginning::List => self.list(position.deeper(levels)?)?,
            Beginning::Map => self.map(position.deeper(levels)?)?,
            Beginning::Scalar(text, ScalarStyle::Plain) => plain(&text, position)?,
            Beginning::Scalar(text, _) => NodeValue::String(text.into_owned()),
        };
        Ok(Node { position, value })
    }

    fn list(&mut self, levels: u32) -> Result<NodeValue, ErrorCause> {
        let mut elements = Vec::new();
        while let (Some(beginning), position) = self.beginning()? {
            elements.push(self.rest(beginning, position, levels)?);
        }
        Ok(NodeValue::Array(elements))
    }

    fn map(&mut self, levels: u32) -> Result<NodeValue, ErrorCause> {
        let mut members = MemberList::default();
        while let (Some(beginning), position) = self.beginning()? {
            let name = match beginning {
                // The library shows an absent name as `~`, which is null as well.
                Beginning::Scalar(name, style) if style != ScalarStyle::Plain || name != "~" => name,
                _ => return Err(position.complain("the name of a field must be a text")),
            };
            members.refuse_name(&name, position)?;
            let value = self.node(levels)?;
            members.push(name.into_owned(), position, value);
        }
        Ok(members.finish())
    }
}

/// What is written without quotes.
fn plain(text: &str, position: Position) -> Result<NodeValue, ErrorCause> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => NodeValue::Null,
        "true" | "True" | "TRUE" => NodeValue::Boolean(true),
        "false" | "False" | "FALSE" => NodeValue::Boolean(false),
        _ => match digits(text) {
            Some(digits) => {
                let number = number_of(&digits).map_err(|problem| position.complain(problem))?;
                NodeValue::Number { number, digits }
            }
            None if is_not_finite(text) => {
                return Err(position.complain(format_args!("Numeric value ({text}) out of range")));
            }
            None => NodeValue::String(text.to_owned()),
        },
    })
}

/// The number in the form of JSON, which has neither a plus, nor zeros before, nor a point without digits on both sides.
/// `None` when it is none.
fn digits(text: &str) -> Option<String> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(rest) = text.strip_prefix(prefix) {
            let is_number = !rest.is_empty() && rest.chars().all(|digit| digit.is_digit(radix));
            // What is too large is no JSON number either, and told to be out of range.
            let number =
                || u64::from_str_radix(rest, radix).map_or_else(|_| text.to_owned(), |it| it.to_string());
            return is_number.then(number);
        }
    }
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (unsigned.get(..at)?, unsigned.get(at..)?),
        None => (unsigned, ""),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = are_digits(whole)
        && are_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && (exponent.is_empty() || is_exponent(exponent));
    if !is_number {
        return None;
    }
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let fraction = match (mantissa.contains('.'), fraction) {
        (false, _) => String::new(),
        (true, "") => ".0".to_owned(),
        (true, digits) => format!(".{digits}"),
    };
    Some(format!("{sign}{whole}{fraction}{exponent}"))
}

/// `e`, a sign if any, and digits.
fn is_exponent(text: &str) -> bool {
    let digits = text.get(1..).unwrap_or_default();
    let digits = digits.strip_prefix(['+', '-']).unwrap_or(digits);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_not_finite(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN")
}

fn position(span: &Span) -> Position {
    Position { line: span.start.line().max(1) as u64, column: span.start.col() as u64 + 1 }
}

/// Nothing of the body is repeated.
fn explain(error: &ScanError) -> ErrorCause {
    let marker = error.marker();
    let position = Position { line: marker.line().max(1) as u64, column: marker.col() as u64 + 1 };
    match error.kind() {
        // The library reads ahead, and sees first what is too deep.
        ErrorKind::RecursionLimitExceeded => position.too_deep(),
        _ => position.complain("Unreadable YAML"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scalar_is_what_the_core_schema_says() {
        for (text, json) in [
            ("1", "1"),
            ("+12", "12"),
            ("007", "7"),
            ("0x1F", "31"),
            ("0o17", "15"),
            ("1.50", "1.5"),
            (".5", "0.5"),
            ("-5.", "-5.0"),
            ("1e3", "1000.0"),
            ("true", "true"),
            ("yes", "\"yes\""),
            ("1_000", "\"1_000\""),
            ("0x", "\"0x\""),
            ("0x+1", "\"0x+1\""),
            ("'~': 1", "{\"~\":1}"),
            ("+", "\"+\""),
            ("1e", "\"1e\""),
            ("~", "null"),
            ("'1'", "\"1\""),
            ("|\n a\n b\n", "\"a\\nb\\n\""),
            ("<<: {a: 1}", "{\"<<\":{\"a\":1}}"),
            ("\u{feff}a: 1", "{\"a\":1}"),
            ("18446744073709551616", "18446744073709551616"),
        ] {
            let read = read(text.as_bytes()).unwrap_or_else(|refusal| panic!("{text}: {refusal}"));
            assert_eq!(read.to_compact_json(), json, "{text}");
        }
    }

    #[test]
    fn what_is_more_than_a_document_of_values_is_refused() {
        for (text, reason) in [
            (".inf", "Numeric value (.inf) out of range"),
            ("-.INF", "Numeric value (-.INF) out of range"),
            (".nan", "Numeric value (.nan) out of range"),
            ("0xFFFFFFFFFFFFFFFFF", "Numeric value (0xFFFFFFFFFFFFFFFFF) out of range"),
            (": a", "the name of a field must be a text"),
            ("{: a}", "the name of a field must be a text"),
            ("1e999", "Numeric value (1e999) out of range"),
            ("!!binary aGk=", "tags are not supported"),
            ("a: !Custom x", "tags are not supported"),
            ("a: &b 1", "anchors are not supported"),
            ("- &a 1\n- *a", "anchors are not supported"),
            ("%YAML 1.2\n---\na: 1", "Unreadable YAML"),
            ("? [a]\n: 1", "the name of a field must be a text"),
            ("a: 1\n---\nb: 1", "trailing content after the end of the document"),
            ("# nothing", "Unexpected end-of-input"),
            ("a: b: c", "Unreadable YAML"),
        ] {
            let told = read(text.as_bytes()).map(|node| node.to_compact_json());
            assert!(
                told.as_ref().is_err_and(|refusal| refusal.reason().ends_with(reason)),
                "{text}: {told:?}"
            );
        }
    }
}
