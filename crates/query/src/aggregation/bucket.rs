//! One bucket: how many keys are in it, and the aggregations inside.

use latchkey_elastic::ErrorCause;
use serde_json::{Map, Value, json};

use super::{ANSWERED_LEN, Aggregation, Collector, SearchBudget};
use crate::{Searchable, TypedKeys};

/// A bucket. The aggregations inside are made with its first key, because most buckets of a deep tree never
/// get one.
#[derive(Default)]
pub(super) struct Bucket<'a> {
    pub(super) count: u64,
    collectors: Vec<Collector<'a>>,
}

impl<'a> Bucket<'a> {
    pub(super) fn collect<K: Searchable + ?Sized>(
        &mut self,
        key: &K,
        children: &'a [Aggregation],
        budget: &mut SearchBudget<'_>,
    ) -> Result<(), ErrorCause> {
        budget.visit()?;
        if self.count == 0 {
            budget.collect(1)?;
            self.collectors = child_collectors(children, budget)?;
        }
        self.count += 1;
        self.collectors.iter_mut().try_for_each(|collector| collector.collect(key, budget))
    }

    /// The value of the aggregation of this name, to order buckets by.
    pub(super) fn number_of(&self, child: &str) -> u64 {
        let collector = self.collectors.iter().find(|collector| collector.aggregation.name == child);
        collector.map_or(0, Collector::number)
    }

    /// The fields of the answer after those in `fields`.
    pub(super) fn into_json(
        self,
        mut fields: Map<String, Value>,
        children: &[Aggregation],
        typed_keys: TypedKeys,
        budget: &mut SearchBudget<'_>,
    ) -> Result<Map<String, Value>, ErrorCause> {
        budget.answer()?;
        fields.insert("doc_count".to_owned(), json!(self.count));
        let inside = if self.count == 0 {
            show_all(child_collectors(children, budget)?, typed_keys, budget)?
        } else {
            show_all(self.collectors, typed_keys, budget)?
        };
        fields.extend(inside);
        Ok(fields)
    }
}

/// The running aggregations of a new bucket.
pub(super) fn child_collectors<'a>(
    children: &'a [Aggregation],
    budget: &mut SearchBudget<'_>,
) -> Result<Vec<Collector<'a>>, ErrorCause> {
    children.iter().map(|child| Collector::new(child, budget)).collect()
}

/// Their answers by name.
pub(super) fn show_all(
    collectors: Vec<Collector<'_>>,
    typed_keys: TypedKeys,
    budget: &mut SearchBudget<'_>,
) -> Result<Map<String, Value>, ErrorCause> {
    let show = |collector: Collector<'_>| {
        budget.work.hold(ANSWERED_LEN + collector.aggregation.name.len())?;
        let name = collector.aggregation.shown_name(typed_keys);
        collector.into_json(typed_keys, budget).map(|shown| (name, shown))
    };
    collectors.into_iter().map(show).collect()
}

/// `buckets`, as an object by name or as an array without names.
pub(super) fn show_keyed(buckets: Vec<(String, Value)>, is_keyed: bool) -> Map<String, Value> {
    let buckets: Value = if is_keyed {
        Value::Object(buckets.into_iter().collect())
    } else {
        buckets.into_iter().map(|(_, bucket)| bucket).collect()
    };
    Map::from_iter([("buckets".to_owned(), buckets)])
}
