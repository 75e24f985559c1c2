//! The state of reading a search.
//!
//! Elasticsearch checks a body in two steps. A wrong shape is refused while the body is read. A field that
//! may not be searched, a query that is not supported or a malformed date is refused only when the search
//! begins, after the caller was authorized. Therefore reading ends at a mistake of the first kind, and keeps
//! the first mistake of the second kind.

use std::fmt;

use latchkey_elastic::content::{Member, Node, NodeValue, Position};
use latchkey_elastic::{ErrorCause, ErrorType};
use latchkey_key_feed::UnixMillis;
use serde_json::Value;

use super::Searched;
use super::search_limits::{AGGREGATIONS_MAX, CLAUSES_MAX};

/// The state of reading one body.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    /// The moment that `now` means.
    pub(super) now: UnixMillis,
    /// What is searched.
    pub(super) searched: Searched,
    /// The depth of nested queries.
    pub(super) query_depth: usize,
    clauses: usize,
    aggregations: usize,
    refusal: Option<ErrorCause>,
}

impl Reading {
    /// Begins to read at this moment.
    pub(super) fn new(now: UnixMillis, searched: Searched) -> Self {
        Self { now, searched, ..Self::default() }
    }

    /// Keeps a reason not to begin the search, unless there is one already.
    pub(super) fn refuse(&mut self, cause: ErrorCause) {
        self.refusal.get_or_insert(cause);
    }

    /// The value, or the default when there is a reason not to begin the search.
    pub(super) fn settle<T>(&mut self, result: Result<T, ErrorCause>, default: T) -> T {
        result.unwrap_or_else(|cause| {
            self.refuse(cause);
            default
        })
    }

    /// Counts one more clause, and returns whether it is within the limit.
    pub(super) fn take_clause(&mut self) -> bool {
        self.clauses += 1;
        let is_allowed = self.clauses <= CLAUSES_MAX;
        if !is_allowed {
            self.refuse(ErrorCause::illegal_argument(format!(
                "Query contains too many nested clauses; maxClauseCount is set to {CLAUSES_MAX}"
            )));
        }
        is_allowed
    }

    /// Counts one more aggregation.
    pub(super) fn take_aggregation(&mut self) {
        self.aggregations += 1;
        if self.aggregations > AGGREGATIONS_MAX {
            self.refuse(ErrorCause::illegal_argument(format!(
                "A search may have at most [{AGGREGATIONS_MAX}] aggregations"
            )));
        }
    }

    /// The reason not to begin the search, if one was found.
    pub(super) fn into_refusal(self) -> Option<ErrorCause> {
        self.refusal
    }
}

/// A `parsing_exception` about this place. It carries the place in fields of its own.
pub(super) fn parsing(position: Position, reason: impl fmt::Display) -> ErrorCause {
    ErrorCause::new(ErrorType::Parsing, reason.to_string())
        .with_extra("line", Value::from(position.line))
        .with_extra("col", Value::from(position.column))
}

/// The members of an object that must be one.
pub(super) fn members_of<'a>(node: &'a Node, complaint: &str) -> Result<&'a [Member], ErrorCause> {
    node.members().ok_or_else(|| parsing(node.position, complaint))
}

/// The text of a text, number or boolean as it was written; `None` for anything else.
pub(super) fn scalar_text(node: &Node) -> Option<String> {
    match &node.value {
        NodeValue::Boolean(value) => Some(value.to_string()),
        NodeValue::Number { digits, .. } => Some(digits.clone()),
        NodeValue::String(text) => Some(text.clone()),
        NodeValue::Array(_) | NodeValue::Null | NodeValue::Object(_) => None,
    }
}

/// The text of a value that must have one.
pub(super) fn text_of(node: &Node) -> Result<String, ErrorCause> {
    scalar_text(node)
        .ok_or_else(|| parsing(node.position, format_args!("Can't get text on a {}", node.token())))
}

/// A boolean, or a text that is one.
pub(super) fn boolean_of(node: &Node) -> Result<bool, ErrorCause> {
    match text_of(node)?.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(ErrorCause::illegal_argument(format!(
            "Failed to parse value [{other}] as only [true] or [false] are allowed."
        ))),
    }
}

/// A number, or a text that is one. There are no scores here, so a boost is only checked.
pub(super) fn check_boost(node: &Node) -> Result<(), ErrorCause> {
    let text = text_of(node)?;
    match text.parse::<f32>() {
        Ok(boost) if boost >= 0.0 => Ok(()),
        Ok(_) => Err(ErrorCause::illegal_argument(format!(
            "negative [boost] are not allowed, but was [{text}]; use a value between 0 and 1 to deboost"
        ))),
        Err(_) => Err(ErrorCause::new(ErrorType::NumberFormat, format!("For input string: \"{text}\""))),
    }
}
