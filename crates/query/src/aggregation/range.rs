//! The aggregations `range` and `date_range`: keys with a moment from one (included) to another (excluded).

use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::{Node, NodeValue};
use serde_json::{Map, Value, json};

use super::bucket::{Bucket, show_keyed};
use super::request::{elements_of, unknown_option};
use super::source::{SourceBody, ValueSource};
use super::{Aggregation, AggregationKind, SearchBudget};
use crate::date::Rounding;
use crate::field::{Field, Term};
use crate::reading::{Reading, boolean_of, text_of};
use crate::{Searchable, TypedKeys};

/// Several ranges of a field.
#[derive(Clone, Debug)]
pub(super) struct Ranges {
    source: ValueSource,
    /// In the order of where they begin, then of where they end.
    ranges: Vec<Range>,
    is_keyed: bool,
    answer_type: &'static str,
}

#[derive(Clone, Debug)]
struct Range {
    key: String,
    from: Option<i64>,
    to: Option<i64>,
}

/// A range as it was written.
#[derive(Default)]
struct RangeBody<'a> {
    key: Option<String>,
    from: Option<&'a Node>,
    to: Option<&'a Node>,
}

impl Ranges {
    pub(super) fn len(&self) -> usize {
        self.ranges.len()
    }

    pub(super) fn answer_type(&self) -> &'static str {
        self.answer_type
    }

    pub(super) fn collect<'a, K: Searchable + ?Sized>(
        &self,
        key: &K,
        children: &'a [Aggregation],
        buckets: &mut [Bucket<'a>],
        budget: &mut SearchBudget<'_>,
    ) -> Result<(), ErrorCause> {
        for term in self.source.terms(key, budget.work)? {
            budget.work.spend(self.ranges.len())?;
            let Term::Number(moment) = term else { continue };
            for (range, bucket) in self.ranges.iter().zip(&mut *buckets) {
                if range.from.is_none_or(|from| moment >= from) && range.to.is_none_or(|to| moment < to) {
                    bucket.collect(key, children, budget)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn show(
        &self,
        buckets: Vec<Bucket<'_>>,
        children: &[Aggregation],
        typed_keys: TypedKeys,
        budget: &mut SearchBudget<'_>,
    ) -> Result<Map<String, Value>, ErrorCause> {
        let mut shown = Vec::new();
        for (range, bucket) in self.ranges.iter().zip(buckets) {
            budget.work.hold(2 * range.key.len())?;
            let mut fields = Map::new();
            if !self.is_keyed {
                fields.insert("key".to_owned(), json!(range.key));
            }
            for (name, moment) in [("from", range.from), ("to", range.to)] {
                let Some(moment) = moment else { continue };
                // Elasticsearch computes ranges in floating point, and so writes 1.7E12.
                fields.insert(name.to_owned(), json!(moment as f64));
                fields.insert(format!("{name}_as_string"), json!(self.source.calendar.write(moment)));
            }
            let fields = bucket.into_json(fields, children, typed_keys, budget)?;
            shown.push((range.key.clone(), Value::Object(fields)));
        }
        Ok(show_keyed(shown, self.is_keyed))
    }
}

/// Reads the body of an aggregation of this type.
pub(super) fn read(
    aggregation_type: &'static str,
    name: &str,
    body: &Node,
    reading: &mut Reading,
) -> Result<Option<AggregationKind>, ErrorCause> {
    let mut source = SourceBody::default();
    let mut bodies = Vec::new();
    let mut is_keyed = false;
    for member in body.members().unwrap_or_default() {
        match member.name.as_str() {
            "keyed" => is_keyed = boolean_of(&member.value)?,
            "ranges" => {
                for element in elements_of(aggregation_type, member)? {
                    reading.take_clause();
                    bodies.push(read_range(aggregation_type, element)?);
                }
            }
            _ if source.take(member)? => {}
            _ => return Err(unknown_option(aggregation_type, member)),
        }
    }
    if bodies.is_empty() {
        let complaint = format!("No [ranges] specified for the [{name}] aggregation");
        return Err(ErrorCause::illegal_argument(complaint));
    }
    let Some(source) = source.into_source(name, reading)? else { return Ok(None) };
    if !matches!(source.field, Field::Date(_)) {
        reading.refuse(ErrorCause::illegal_argument(format!(
            "Field [{}] of type [{}] is not supported for aggregation [{aggregation_type}]",
            source.field,
            source.field.type_name()
        )));
        return Ok(None);
    }
    let ranges: Result<Vec<Range>, ErrorCause> =
        bodies.into_iter().map(|body| body.into_range(&source)).collect();
    let mut ranges = reading.settle(ranges, Vec::new());
    ranges.sort_by_key(|range| (range.from.unwrap_or(i64::MIN), range.to.unwrap_or(i64::MAX)));
    Ok(Some(AggregationKind::Range(Ranges { source, ranges, is_keyed, answer_type: aggregation_type })))
}

fn read_range<'a>(aggregation_type: &str, node: &'a Node) -> Result<RangeBody<'a>, ErrorCause> {
    let Some(members) = node.members() else {
        let complaint = format!("[{aggregation_type}] ranges must be objects, not {}", node.token());
        return Err(node.position.complain(complaint));
    };
    let mut range = RangeBody::default();
    for member in members {
        match member.name.as_str() {
            "key" => range.key = Some(text_of(&member.value)?),
            "from" => range.from = Some(&member.value),
            "to" => range.to = Some(&member.value),
            _ => return Err(unknown_option("range", member)),
        }
    }
    Ok(range)
}

impl RangeBody<'_> {
    fn into_range(self, source: &ValueSource) -> Result<Range, ErrorCause> {
        let from = self.from.map_or(Ok(None), |node| moment(node, source))?;
        let to = self.to.map_or(Ok(None), |node| moment(node, source))?;
        let show = |moment: Option<i64>| {
            moment.map_or_else(|| "*".to_owned(), |moment| source.calendar.write(moment))
        };
        let key = self.key.unwrap_or_else(|| format!("{}-{}", show(from), show(to)));
        Ok(Range { key, from, to })
    }
}

/// A number is milliseconds, a text a date; `null` is no bound.
fn moment(node: &Node, source: &ValueSource) -> Result<Option<i64>, ErrorCause> {
    match &node.value {
        NodeValue::Null => Ok(None),
        // A number beyond the range of dates saturates.
        NodeValue::Number { number, .. } => {
            Ok(number.as_i64().or(number.as_f64().map(|number| number as i64)))
        }
        _ => source.calendar.read(&text_of(node)?, Rounding::Down).map(Some),
    }
}
