//! Reading `sort`.

use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::object_parser::{Field as BodyField, ObjectParser};
use latchkey_elastic::content::{Node, NodeValue, Token};

use super::{Missing, SortField, SortSource, USES};
use crate::Searched;
use crate::date::{Calendar, DateFormats};
use crate::field::Field;
use crate::reading::{Reading, parsing, scalar_text, text_of};
use crate::search_limits::SORT_FIELDS_MAX;

/// The options of a criterion, as they were written.
#[derive(Default)]
struct SortBody {
    order: Option<String>,
    missing: Option<String>,
    mode: Option<String>,
    format: Option<String>,
    is_nested: bool,
}

const SORT: ObjectParser<SortBody> = ObjectParser::new(
    "field_sort",
    &[
        BodyField::node("order", Token::SCALARS, |sort: &mut SortBody, node| {
            let text = text_of(node)?.to_ascii_lowercase();
            if text != "asc" && text != "desc" {
                return Err(ErrorCause::illegal_argument(format!("Unknown SortOrder [{text}]")));
            }
            sort.order = Some(text);
            Ok(())
        }),
        BodyField::node("missing", Token::SCALARS, |sort: &mut SortBody, node| {
            sort.missing = Some(text_of(node)?);
            Ok(())
        }),
        BodyField::node("mode", Token::SCALARS, |sort: &mut SortBody, node| {
            let text = text_of(node)?.to_ascii_lowercase();
            if !["avg", "max", "median", "min", "sum"].contains(&text.as_str()) {
                return Err(ErrorCause::illegal_argument(format!("Unknown SortMode [{text}]")));
            }
            sort.mode = Some(text);
            Ok(())
        }),
        BodyField::node("format", Token::SCALARS, |sort: &mut SortBody, node| {
            sort.format = Some(text_of(node)?);
            Ok(())
        }),
        BodyField::object("nested", |sort: &mut SortBody, _| {
            sort.is_nested = true;
            Ok(())
        }),
        // Every field is mapped.
        BodyField::node("unmapped_type", Token::SCALARS, |_, _| Ok(())),
    ],
);

/// Reads one criterion or an array of them.
pub(crate) fn read_sort(node: &Node, reading: &mut Reading) -> Result<Vec<SortField>, ErrorCause> {
    let nodes = node.elements().unwrap_or(std::slice::from_ref(node));
    if nodes.len() > SORT_FIELDS_MAX {
        return Err(ErrorCause::illegal_argument(format!(
            "A search may be sorted by at most [{SORT_FIELDS_MAX}] fields"
        )));
    }
    let mut fields = Vec::new();
    for node in nodes {
        let (name, body) = read_criterion(node)?;
        if body.is_nested {
            let complaint = "nested sorting is not currently supported in this context";
            reading.refuse(ErrorCause::illegal_argument(complaint));
        }
        match body.into_field(name, reading) {
            Ok(field) => fields.push(field),
            Err(cause) => reading.refuse(cause),
        }
    }
    Ok(fields)
}

/// `"<field>"` or `{"<field>":{…}}`.
fn read_criterion(node: &Node) -> Result<(&str, SortBody), ErrorCause> {
    match &node.value {
        NodeValue::String(name) => Ok((name, SortBody::default())),
        NodeValue::Object(members) => match members.as_slice() {
            [only] => Ok((&only.name, SORT.parse(&only.value)?)),
            _ => Err(ErrorCause::illegal_argument("mal-formatted sort object")),
        },
        _ => Err(ErrorCause::illegal_argument("mal-formatted sort object")),
    }
}

/// A field whose texts are taken apart has no order.
fn sortable(name: &str, reading: &Reading) -> Result<Field, ErrorCause> {
    let field = Field::named(name, reading.searched)?;
    match &field {
        Field::Text(text) if text.words().is_some() => {
            Err(ErrorCause::illegal_argument(format!("sorting is not supported for field [{name}]")))
        }
        _ => Ok(field),
    }
}

impl SortBody {
    fn into_field(self, name: &str, reading: &Reading) -> Result<SortField, ErrorCause> {
        let source = match name {
            "_doc" => SortSource::Position,
            USES if reading.searched == Searched::Keys => SortSource::Uses,
            name => SortSource::Field(sortable(name, reading)?),
        };
        let is_descending = self.order.as_deref() == Some("desc");
        let reader = Calendar::new(reading.now);
        let calendar = self.calendar(&source, reading)?;
        let mut field = SortField {
            takes_greatest: self.takes_greatest(&source, is_descending)?,
            source,
            is_descending,
            missing: Missing::Last,
            calendar,
            reader,
        };
        field.missing = match self.missing.as_deref() {
            None | Some("_last") => Missing::Last,
            Some("_first") => Missing::First,
            Some(text) => Missing::Value(field.read_term(text)?),
        };
        Ok(field)
    }

    fn calendar(&self, source: &SortSource, reading: &Reading) -> Result<Option<Calendar>, ErrorCause> {
        match (&self.format, source) {
            (None, _) => Ok(None),
            (Some(format), SortSource::Field(Field::Date(_))) => {
                Ok(Some(Calendar::new(reading.now).with_formats(DateFormats::parse(format)?)))
            }
            (Some(_), SortSource::Field(field)) => Err(ErrorCause::illegal_argument(format!(
                "Field [{field}] of type [{}] doesn't support formats.",
                field.type_name()
            ))),
            (Some(_), SortSource::Position | SortSource::Uses) => Ok(None),
        }
    }

    /// Only metadata has several values, and these are texts, which have no sum.
    fn takes_greatest(&self, source: &SortSource, is_descending: bool) -> Result<bool, ErrorCause> {
        match self.mode.as_deref() {
            None => Ok(is_descending),
            Some("max") => Ok(true),
            Some("min") => Ok(false),
            Some(_) if matches!(source, SortSource::Field(Field::Text(_))) => {
                let complaint = "we only support AVG, MEDIAN and SUM on number based fields";
                Err(ErrorCause::illegal_argument(complaint))
            }
            Some(_) => Ok(is_descending),
        }
    }
}

/// Reads `search_after` and checks its shape.
pub(crate) fn read_search_after(node: &Node) -> Result<Vec<Node>, ErrorCause> {
    let elements = node.elements().unwrap_or_default();
    if elements.is_empty() {
        return Err(ErrorCause::illegal_argument("Values must contains at least one value."));
    }
    match elements.iter().find(|element| element.value != NodeValue::Null && scalar_text(element).is_none()) {
        None => Ok(elements.to_vec()),
        Some(odd) => Err(parsing(
            odd.position,
            format_args!(
                "Expected [VALUE_STRING] or [VALUE_NUMBER] or [VALUE_BOOLEAN] or [VALUE_NULL] but found [{}] inside search_after.",
                odd.token()
            ),
        )),
    }
}
