//! The aggregation `composite`: a bucket for each combination of values, in order, page by page.

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};

use latchkey_budget::{Budget, BudgetExceeded};
use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::{Member, Node, NodeValue};
use serde_json::{Map, Value};

use super::bucket::Bucket;
use super::request::{elements_of, positive, unknown_option};
use super::source::{SourceBody, ValueSource};
use super::{Aggregation, AggregationKind, SearchBudget, too_many_buckets};
use crate::field::{Field, Term};
use crate::reading::{Reading, boolean_of, parsing, text_of};
use crate::search_limits::BUCKETS_MAX;
use crate::sort::OrderedValue;
use crate::{Searchable, TypedKeys};

/// Buckets of a page when the request names no size: Elasticsearch's default.
const SIZE_DEFAULT: usize = 10;

/// Most sources of one aggregation: each key is counted for every combination of their values.
const SOURCES_MAX: usize = 16;

/// A combination, one value for each source.
pub(super) type CompositeKey = Vec<OrderedValue>;

/// A bucket for each combination.
#[derive(Clone, Debug)]
pub(super) struct Composite {
    sources: Vec<CompositeSource>,
    size: usize,
    after: Option<CompositeKey>,
}

#[derive(Clone, Debug)]
struct CompositeSource {
    name: String,
    values: ValueSource,
    is_descending: bool,
    /// Whether keys without a value are counted, as `null`.
    counts_missing: bool,
    missing_first: bool,
}

/// The options of a source, as they were written.
#[derive(Default)]
struct CompositeSourceBody {
    source: SourceBody,
    is_descending: bool,
    counts_missing: bool,
    missing_first: Option<bool>,
}

impl Composite {
    pub(super) fn collect<'a, K: Searchable + ?Sized>(
        &self,
        key: &K,
        children: &'a [Aggregation],
        buckets: &mut BTreeMap<CompositeKey, Bucket<'a>>,
        budget: &mut SearchBudget<'_>,
    ) -> Result<(), ErrorCause> {
        let mut passing = 0;
        for combination in self.combinations(key, &mut passing, budget)? {
            let len = held_len(&combination);
            let levels = buckets.len().max(1).ilog2() as usize + 1;
            budget.work.read(levels * len)?;
            if self.after.as_ref().is_none_or(|after| combination > *after) {
                let bucket = match buckets.entry(combination) {
                    Entry::Occupied(bucket) => bucket.into_mut(),
                    Entry::Vacant(place) => {
                        budget.work.hold(len)?;
                        place.insert(Bucket::default())
                    }
                };
                bucket.collect(key, children, budget)?;
            }
        }
        budget.work.release(passing);
        Ok(())
    }

    /// All combinations of the values of one key. There may be too many of one alone, and each holds its
    /// texts: they are charged before they are made, and what they hold is added to `held`.
    fn combinations<K: Searchable + ?Sized>(
        &self,
        key: &K,
        held: &mut usize,
        budget: &mut SearchBudget<'_>,
    ) -> Result<Vec<CompositeKey>, ErrorCause> {
        let mut combinations: Vec<CompositeKey> = vec![Vec::new()];
        for source in &self.sources {
            let values = source.ordered_values(key, budget.work)?;
            let mut longer = Vec::new();
            let (shorter_held, mut longer_held) = (*held, 0);
            for combination in &combinations {
                let combination_len = held_len(combination);
                for value in &values {
                    budget.visit()?;
                    if longer.len() >= BUCKETS_MAX {
                        return Err(ErrorCause::illegal_argument(too_many_buckets(longer.len() + 1)));
                    }
                    let len = combination_len + value.held_len();
                    budget.work.read(len)?;
                    budget.work.hold(len)?;
                    longer_held += len;
                    longer.push(combination.iter().chain([value]).cloned().collect());
                }
            }
            combinations = longer;
            budget.work.release(shorter_held);
            *held = longer_held;
        }
        Ok(combinations)
    }

    pub(super) fn show(
        &self,
        buckets: BTreeMap<CompositeKey, Bucket<'_>>,
        children: &[Aggregation],
        typed_keys: TypedKeys,
        budget: &mut SearchBudget<'_>,
    ) -> Result<Map<String, Value>, ErrorCause> {
        let mut answer = Map::new();
        let mut shown = Vec::new();
        for (combination, bucket) in buckets.into_iter().take(self.size) {
            budget.work.hold(2 * held_len(&combination))?;
            let key = self.show_key(&combination);
            let fields = Map::from_iter([("key".to_owned(), key.clone())]);
            shown.push(Value::Object(bucket.into_json(fields, children, typed_keys, budget)?));
            answer.insert("after_key".to_owned(), key);
        }
        answer.insert("buckets".to_owned(), Value::Array(shown));
        Ok(answer)
    }

    fn show_key(&self, combination: &CompositeKey) -> Value {
        let shown = self.sources.iter().zip(combination);
        shown.map(|(source, value)| (source.name.clone(), source.show(value))).collect()
    }
}

