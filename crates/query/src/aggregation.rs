//! Aggregations: counting the keys that a search matches, by their values.
//!
//! Every aggregation reads each matching key once. One that makes buckets hands the key on to the
//! aggregations below it, in each bucket the key belongs to. An answer is written as Elasticsearch writes it;
//! counts are exact, so their error bounds are 0.

mod bucket;
mod composite;
mod range;
mod request;
mod source;
mod terms;

use std::collections::{BTreeMap, HashMap, HashSet};

use latchkey_budget::Budget;
use latchkey_budget::json_len::value_len;
use latchkey_elastic::ErrorCause;
use serde_json::{Map, Value, json};

use super::clause::Query;
use super::field::{Field, Term};
use super::search_limits::{BUCKETS_MAX, COLLECTED_MAX};
use super::{Searchable, TypedKeys};

use bucket::{Bucket, child_collectors};
use composite::{Composite, CompositeKey};
use range::Ranges;
use source::ValueSource;
use terms::Terms;

pub(super) use request::read_aggregations;

/// One aggregation, by its name in request and answer.
#[derive(Clone, Debug)]
pub(super) struct Aggregation {
    name: String,
    kind: AggregationKind,
    children: Vec<Self>,
    /// Returned as it was sent.
    meta: Option<Value>,
}

/// What to count.
#[derive(Clone, Debug)]
enum AggregationKind {
    /// Distinct values.
    Cardinality(ValueSource),
    /// Keys for each combination of values, page by page.
    Composite(Composite),
    /// Keys that match a query.
    Filter(Query),
    /// Keys that match each of several queries.
    Filters(Filters),
    /// Keys without a value.
    Missing(ValueSource),
    /// Keys with a moment in each of several ranges.
    Range(Ranges),
    /// Keys for each value.
    Terms(Terms),
    /// Values.
    ValueCount(ValueSource),
}

/// Several queries, with or without names.
#[derive(Clone, Debug)]
struct Filters {
    /// In the order of the answer; all have names when `is_keyed`.
    queries: Vec<(String, Query)>,
    is_keyed: bool,
    /// The name of a bucket for keys that no query matches.
    other: Option<String>,
}

/// The running aggregations of one search.
pub(super) struct AggregationRun<'a> {
    collectors: Vec<Collector<'a>>,
    left: Left,
}

/// One running aggregation, in one bucket of its parent.
struct Collector<'a> {
    aggregation: &'a Aggregation,
    state: State<'a>,
}

