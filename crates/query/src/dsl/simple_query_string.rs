//! The query `simple_query_string`: its options. What its text means is read in [`syntax`].
//!
//! A word is searched in the named fields, or without any in all fields. If all fields are searched, a word
//! that does not fit the type of a field is no mistake. With named fields it is one unless `lenient` is set
//! (Elasticsearch, `SimpleQueryStringBuilder`).

mod syntax;

use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::{Node, NodeValue};

use super::leaf::unsupported_option;
use super::{compare, minimum_should_match};
use crate::clause::Query;
use crate::date::Calendar;
use crate::field::Field;
use crate::reading::{Reading, boolean_of, check_boost, parsing, text_of};
use crate::search_limits::{FUZZY_CHARS_MAX, GROUP_DEPTH_MAX, QUERY_STRING_LEN_MAX};

use syntax::{Flags, Operator, Words};

struct Options {
    text: Option<String>,
    fields: Option<Vec<String>>,
    default_operator: Operator,
    flags: Flags,
    is_lenient: bool,
    should_min: Option<String>,
}

/// Looks words up in fields.
struct FieldWords<'a> {
    fields: Vec<Field>,
    is_lenient: bool,
    calendar: Calendar,
    reading: &'a mut Reading,
}

pub(super) fn read(body: &Node, reading: &mut Reading) -> Result<Query, ErrorCause> {
    let options = Options::read(body, reading)?;
    let text =
        options.text.ok_or_else(|| parsing(body.position, "[simple_query_string] query text missing"))?;
    if text.len() > QUERY_STRING_LEN_MAX {
        return Err(ErrorCause::illegal_argument(format!(
            "[simple_query_string] query text is longer than [{QUERY_STRING_LEN_MAX}] bytes"
        )));
    }
    let is_lenient = options.is_lenient || options.fields.is_none();
    let patterns = options.fields.unwrap_or_else(|| vec!["*".to_owned()]);
    let fields: Vec<Field> = patterns
        .iter()
        .flat_map(|pattern| Field::matching(without_boost(pattern), reading.searched))
        .collect();
    if fields.is_empty() {
        return Ok(Query::Nothing);
    }
    let calendar = Calendar::new(reading.now);
    let mut words = FieldWords { fields, is_lenient, calendar, reading };
    let understood = syntax::read(&text, options.flags, options.default_operator, &mut words);
    if understood.is_too_deep {
        reading.refuse(ErrorCause::illegal_argument(format!(
            "Groups in a simple query string may be nested at most [{GROUP_DEPTH_MAX}] deep"
        )));
    }
    let mut query = understood.query;
    if let (Query::Bool(query), Some(specification)) = (&mut query, options.should_min)
        && understood.is_combined
        && !query.should.is_empty()
    {
        let count = minimum_should_match::count(&specification, query.should.len());
        query.should_min = query.should_min.max(reading.settle(count, 0));
    }
    Ok(query)
}

impl Options {
    fn read(body: &Node, reading: &mut Reading) -> Result<Self, ErrorCause> {
        let mut options = Self {
            text: None,
            fields: None,
            default_operator: Operator::Or,
            flags: Flags::ALL,
            is_lenient: false,
            should_min: None,
        };
        for member in body.members().unwrap_or_default() {
            let value = &member.value;
            match member.name.as_str() {
                "query" => options.text = Some(text_of(value)?),
                "fields" => {
                    let elements =
                        value.elements().ok_or_else(|| unsupported_option("simple_query_string", member))?;
                    options.fields = Some(elements.iter().map(text_of).collect::<Result<_, _>>()?);
                }
                "default_operator" => options.default_operator = operator(&text_of(value)?)?,
                "flags" => options.flags = flags(value)?,
                "lenient" => options.is_lenient = boolean_of(value)?,
                "minimum_should_match" => options.should_min = Some(text_of(value)?),
                "boost" => check_boost(value)?,
                "_name"
                | "analyze_wildcard"
                | "auto_generate_synonyms_phrase_query"
                | "fuzzy_max_expansions" => {
                    text_of(value)?;
                }
                "analyzer" | "quote_field_suffix" | "fuzzy_prefix_length" | "fuzzy_transpositions" => {
                    reading.refuse(ErrorCause::illegal_argument(format!(
                        "simple_query_string query with {} is not currently supported in this context",
                        member.name
                    )));
                }
                _ => return Err(unsupported_option("simple_query_string", member)),
            }
        }
        Ok(options)
    }
}

impl FieldWords<'_> {
    fn in_any_field(&mut self, query: impl Fn(Field, &Calendar) -> Result<Query, ErrorCause>) -> Query {
        let mut queries = Vec::new();
        for field in &self.fields {
            if !self.reading.take_clause() {
                break;
            }
            match query(field.clone(), &self.calendar) {
                Ok(query) => queries.push(query),
                Err(_) if self.is_lenient => {}
                Err(cause) => self.reading.refuse(cause),
            }
        }
        Query::any_of(queries)
    }
}

impl Words for FieldWords<'_> {
    fn word(&mut self, text: &str) -> Query {
        self.in_any_field(|field, calendar| compare::holds_words(field, text, Ok, calendar))
    }

    fn prefix(&mut self, text: &str) -> Query {
        self.in_any_field(|field, _| {
            let text = if field.has_words() { text.to_lowercase() } else { text.to_owned() };
            compare::begins_with(field, &text, false)
        })
    }

    fn near(&mut self, text: &str, edits: usize) -> Query {
        if text.chars().count() > FUZZY_CHARS_MAX {
            self.reading.refuse(ErrorCause::illegal_argument(format!(
                "A fuzzy word may have at most [{FUZZY_CHARS_MAX}] characters"
            )));
            return Query::Nothing;
        }
        self.in_any_field(|field, _| {
            let text = if field.has_words() { text.to_lowercase() } else { text.to_owned() };
            compare::is_near(field, &text, edits)
        })
    }
}

/// `name^5` changes scores, which do not exist here.
fn without_boost(field: &str) -> &str {
    field.split_once('^').map_or(field, |(name, _)| name)
}

fn operator(text: &str) -> Result<Operator, ErrorCause> {
    match text.to_ascii_lowercase().as_str() {
        "and" => Ok(Operator::And),
        "or" => Ok(Operator::Or),
        _ => Err(ErrorCause::illegal_argument(format!(
            "operator needs to be either OR or AND, but was [{text}]"
        ))),
    }
}

/// Names joined by `|`, or a sum of flags as a number, of which only -1 (all flags) is allowed here.
fn flags(node: &Node) -> Result<Flags, ErrorCause> {
    if let NodeValue::Number { digits, .. } = &node.value
        && digits == "-1"
    {
        return Ok(Flags::ALL);
    }
    let mut flags = Flags::NONE;
    for name in text_of(node)?.split('|').filter(|name| !name.is_empty()) {
        flags = flags.with(name).ok_or_else(|| {
            ErrorCause::illegal_argument(format!("Unknown simple_query_string flag [{name}]"))
        })?;
    }
    Ok(flags)
}