impl CompositeSource {
    fn ordered_values<K: Searchable + ?Sized>(
        &self,
        key: &K,
        budget: &mut Budget,
    ) -> Result<Vec<OrderedValue>, BudgetExceeded> {
        let terms = self.values.terms(key, budget)?;
        if terms.is_empty() && self.counts_missing {
            return Ok(vec![self.absent()]);
        }
        Ok(terms.into_iter().map(|term| self.ordered(term)).collect())
    }

    fn ordered(&self, term: Term) -> OrderedValue {
        if self.is_descending {
            OrderedValue::Descending(Reverse(term))
        } else {
            OrderedValue::Ascending(term)
        }
    }

    fn absent(&self) -> OrderedValue {
        if self.missing_first { OrderedValue::AbsentFirst } else { OrderedValue::AbsentLast }
    }

    fn show(&self, value: &OrderedValue) -> Value {
        match value {
            OrderedValue::AbsentFirst | OrderedValue::AbsentLast => Value::Null,
            OrderedValue::Ascending(term) | OrderedValue::Descending(Reverse(term)) => match term {
                Term::Number(millis) if self.values.is_formatted => {
                    Value::from(self.values.calendar.write(*millis))
                }
                term => term.to_json(),
            },
        }
    }

    /// A value of `after`, which may be what [`Self::show`] returned.
    fn read_after(&self, node: &Node) -> Result<OrderedValue, ErrorCause> {
        match &node.value {
            NodeValue::Null if self.counts_missing => Ok(self.absent()),
            NodeValue::Null => Err(ErrorCause::illegal_argument(format!(
                "Invalid value for [after.{}], expected a value, got null",
                self.name
            ))),
            NodeValue::Number { number, .. } if !matches!(self.values.field, Field::Text(_)) => {
                Ok(self.ordered(Term::Number(number.as_i64().unwrap_or(i64::MAX))))
            }
            _ => self.values.read(&text_of(node)?).map(|term| self.ordered(term)),
        }
    }
}

/// The bytes that a combination takes in memory.
fn held_len(combination: &CompositeKey) -> usize {
    size_of::<CompositeKey>() + combination.iter().map(OrderedValue::held_len).sum::<usize>()
}

/// Reads the body. `parents` are the types of the aggregations around this one.
pub(super) fn read(
    name: &str,
    body: &Node,
    parents: &[&str],
    reading: &mut Reading,
) -> Result<Option<AggregationKind>, ErrorCause> {
    if let Some(parent) = parents.iter().find(|parent| **parent != "filter") {
        reading.refuse(ErrorCause::illegal_argument(format!(
            "[composite] aggregation cannot be used with a parent aggregation of type: [{parent}]"
        )));
    }
    let (mut sources, mut after, mut size) = (Vec::new(), None, SIZE_DEFAULT);
    for member in body.members().unwrap_or_default() {
        match member.name.as_str() {
            "size" => size = positive(name, "size", 1, member)?,
            "sources" => sources = read_sources(name, member, reading)?,
            "after" => after = Some(member),
            _ => return Err(unknown_option("composite", member)),
        }
    }
    if sources.is_empty() {
        return Err(ErrorCause::illegal_argument("Composite [sources] cannot be null or empty"));
    }
    if size > BUCKETS_MAX {
        reading.refuse(ErrorCause::illegal_argument(too_many_buckets(size)));
    }
    // A source that is refused is none.
    let Some(sources) = sources.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
    let after = after.map(|after| read_after(after, &sources)).transpose();
    let after = reading.settle(after, None);
    Ok(Some(AggregationKind::Composite(Composite { sources, size, after })))
}

