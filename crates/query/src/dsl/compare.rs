//! Comparing a field with a value from the request, for each type of field.

use std::collections::BTreeSet;

use latchkey_elastic::ErrorCause;

use crate::clause::{BoolQuery, DateRanges, Query, TextTest};
use crate::date::{Calendar, Rounding};
use crate::field::{Field, truth};
use crate::wildcard::WildcardPattern;

/// The field has this value. A date means all milliseconds of the period that it names: `2026` is a whole
/// year.
pub(super) fn equals(
    field: Field,
    text: &str,
    ignores_case: bool,
    calendar: &Calendar,
) -> Result<Query, ErrorCause> {
    match field {
        Field::Text(field) => Ok(Query::Text(field, folded(text, ignores_case, TextTest::equals))),
        _ if ignores_case => Err(ErrorCause::illegal_argument(format!(
            "[{field}] field which is of type [{}], does not support case insensitive term queries",
            field.type_name()
        ))),
        Field::Date(field) => {
            let range = (calendar.read(text, Rounding::Down)?, calendar.read(text, Rounding::Up)?);
            Ok(Query::Date(field, DateRanges::new(vec![range])))
        }
        Field::Flag(field) => Ok(Query::Flag(field, truth(text)?)),
    }
}

/// The field holds the words of this text: all of them, or so many as `min` says. A field whose texts are not taken
/// apart holds the text itself.
pub(super) fn holds_words(
    field: Field,
    text: &str,
    min: impl FnOnce(usize) -> Result<usize, ErrorCause>,
    calendar: &Calendar,
) -> Result<Query, ErrorCause> {
    match field {
        Field::Text(field) if field.words().is_some() => {
            let words: BTreeSet<String> = field.words().map(|words| words.of(text)).unwrap_or_default();
            let should_min = min(words.len())?;
            let should: Vec<Query> =
                words.into_iter().map(|word| Query::Text(field.clone(), TextTest::equals(word))).collect();
            if should.is_empty() {
                return Ok(Query::Nothing);
            }
            Ok(Query::Bool(Box::new(BoolQuery { should, should_min, ..BoolQuery::default() })))
        }
        field => equals(field, text, false, calendar),
    }
}

/// The field holds one of these values.
pub(super) fn equals_any(field: Field, texts: Vec<String>, calendar: &Calendar) -> Result<Query, ErrorCause> {
    match field {
        Field::Text(field) => Ok(Query::Text(field, TextTest::OneOf(texts.into_iter().collect()))),
        Field::Date(field) => {
            let range = |text: &String| {
                Ok((calendar.read(text, Rounding::Down)?, calendar.read(text, Rounding::Up)?))
            };
            let ranges: Result<_, ErrorCause> = texts.iter().map(range).collect();
            Ok(Query::Date(field, DateRanges::new(ranges?)))
        }
        Field::Flag(field) => {
            let truths: Result<BTreeSet<bool>, ErrorCause> = texts.iter().map(|text| truth(text)).collect();
            Ok(Query::any_of(truths?.into_iter().map(|value| Query::Flag(field, value)).collect()))
        }
    }
}

/// The field holds a text with this prefix.
pub(super) fn begins_with(field: Field, prefix: &str, ignores_case: bool) -> Result<Query, ErrorCause> {
    match field {
        Field::Text(field) => Ok(Query::Text(field, folded(prefix, ignores_case, TextTest::Prefix))),
        field => Err(only_texts("prefix", &field)),
    }
}

/// The field holds a text that matches this pattern.
pub(super) fn is_like(field: Field, pattern: &str, ignores_case: bool) -> Result<Query, ErrorCause> {
    let Field::Text(field) = field else { return Err(only_texts("wildcard", &field)) };
    // Words are kept in lower case.
    let pattern =
        if ignores_case || field.words().is_some() { pattern.to_lowercase() } else { pattern.to_owned() };
    let test = TextTest::Wildcard(WildcardPattern::parse(&pattern)?);
    Ok(Query::Text(field, if ignores_case { TextTest::InLowerCase(Box::new(test)) } else { test }))
}

/// The field holds a text that differs by at most so many edits.
pub(super) fn is_near(field: Field, text: &str, edits: usize) -> Result<Query, ErrorCause> {
    match field {
        Field::Text(field) => Ok(Query::Text(field, TextTest::Near { text: text.to_owned(), edits })),
        field => Err(only_texts("fuzzy", &field)),
    }
}

fn folded(text: &str, ignores_case: bool, test: fn(String) -> TextTest) -> TextTest {
    if ignores_case {
        TextTest::InLowerCase(Box::new(test(text.to_lowercase())))
    } else {
        test(text.to_owned())
    }
}

fn only_texts(query: &str, field: &Field) -> ErrorCause {
    ErrorCause::illegal_argument(format!(
        "Can only use {query} queries on keyword, text and wildcard fields - not on [{field}] which is of type [{}]",
        field.type_name()
    ))
}
