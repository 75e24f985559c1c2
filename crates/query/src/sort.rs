//! The order of hits, and where a page begins.
//!
//! A key sorts by its least value in ascending and by its greatest in descending order, or as `mode` says. A
//! key without a value comes last, or as `missing` says. A missing date is shown as the largest or smallest
//! number, a missing text as `null`, and both can be sent in `search_after` (Elasticsearch,
//! `FieldSortBuilder`, `SearchAfterBuilder`). Hits whose values are all equal to those of `search_after` are
//! skipped.

mod request;

use std::cmp::Reverse;

use latchkey_budget::{Budget, BudgetExceeded};
use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::{Node, NodeValue};
use serde_json::Value;

use super::date::{Calendar, Rounding};
use super::field::{Field, Term, truth};
use super::reading::scalar_text;
use super::{ColumnValue, OrderedBy, Searchable, SortColumn};

pub(super) use request::{read_search_after, read_sort};

/// The name of how often a key was used. Elasticsearch has no such field.
const USES: &str = "uses";

/// One criterion.
#[derive(Clone, Debug)]
pub(super) struct SortField {
    source: SortSource,
    is_descending: bool,
    missing: Missing,
    takes_greatest: bool,
    /// Set when moments are written in a format.
    calendar: Option<Calendar>,
    /// Reads moments.
    reader: Calendar,
}

/// What to sort by.
#[derive(Clone, Debug, PartialEq)]
enum SortSource {
    Field(Field),
    /// The position among the keys searched: `_doc`.
    Position,
    /// How often a key was used. It cannot be searched by.
    Uses,
}

/// Where a key without a value goes.
#[derive(Clone, Debug, PartialEq)]
enum Missing {
    First,
    Last,
    /// The position of this value.
    Value(Term),
}

/// A value in the order of the sort: smaller is earlier.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum OrderedValue {
    AbsentFirst,
    Ascending(Term),
    Descending(Reverse<Term>),
    AbsentLast,
}

impl OrderedValue {
    /// The bytes it takes in memory.
    pub(super) fn held_len(&self) -> usize {
        match self {
            Self::AbsentFirst | Self::AbsentLast => size_of::<Self>(),
            Self::Ascending(term) | Self::Descending(Reverse(term)) => size_of::<Self>() + term.held_len(),
        }
    }
}

impl SortField {
    /// The value of a key that is the `position`-th among those searched.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`] when reading it takes more than the budget.
    pub(super) fn value_of<K: Searchable + ?Sized>(
        &self,
        key: &K,
        position: usize,
        budget: &mut Budget,
    ) -> Result<OrderedValue, BudgetExceeded> {
        let term = match &self.source {
            SortSource::Position => Some(Term::Number(
                key.position().unwrap_or_else(|| i64::try_from(position).unwrap_or(i64::MAX)),
            )),
            SortSource::Uses => Some(Term::Number(i64::try_from(key.uses()).unwrap_or(i64::MAX))),
            SortSource::Field(field) => {
                let mut terms = field.terms(key, budget)?;
                let term = if self.takes_greatest { terms.pop_last() } else { terms.pop_first() };
                // Elasticsearch sorts booleans as the numbers 0 and 1.
                term.map(
                    |term| if let Term::Boolean(value) = term { Term::Number(value.into()) } else { term },
                )
            }
        };
        Ok(self.ordered(term))
    }

    /// The value in an answer.
    pub(super) fn show(&self, value: &OrderedValue) -> Value {
        let term = match value {
            OrderedValue::AbsentFirst | OrderedValue::AbsentLast => return Value::Null,
            OrderedValue::Ascending(term) | OrderedValue::Descending(Reverse(term)) => term,
        };
        match (term, &self.calendar) {
            (Term::Number(millis), Some(calendar)) => Value::from(calendar.write(*millis)),
            (term, _) => term.to_json(),
        }
    }

    /// The same of what a store has sorted by.
    pub(super) fn show_column(&self, value: ColumnValue) -> Value {
        self.show(&self.ordered(Some(value.into())))
    }