/// `[{"<name>":{"terms":{…}}},…]`.
fn read_sources(
    aggregation: &str,
    member: &Member,
    reading: &mut Reading,
) -> Result<Vec<Option<CompositeSource>>, ErrorCause> {
    let mut sources = Vec::new();
    let mut names = HashSet::new();
    let elements = elements_of("composite", member)?;
    if elements.len() > SOURCES_MAX {
        return Err(ErrorCause::illegal_argument(format!("Composite has more than [{SOURCES_MAX}] sources")));
    }
    for element in elements {
        let Some([named]) = element.members() else {
            return Err(parsing(element.position, "a composite source must be an object with one name"));
        };
        let Some([typed]) = named.value.members() else {
            return Err(parsing(named.value.position, "a composite source must have one type"));
        };
        if !names.insert(named.name.as_str()) {
            return Err(ErrorCause::illegal_argument(format!(
                "Composite source names must be unique, found duplicates: [{}]",
                named.name
            )));
        }
        sources.push(read_source(aggregation, &named.name, typed, reading)?);
    }
    Ok(sources)
}

fn read_source(
    aggregation: &str,
    name: &str,
    typed: &Member,
    reading: &mut Reading,
) -> Result<Option<CompositeSource>, ErrorCause> {
    match typed.name.as_str() {
        "terms" => {}
        "date_histogram" | "geotile_grid" | "histogram" => {
            reading.refuse(ErrorCause::illegal_argument(format!(
                "Unsupported composite source [{name}] of type [{}] in [{aggregation}] agg",
                typed.name
            )));
            return Ok(None);
        }
        other => return Err(parsing(typed.position, format_args!("invalid source type: {other}"))),
    }
    let mut body = CompositeSourceBody::default();
    for member in typed.value.members().unwrap_or_default() {
        let text = || text_of(&member.value);
        match member.name.as_str() {
            "order" => body.is_descending = direction(&text()?)?,
            "missing_bucket" => body.counts_missing = boolean_of(&member.value)?,
            "missing_order" => body.missing_first = missing_order(&text()?)?,
            "missing" => return Err(unknown_option("terms", member)),
            _ if body.source.take(member)? => {}
            _ => return Err(unknown_option("terms", member)),
        }
    }
    let values = body.source.into_source(aggregation, reading)?;
    Ok(values.map(|values| CompositeSource {
        name: name.to_owned(),
        values,
        is_descending: body.is_descending,
        counts_missing: body.counts_missing,
        missing_first: body.missing_first.unwrap_or(!body.is_descending),
    }))
}

fn direction(text: &str) -> Result<bool, ErrorCause> {
    match text.to_ascii_lowercase().as_str() {
        "asc" => Ok(false),
        "desc" => Ok(true),
        _ => Err(ErrorCause::illegal_argument(format!("Unknown SortOrder [{text}]"))),
    }
}

/// `None` is the default: first in ascending, last in descending order.
fn missing_order(text: &str) -> Result<Option<bool>, ErrorCause> {
    match text.to_ascii_lowercase().as_str() {
        "default" => Ok(None),
        "first" => Ok(Some(true)),
        "last" => Ok(Some(false)),
        _ => Err(ErrorCause::illegal_argument(format!("Unknown missing order [{text}]"))),
    }
}

fn read_after(member: &Member, sources: &[CompositeSource]) -> Result<CompositeKey, ErrorCause> {
    let members = member.value.members().unwrap_or_default();
    if members.len() != sources.len() {
        return Err(ErrorCause::illegal_argument(format!(
            "[after] has {} value(s) but [sources] has {}",
            members.len(),
            sources.len()
        )));
    }
    let value = |source: &CompositeSource| {
        let given = members.iter().find(|member| member.name == source.name);
        let given = given.ok_or_else(|| {
            ErrorCause::illegal_argument(format!("Missing value for [after.{}]", source.name))
        })?;
        source.read_after(&given.value)
    };
    sources.iter().map(value).collect()
}
