//! Queries that hold no others, about one field or the ids.

use std::collections::HashSet;

use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::object_parser::{Field as BodyField, ObjectParser};
use latchkey_elastic::content::{Member, Node, NodeValue, Token};

use super::{compare, minimum_should_match};
use crate::clause::Query;
use crate::date::Calendar;
use crate::field::Field;
use crate::reading::{Reading, boolean_of, check_boost, parsing, scalar_text, text_of};
use crate::search_limits::TERMS_MAX;

#[derive(Default)]
struct IdsBody {
    values: HashSet<String>,
}

const MATCH_ALL: ObjectParser<()> = ObjectParser::new(
    "match_all",
    &[
        BodyField::node("boost", Token::SCALARS, |(), node| check_boost(node)),
        BodyField::string("_name", |(), _| {}),
    ],
);

const IDS: ObjectParser<IdsBody> = ObjectParser::new(
    "ids",
    &[
        BodyField::string_array("values", |ids: &mut IdsBody, values| ids.values.extend(values)),
        BodyField::node("boost", Token::SCALARS, |_, node| check_boost(node)),
        BodyField::string("_name", |_, _| {}),
    ],
);

pub(super) fn read_match_all(body: &Node) -> Result<Query, ErrorCause> {
    MATCH_ALL.parse(body).map(|()| Query::Everything)
}

pub(super) fn read_ids(body: &Node) -> Result<Query, ErrorCause> {
    IDS.parse(body).map(|ids| Query::Ids(ids.values))
}

/// `{"field":"<name>"}`.
pub(super) fn read_exists(body: &Node, reading: &mut Reading) -> Result<Query, ErrorCause> {
    let mut name = None;
    for member in body.members().unwrap_or_default() {
        let option = member.name.as_str();
        let Some(text) = scalar_text(&member.value) else {
            let complaint = format!("[exists] unknown token [{}] after [{option}]", member.value.token());
            return Err(parsing(member.value.position, complaint));
        };
        match option {
            "field" => name = Some(text),
            "boost" => check_boost(&member.value)?,
            "_name" => {}
            _ => return Err(unsupported_option("exists", member)),
        }
    }
    let name = name.ok_or_else(|| parsing(body.position, "[exists] must be provided with a [field]"))?;
    let query = Field::named(&name, reading.searched).map(Query::Exists);
    Ok(reading.settle(query, Query::Nothing))
}

/// `{"<field>":<value>}` or `{"<field>":{"value":<value>,…}}`.
pub(super) fn read_term(body: &Node, reading: &mut Reading) -> Result<Query, ErrorCause> {
    let comparison = Comparison::read("term", &["value", "term"], body)?;
    let calendar = Calendar::new(reading.now);
    let query = Field::named(&comparison.field, reading.searched)
        .and_then(|field| compare::equals(field, &comparison.text, comparison.ignores_case, &calendar));
    Ok(reading.settle(query, Query::Nothing))
}

/// Like [`read_term`].
pub(super) fn read_prefix(body: &Node, reading: &mut Reading) -> Result<Query, ErrorCause> {
    let comparison = Comparison::read("prefix", &["value", "prefix"], body)?;
    let query = Field::named(&comparison.field, reading.searched)
        .and_then(|field| compare::begins_with(field, &comparison.text, comparison.ignores_case));
    Ok(reading.settle(query, Query::Nothing))
}

/// Like [`read_term`].
pub(super) fn read_wildcard(body: &Node, reading: &mut Reading) -> Result<Query, ErrorCause> {
    let comparison = Comparison::read("wildcard", &["value", "wildcard"], body)?;
    let query = Field::named(&comparison.field, reading.searched)
        .and_then(|field| compare::is_like(field, &comparison.text, comparison.ignores_case));
    Ok(reading.settle(query, Query::Nothing))
}

/// `{"<field>":[<value>,…]}`.
pub(super) fn read_terms(body: &Node, reading: &mut Reading) -> Result<Query, ErrorCause> {
    let mut found: Option<(&str, Vec<String>)> = None;
    for member in body.members().unwrap_or_default() {
        match &member.value.value {
            NodeValue::Array(_) if found.is_some() => {
                return Err(parsing(member.position, "[terms] query does not support multiple fields"));
            }
            NodeValue::Array(elements) => found = Some((&member.name, terms(elements)?)),
            NodeValue::Object(_) if found.is_some() => {
                let complaint = "[terms] query does not support more than one field";
                return Err(parsing(member.position, complaint));
            }
            NodeValue::Object(_) => {
                reading.refuse(ErrorCause::illegal_argument(
                    "terms query with terms lookup is not currently supported in this context",
                ));
                found = Some((&member.name, Vec::new()));
            }
            _ => match member.name.as_str() {
                "boost" => check_boost(&member.value)?,
                "_name" => {}
                _ => return Err(unsupported_option("terms", member)),
            },
        }
    }
    let (name, values) = found.ok_or_else(|| {
        parsing(
            body.position,
            "[terms] query requires a field name, followed by array of terms or a document lookup specification",
        )
    })?;
    let query = any_term(name, values, reading);
    Ok(reading.settle(query, Query::Nothing))
}