    /// What a store can sort by in its place; `None` if it has no column for that.
    pub(super) fn column(&self) -> Option<OrderedBy> {
        let column = match &self.source {
            SortSource::Position => SortColumn::Position,
            SortSource::Uses => SortColumn::Uses,
            SortSource::Field(field) => field.column()?,
        };
        let absent = match self.ordered(None) {
            OrderedValue::Ascending(Term::Number(number))
            | OrderedValue::Descending(Reverse(Term::Number(number))) => number,
            // Texts of columns are never absent.
            _ => 0,
        };
        Some(OrderedBy { column, is_descending: self.is_descending, absent })
    }

    /// Whether it is a field of this kind by which this sorts.
    pub(super) fn reads(&self, is_meant: fn(&Field) -> bool) -> bool {
        matches!(&self.source, SortSource::Field(field) if is_meant(field))
    }

    /// Whether this sorts by how often keys are used.
    pub(super) fn is_by_uses(&self) -> bool {
        self.source == SortSource::Uses
    }

    /// A value of `search_after`, which may be what [`Self::show`] returned.
    pub(super) fn read_after(&self, node: &Node) -> Result<OrderedValue, ErrorCause> {
        if node.value == NodeValue::Null {
            return Ok(self.ordered(None));
        }
        let text = scalar_text(node).unwrap_or_default();
        self.read_term(&text).map(|term| self.ordered(Some(term))).map_err(|cause| {
            ErrorCause::illegal_argument(format!(
                "Failed to parse search_after value for field [{}].",
                self.name()
            ))
            .caused_by(cause)
        })
    }

    fn name(&self) -> String {
        match &self.source {
            SortSource::Field(field) => field.to_string(),
            SortSource::Position => "_doc".to_owned(),
            SortSource::Uses => USES.to_owned(),
        }
    }

    /// A whole number is a date even with a `format`: dates beyond the calendar are written so.
    fn read_term(&self, text: &str) -> Result<Term, ErrorCause> {
        let number = || text.parse().map(Term::Number);
        match &self.source {
            SortSource::Field(Field::Text(_)) => Ok(Term::Text(text.to_owned())),
            SortSource::Field(Field::Flag(_)) => {
                number().or_else(|_| truth(text).map(|value| Term::Number(value.into())))
            }
            SortSource::Field(Field::Date(_)) => {
                let calendar = self.calendar.as_ref().unwrap_or(&self.reader);
                calendar
                    .read(text, Rounding::Down)
                    .map(Term::Number)
                    .or_else(|cause| number().map_err(|_| cause))
            }
            SortSource::Position => {
                number().map_err(|_| ErrorCause::illegal_argument(format!("[{text}] is not a position")))
            }
            SortSource::Uses => {
                number().map_err(|_| ErrorCause::illegal_argument(format!("[{text}] is not a number")))
            }
        }
    }

    fn ordered(&self, term: Option<Term>) -> OrderedValue {
        let is_number = !matches!(self.source, SortSource::Field(Field::Text(_)));
        let term = term.or_else(|| match &self.missing {
            Missing::Value(term) => Some(term.clone()),
            // The number that comes first or last in this direction.
            Missing::First if is_number => {
                Some(Term::Number(if self.is_descending { i64::MAX } else { i64::MIN }))
            }
            Missing::Last if is_number => {
                Some(Term::Number(if self.is_descending { i64::MIN } else { i64::MAX }))
            }
            Missing::First | Missing::Last => None,
        });
        match term {
            Some(term) if self.is_descending => OrderedValue::Descending(Reverse(term)),
            Some(term) => OrderedValue::Ascending(term),
            None if self.missing == Missing::First => OrderedValue::AbsentFirst,
            None => OrderedValue::AbsentLast,
        }
    }
}

/// Reads `search_after`, one value for each criterion.
pub(super) fn read_after(nodes: &[Node], fields: &[SortField]) -> Result<Vec<OrderedValue>, ErrorCause> {
    if fields.is_empty() {
        return Err(ErrorCause::illegal_argument("Sort must contain at least one field."));
    }
    if nodes.len() != fields.len() {
        return Err(ErrorCause::illegal_argument(format!(
            "search_after has {} value(s) but sort has {}.",
            nodes.len(),
            fields.len()
        )));
    }
    nodes.iter().zip(fields).map(|(node, field)| field.read_after(node)).collect()
}
