//! Passing over values, of any size and depth.

use hifijson::num::Lex as _;
use hifijson::str::Lex as _;
use hifijson::token::Lex as _;
use hifijson::{Read as _, SliceLexer};

use super::wire_row::Malformed;

/// Passes over the value that begins with `next`. Builds nothing, and keeps a byte for each level that is
/// open: a value that is nested a million times costs a million bytes, and no stack.
pub(super) fn skip(next: u8, lexer: &mut SliceLexer<'_>) -> Result<(), Malformed> {
    let mut next = next;
    let mut open = Vec::new();
    loop {
        let end = match next {
            b'[' => Some(b']'),
            b'{' => Some(b'}'),
            _ => None,
        };
        match end {
            None => skip_plain(next, lexer)?,
            Some(end) => {
                let first = lexer.discarded().ws_peek().ok_or(Malformed)?;
                if first == end {
                    lexer.take_next();
                } else {
                    open.push(end);
                    next = item(end, first, lexer)?;
                    continue;
                }
            }
        }
        match next_item(&mut open, lexer)? {
            Some(first) => next = first,
            None => return Ok(()),
        }
    }
}

/// The bytes of the value that begins with `next`.
pub(super) fn raw<'a>(next: u8, lexer: &mut SliceLexer<'a>) -> Result<&'a [u8], Malformed> {
    let from = lexer.as_slice();
    skip(next, lexer)?;
    from.get(..from.len() - lexer.as_slice().len()).ok_or(Malformed)
}

/// Behind a value: closes what ends here, and says how the next value begins; `None` when nothing is open any
/// more.
fn next_item(open: &mut Vec<u8>, lexer: &mut SliceLexer<'_>) -> Result<Option<u8>, Malformed> {
    while let Some(end) = open.last().copied() {
        match lexer.ws_peek() {
            Some(b',') => {
                let first = lexer.discarded().ws_peek().ok_or(Malformed)?;
                return item(end, first, lexer).map(Some);
            }
            Some(byte) if byte == end => {
                lexer.take_next();
                open.pop();
            }
            _ => return Err(Malformed),
        }
    }
    Ok(None)
}

/// How the value of an item begins: in an object, its name comes first.
fn item(end: u8, first: u8, lexer: &mut SliceLexer<'_>) -> Result<u8, Malformed> {
    if end == b']' {
        return Ok(first);
    }
    if first != b'"' {
        return Err(Malformed);
    }
    lexer.discarded().str_ignore().map_err(|_| Malformed)?;
    lexer.expect(SliceLexer::ws_peek, b':').ok_or(Malformed)?;
    lexer.ws_peek().ok_or(Malformed)
}

fn skip_plain(next: u8, lexer: &mut SliceLexer<'_>) -> Result<(), Malformed> {
    match next {
        b'"' => lexer.discarded().str_ignore().map_err(|_| Malformed),
        b'0'..=b'9' | b'-' => lexer.num_ignore().validate().map(drop).map_err(|_| Malformed),
        _ => lexer.null_or_bool().map(drop).ok_or(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// How many bytes are passed over at the start of the text.
    fn passed(text: &str) -> Option<usize> {
        let mut lexer = SliceLexer::new(text.as_bytes());
        let next = lexer.ws_peek()?;
        skip(next, &mut lexer).ok()?;
        Some(text.len() - lexer.as_slice().len())
    }

    #[test]
    fn passes_over_one_value_and_not_what_follows() {
        for value in
            ["null", "-1.5e3", r#""a\"]b""#, "[]", "{}", r#"[1, {"a" : [ ]} , "x"]"#, r#"{"a":{"b":[{}]}}"#]
        {
            assert_eq!(passed(&format!("{value},]")), Some(value.len()), "{value}");
        }
    }

    #[test]
    fn what_is_no_value_is_not_passed_over() {
        for text in [
            "", "[", "{", "[1", "[1,", "[1,]", "{\"a\"}", "{\"a\":}", "{1:2}", "[1}", "nul", "\"a", "1.", "]",
        ] {
            assert_eq!(passed(text), None, "{text}");
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        const DEPTH: usize = 1_000_000;
        assert_eq!(passed(&["[".repeat(DEPTH), "]".repeat(DEPTH)].concat()), Some(2 * DEPTH));
        assert_eq!(passed(&"{\"a\":".repeat(DEPTH)), None);
    }

    fn json() -> impl Strategy<Value = Value> {
        let plain = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from)
        ];
        plain.prop_recursive(6, 60, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::hash_map(".{0,4}", inner, 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn passes_over_any_value(value in json()) {
            let text = value.to_string();
            prop_assert_eq!(passed(&text), Some(text.len()));
        }

        #[test]
        fn agrees_with_another_reader_on_what_is_a_value(text in r#"[\[\]{}",:0a\\ ]{0,12}"#) {
            // The other reader also looks inside texts.
            if serde_json::from_str::<Value>(&text).is_ok() {
                prop_assert_eq!(passed(&text), Some(text.trim_end().len()));
            }
        }
    }
}