/// `{"<field>":<text>}` or `{"<field>":{"query":<text>,…}}`. Where a field's texts are not taken apart, this is
/// [`read_term`] with other options. Options that would mean more are refused.
pub(super) fn read_match(body: &Node, reading: &mut Reading) -> Result<Query, ErrorCause> {
    let (field, value) = only_field("match", body)?;
    let mut text = scalar_text(value);
    let (mut is_lenient, mut needs_all, mut should_min) = (false, false, None);
    for member in value.members().unwrap_or_default() {
        match member.name.as_str() {
            "query" => text = Some(text_of(&member.value)?),
            "boost" => check_boost(&member.value)?,
            "lenient" => is_lenient = boolean_of(&member.value)?,
            "operator" => needs_all = text_of(&member.value)?.eq_ignore_ascii_case("and"),
            "minimum_should_match" => should_min = Some(text_of(&member.value)?),
            "_name" | "zero_terms_query" | "auto_generate_synonyms_phrase_query" => {
                text_of(&member.value)?;
            }
            "analyzer"
            | "fuzziness"
            | "prefix_length"
            | "max_expansions"
            | "fuzzy_rewrite"
            | "fuzzy_transpositions" => reading.refuse(ErrorCause::illegal_argument(format!(
                "match query with {} is not currently supported in this context",
                member.name
            ))),
            _ => return Err(unsupported_option("match", member)),
        }
    }
    let text = text.ok_or_else(|| parsing(value.position, "No text specified for text query"))?;
    let calendar = Calendar::new(reading.now);
    let min = |words: usize| match should_min {
        Some(specification) => minimum_should_match::count(&specification, words),
        None if needs_all => Ok(words),
        None => Ok(1),
    };
    let query =
        Field::named(field, reading.searched).map(|field| compare::holds_words(field, &text, min, &calendar));
    Ok(match query {
        Ok(Err(_)) if is_lenient => Query::Nothing,
        Ok(query) => reading.settle(query, Query::Nothing),
        Err(refused) => reading.settle(Err(refused), Query::Nothing),
    })
}

/// The only member of a query about one field.
pub(super) fn only_field<'a>(query: &str, body: &'a Node) -> Result<(&'a str, &'a Node), ErrorCause> {
    match body.members().unwrap_or_default() {
        [] => Err(ErrorCause::illegal_argument("field name is null or empty")),
        [only] => Ok((&only.name, &only.value)),
        [first, second, ..] => Err(parsing(
            second.position,
            format_args!(
                "[{query}] query doesn't support multiple fields, found [{}] and [{}]",
                first.name, second.name
            ),
        )),
    }
}

pub(super) fn unsupported_option(query: &str, member: &Member) -> ErrorCause {
    parsing(member.position, format_args!("[{query}] query does not support [{}]", member.name))
}

/// A field, a value, and how to compare them.
struct Comparison {
    field: String,
    text: String,
    ignores_case: bool,
}

impl Comparison {
    /// The value stands alone or under one of the names in `value_names`.
    fn read(query: &str, value_names: &[&str], body: &Node) -> Result<Self, ErrorCause> {
        let (field, value) = only_field(query, body)?;
        let mut ignores_case = false;
        let mut operand = value.members().is_none().then_some(value);
        for member in value.members().unwrap_or_default() {
            match member.name.as_str() {
                name if value_names.contains(&name) => operand = Some(&member.value),
                "boost" => check_boost(&member.value)?,
                "case_insensitive" => ignores_case = boolean_of(&member.value)?,
                "_name" => {}
                "rewrite" if query != "term" => {}
                _ => return Err(unsupported_option(query, member)),
            }
        }
        let operand = operand
            .filter(|operand| operand.value != NodeValue::Null)
            .ok_or_else(|| ErrorCause::illegal_argument("value cannot be null"))?;
        let text = scalar_text(operand).ok_or_else(|| {
            parsing(operand.position, format_args!("[{query}] query does not support array of values"))
        })?;
        Ok(Self { field: field.to_owned(), text, ignores_case })
    }
}

fn terms(elements: &[Node]) -> Result<Vec<String>, ErrorCause> {
    let term = |element: &Node| {
        scalar_text(element).ok_or_else(|| parsing(element.position, "No value specified for terms query"))
    };
    elements.iter().map(term).collect()
}

fn any_term(name: &str, values: Vec<String>, reading: &Reading) -> Result<Query, ErrorCause> {
    if values.len() > TERMS_MAX {
        return Err(ErrorCause::illegal_argument(format!(
            "The number of terms [{}] used in the Terms Query request has exceeded the allowed maximum of [{TERMS_MAX}]",
            values.len()
        )));
    }
    compare::equals_any(Field::named(name, reading.searched)?, values, &Calendar::new(reading.now))
}