enum State<'a> {
    ByCombination(BTreeMap<CompositeKey, Bucket<'a>>),
    ByPlace(Vec<Bucket<'a>>),
    ByTerm(HashMap<Term, Bucket<'a>>),
    Count(u64),
    Distinct(HashSet<Term>),
    Single(Bucket<'a>),
}

/// How many buckets may still be made.
struct Left {
    collected: usize,
    answered: usize,
}

/// What one search may still cost.
struct SearchBudget<'e> {
    left: &'e mut Left,
    work: &'e mut Budget,
}

/// The cost of visiting a bucket.
const STEPS_PER_VISIT: usize = 4;

/// The memory of a bucket, a distinct value or a running aggregation, besides its texts.
const COLLECTED_LEN: usize = 100;

/// The bytes of each of them in the answer, besides its texts.
const ANSWERED_LEN: usize = 400;

impl<'a> AggregationRun<'a> {
    pub(super) fn new(aggregations: &'a [Aggregation], work: &mut Budget) -> Result<Self, ErrorCause> {
        let mut left = Left { collected: COLLECTED_MAX, answered: BUCKETS_MAX };
        let collectors = child_collectors(aggregations, &mut SearchBudget { left: &mut left, work })?;
        Ok(Self { collectors, left })
    }

    /// Counts one key.
    pub(super) fn collect<K: Searchable + ?Sized>(
        &mut self,
        key: &K,
        work: &mut Budget,
    ) -> Result<(), ErrorCause> {
        let mut budget = SearchBudget { left: &mut self.left, work };
        self.collectors.iter_mut().try_for_each(|collector| collector.collect(key, &mut budget))
    }

    /// The answer.
    pub(super) fn into_json(mut self, typed_keys: TypedKeys, work: &mut Budget) -> Result<Value, ErrorCause> {
        let mut budget = SearchBudget { left: &mut self.left, work };
        bucket::show_all(self.collectors, typed_keys, &mut budget).map(Value::Object)
    }
}

impl<'a> Collector<'a> {
    fn new(aggregation: &'a Aggregation, budget: &mut SearchBudget<'_>) -> Result<Self, ErrorCause> {
        let places =
            |count| -> Vec<Bucket<'a>> { std::iter::repeat_with(Bucket::default).take(count).collect() };
        budget.work.spend(STEPS_PER_VISIT)?;
        budget.work.hold(COLLECTED_LEN)?;
        budget.collect(aggregation.kind.places())?;
        let state = match &aggregation.kind {
            AggregationKind::Cardinality(_) => State::Distinct(HashSet::new()),
            AggregationKind::Composite(_) => State::ByCombination(BTreeMap::new()),
            AggregationKind::Filter(_) | AggregationKind::Missing(_) => State::Single(Bucket::default()),
            AggregationKind::Filters(filters) => State::ByPlace(places(filters.bucket_count())),
            AggregationKind::Range(ranges) => State::ByPlace(places(ranges.len())),
            AggregationKind::Terms(_) => State::ByTerm(HashMap::new()),
            AggregationKind::ValueCount(_) => State::Count(0),
        };
        Ok(Self { aggregation, state })
    }

    fn collect<K: Searchable + ?Sized>(
        &mut self,
        key: &K,
        budget: &mut SearchBudget<'_>,
    ) -> Result<(), ErrorCause> {
        budget.visit()?;
        let children = self.aggregation.children.as_slice();
        match (&self.aggregation.kind, &mut self.state) {
            (AggregationKind::Cardinality(source), State::Distinct(terms)) => {
                for term in source.terms(key, budget.work)? {
                    let len = term.held_len();
                    budget.work.read(len)?;
                    if terms.insert(term) {
                        budget.work.hold(len)?;
                        budget.collect(1)?;
                    }
                }
                Ok(())
            }
            (AggregationKind::Composite(composite), State::ByCombination(buckets)) => {
                composite.collect(key, children, buckets, budget)
            }
            (AggregationKind::Filter(query), State::Single(bucket)) => {
                if query.matches(key, budget.work)? {
                    bucket.collect(key, children, budget)?;
                }
                Ok(())
            }
            (AggregationKind::Filters(filters), State::ByPlace(buckets)) => {
                filters.collect(key, children, buckets, budget)
            }
            (AggregationKind::Missing(source), State::Single(bucket)) => {
                if source.terms(key, budget.work)?.is_empty() {
                    bucket.collect(key, children, budget)?;
                }
                Ok(())
            }
            (AggregationKind::Range(ranges), State::ByPlace(buckets)) => {
                ranges.collect(key, children, buckets, budget)
            }
            (AggregationKind::Terms(terms), State::ByTerm(buckets)) => {
                terms.collect(key, children, buckets, budget)
            }
            (AggregationKind::ValueCount(source), State::Count(count)) => {
                *count += source.terms(key, budget.work)?.len() as u64;
                Ok(())
            }
            // A state is made for its kind.
            _ => Ok(()),
        }
    }

    /// The number to order a parent's buckets by.
    fn number(&self) -> u64 {
        match &self.state {
            State::Count(count) => *count,
            State::Distinct(terms) => terms.len() as u64,
            State::Single(bucket) => bucket.count,
            State::ByCombination(_) | State::ByPlace(_) | State::ByTerm(_) => 0,
        }
    }

    fn into_json(self, typed_keys: TypedKeys, budget: &mut SearchBudget<'_>) -> Result<Value, ErrorCause> {
        let children = self.aggregation.children.as_slice();
        let mut shown = match (&self.aggregation.kind, self.state) {
            (AggregationKind::Composite(composite), State::ByCombination(buckets)) => {
                composite.show(buckets, children, typed_keys, budget)?
            }
            (AggregationKind::Filters(filters), State::ByPlace(buckets)) => {
                filters.show(buckets, children, typed_keys, budget)?
            }
            (AggregationKind::Range(ranges), State::ByPlace(buckets)) => {
                ranges.show(buckets, children, typed_keys, budget)?
            }
            (AggregationKind::Terms(terms), State::ByTerm(buckets)) => {
                terms.show(buckets, children, typed_keys, budget)?
            }
            (_, State::Single(bucket)) => bucket.into_json(Map::new(), children, typed_keys, budget)?,
            (_, State::Distinct(terms)) => Map::from_iter([("value".to_owned(), json!(terms.len()))]),
            (_, State::Count(count)) => Map::from_iter([("value".to_owned(), json!(count))]),
            (_, State::ByCombination(_) | State::ByPlace(_) | State::ByTerm(_)) => Map::new(),
        };
        if let Some(meta) = &self.aggregation.meta {
            budget.work.hold(value_len(meta))?;
            shown.insert("meta".to_owned(), meta.clone());
        }
        Ok(Value::Object(shown))
    }
}

impl Aggregation {
    /// The name in the answer.
    fn shown_name(&self, typed_keys: TypedKeys) -> String {
        match typed_keys {
            TypedKeys::Plain => self.name.clone(),
            TypedKeys::Typed => format!("{}#{}", self.kind.answer_type(), self.name),
        }
    }
}

impl AggregationKind {
    /// How many buckets it has from the start.
    fn places(&self) -> usize {
        match self {
            Self::Filters(filters) => filters.bucket_count(),
            Self::Range(ranges) => ranges.len(),
            _ => 0,
        }
    }

    /// The type of the answer; terms of dates and booleans are numbers.
    fn answer_type(&self) -> &'static str {
        match self {
            Self::Cardinality(_) => "cardinality",
            Self::Composite(_) => "composite",
            Self::Filter(_) => "filter",
            Self::Filters(_) => "filters",
            Self::Missing(_) => "missing",
            Self::Range(ranges) => ranges.answer_type(),
            Self::Terms(terms) if matches!(terms.source.field, Field::Text(_)) => "sterms",
            Self::Terms(_) => "lterms",
            Self::ValueCount(_) => "value_count",
        }
    }
}

impl Filters {
    fn bucket_count(&self) -> usize {
        self.queries.len() + usize::from(self.other.is_some())
    }

    fn collect<'a, K: Searchable + ?Sized>(
        &self,
        key: &K,
        children: &'a [Aggregation],
        buckets: &mut [Bucket<'a>],
        budget: &mut SearchBudget<'_>,
    ) -> Result<(), ErrorCause> {
        let mut is_other = true;
        for ((_, query), bucket) in self.queries.iter().zip(&mut *buckets) {
            if query.matches(key, budget.work)? {
                is_other = false;
                bucket.collect(key, children, budget)?;
            }
        }
        match buckets.get_mut(self.queries.len()) {
            Some(other) if is_other => other.collect(key, children, budget),
            _ => Ok(()),
        }
    }

    fn show(
        &self,
        buckets: Vec<Bucket<'_>>,
        children: &[Aggregation],
        typed_keys: TypedKeys,
        budget: &mut SearchBudget<'_>,
    ) -> Result<Map<String, Value>, ErrorCause> {
        let names = self.queries.iter().map(|(name, _)| name).chain(&self.other);
        let mut shown = Vec::new();
        for (name, bucket) in names.zip(buckets) {
            budget.work.hold(name.len())?;
            let fields = bucket.into_json(Map::new(), children, typed_keys, budget)?;
            shown.push((name.clone(), Value::Object(fields)));
        }
        Ok(bucket::show_keyed(shown, self.is_keyed))
    }
}

impl SearchBudget<'_> {
    fn collect(&mut self, count: usize) -> Result<(), ErrorCause> {
        spend(&mut self.left.collected, count, || {
            format!("Aggregations collect more than [{COLLECTED_MAX}] buckets and distinct values")
        })?;
        Ok(self.work.hold(COLLECTED_LEN.saturating_mul(count))?)
    }

    fn visit(&mut self) -> Result<(), ErrorCause> {
        Ok(self.work.spend(STEPS_PER_VISIT)?)
    }

    fn answer(&mut self) -> Result<(), ErrorCause> {
        spend(&mut self.left.answered, 1, || too_many_buckets(BUCKETS_MAX + 1))?;
        Ok(self.work.hold(ANSWERED_LEN)?)
    }
}

fn too_many_buckets(count: usize) -> String {
    format!(
        "Trying to create too many buckets. Must be less than or equal to: [{BUCKETS_MAX}] but was [{count}]."
    )
}

fn spend(left: &mut usize, count: usize, complaint: impl Fn() -> String) -> Result<(), ErrorCause> {
    *left = left.checked_sub(count).ok_or_else(|| ErrorCause::illegal_argument(complaint()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use latchkey_budget::Allowance;

    use super::*;

    #[test]
    fn refuses_to_collect_more_than_it_may() {
        let mut work = Budget::alone(Allowance { steps: u64::MAX, bytes: usize::MAX });
        let mut left = Left { collected: COLLECTED_MAX, answered: BUCKETS_MAX };
        let mut budget = SearchBudget { left: &mut left, work: &mut work };
        assert_eq!(budget.collect(COLLECTED_MAX), Ok(()));
        let refused = budget.collect(1).unwrap_err();
        assert_eq!(refused.reason(), "Aggregations collect more than [1000000] buckets and distinct values");
    }
}
