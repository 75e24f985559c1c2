//! The aggregation `terms`: a bucket for each value.

use std::cmp::Ordering;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::{Member, Node};
use serde_json::{Map, Value, json};

use super::bucket::Bucket;
use super::request::{elements_of, positive, unknown_option};
use super::source::{SourceBody, ValueSource};
use super::{Aggregation, AggregationKind, SearchBudget};
use crate::field::Term;
use crate::reading::{Reading, boolean_of, parsing, text_of};
use crate::search_limits::TERMS_MAX;
use crate::{Searchable, TypedKeys};

/// Buckets in an answer when the request names no size: Elasticsearch's default.
const SIZE_DEFAULT: usize = 10;

/// A bucket for each value of a source.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) source: ValueSource,
    size: usize,
    count_min: u64,
    orders: Vec<TermsOrder>,
    include: Option<HashSet<Term>>,
    exclude: HashSet<Term>,
    shows_term_errors: bool,
}

/// What buckets are ordered by.
#[derive(Clone, Debug, PartialEq)]
struct TermsOrder {
    by: OrderBy,
    is_descending: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum OrderBy {
    /// The number of an aggregation inside of the bucket.
    Child(String),
    Count,
    Key,
}

/// The options, as they were written.
#[derive(Default)]
struct TermsBody {
    source: SourceBody,
    size: Option<usize>,
    count_min: Option<usize>,
    orders: Vec<TermsOrder>,
    include: Option<Vec<String>>,
    exclude: Vec<String>,
    shows_term_errors: bool,
}

impl Terms {
    pub(super) fn collect<'a, K: Searchable + ?Sized>(
        &self,
        key: &K,
        children: &'a [Aggregation],
        buckets: &mut HashMap<Term, Bucket<'a>>,
        budget: &mut SearchBudget<'_>,
    ) -> Result<(), ErrorCause> {
        for term in self.source.terms(key, budget.work)? {
            budget.work.read(term.held_len())?;
            if self.include.as_ref().is_none_or(|include| include.contains(&term))
                && !self.exclude.contains(&term)
            {
                let bucket = match buckets.entry(term) {
                    Entry::Occupied(bucket) => bucket.into_mut(),
                    Entry::Vacant(place) => {
                        budget.work.hold(place.key().held_len())?;
                        place.insert(Bucket::default())
                    }
                };
                bucket.collect(key, children, budget)?;
            }
        }
        Ok(())
    }

    pub(super) fn show(
        &self,
        buckets: HashMap<Term, Bucket<'_>>,
        children: &[Aggregation],
        typed_keys: TypedKeys,
        budget: &mut SearchBudget<'_>,
    ) -> Result<Map<String, Value>, ErrorCause> {
        let mut buckets: Vec<_> =
            buckets.into_iter().filter(|(_, bucket)| bucket.count >= self.count_min).collect();
        self.charge_sorting(&buckets, children, budget)?;
        buckets.sort_by(|one, other| self.compare(one, other));
        let others: u64 = buckets.iter().skip(self.size).map(|(_, bucket)| bucket.count).sum();
        let mut shown = Vec::new();
        for (term, bucket) in buckets.into_iter().take(self.size) {
            budget.work.hold(term.held_len())?;
            let mut fields = self.source.show_key(&term);
            if self.shows_term_errors {
                fields.insert("doc_count_error_upper_bound".to_owned(), json!(0));
            }
            shown.push(Value::Object(bucket.into_json(fields, children, typed_keys, budget)?));
        }
        Ok(Map::from_iter([
            ("doc_count_error_upper_bound".to_owned(), json!(0)),
            ("sum_other_doc_count".to_owned(), json!(others)),
            ("buckets".to_owned(), Value::Array(shown)),
        ]))
    }

    /// Each comparison may use every criterion, search for a child, and read both texts.
    fn charge_sorting(
        &self,
        buckets: &[(Term, Bucket<'_>)],
        children: &[Aggregation],
        budget: &mut SearchBudget<'_>,
    ) -> Result<(), ErrorCause> {
        let levels = buckets.len().max(1).ilog2() as usize + 1;
        let each = 1 + self.orders.len() * (1 + children.len());
        budget.work.spend(buckets.len().saturating_mul(levels).saturating_mul(each))?;
        let texts: usize = buckets.iter().map(|(term, _)| term.held_len()).sum();
        Ok(budget.work.read(texts.saturating_mul(levels))?)
    }

    /// Buckets that are alike otherwise are ordered by their values.
    fn compare(&self, one: &(Term, Bucket<'_>), other: &(Term, Bucket<'_>)) -> Ordering {
        let compare = |order: &TermsOrder| {
            let ordering = match &order.by {
                OrderBy::Child(child) => one.1.number_of(child).cmp(&other.1.number_of(child)),
                OrderBy::Count => one.1.count.cmp(&other.1.count),
                OrderBy::Key => one.0.cmp(&other.0),
            };
            if order.is_descending { ordering.reverse() } else { ordering }
        };
        let ordering = self.orders.iter().map(compare).find(|ordering| *ordering != Ordering::Equal);
        ordering.unwrap_or_else(|| one.0.cmp(&other.0))
    }
}

/// Reads the body; `children` are the aggregations inside of each bucket.
pub(super) fn read(
    name: &str,
    body: &Node,
    children: &[Aggregation],
    reading: &mut Reading,
) -> Result<Option<AggregationKind>, ErrorCause> {
    let terms = TermsBody::read(name, body, reading)?;
    for order in &terms.orders {
        if let OrderBy::Child(path) = &order.by
            && !children.iter().any(|child| child.name == *path && child.kind.has_number())
        {
            reading.refuse(ErrorCause::illegal_argument(format!(
                "Invalid aggregation order path [{path}]. It must name a sub-aggregation with one number"
            )));
        }
    }
    terms.into_kind(name, reading)
}

impl TermsBody {
    fn read(name: &str, body: &Node, reading: &mut Reading) -> Result<Self, ErrorCause> {
        let mut terms = Self::default();
        for member in body.members().unwrap_or_default() {
            match member.name.as_str() {
                "size" => terms.size = Some(positive(name, "size", 1, member)?),
                "min_doc_count" => terms.count_min = Some(positive(name, "minDocCount", 0, member)?),
                "order" => terms.orders = read_orders(&member.value)?,
                "include" => terms.include = Some(values(member, reading)?),
                "exclude" => terms.exclude = values(member, reading)?,
                "show_term_doc_count_error" => terms.shows_term_errors = boolean_of(&member.value)?,
                // These choose how to count, not what.
                "shard_size" | "shard_min_doc_count" | "collect_mode" | "execution_hint" => {
                    text_of(&member.value)?;
                }
                _ if terms.source.take(member)? => {}
                _ => return Err(unknown_option("terms", member)),
            }
        }
        Ok(terms)
    }

    fn into_kind(self, name: &str, reading: &mut Reading) -> Result<Option<AggregationKind>, ErrorCause> {
        if self.count_min == Some(0) {
            let complaint = format!("[min_doc_count] of [0] is not supported in [{name}]");
            reading.refuse(ErrorCause::illegal_argument(complaint));
        }
        let Some(source) = self.source.into_source(name, reading)? else { return Ok(None) };
        let mut set = |texts: Vec<String>| -> HashSet<Term> {
            let terms: Result<_, _> = texts.iter().map(|text| source.read(text)).collect();
            reading.settle(terms, HashSet::new())
        };
        let (include, exclude) = (self.include.map(&mut set), set(self.exclude));
        let most = TermsOrder { by: OrderBy::Count, is_descending: true };
        Ok(Some(AggregationKind::Terms(Terms {
            source,
            size: self.size.unwrap_or(SIZE_DEFAULT),
            count_min: self.count_min.map_or(1, |count| count as u64),
            orders: if self.orders.is_empty() { vec![most] } else { self.orders },
            include,
            exclude,
            shows_term_errors: self.shows_term_errors,
        })))
    }
}

/// `{"_count":"asc"}`, or an array of such.
fn read_orders(node: &Node) -> Result<Vec<TermsOrder>, ErrorCause> {
    let nodes = node.elements().unwrap_or(std::slice::from_ref(node));
    nodes.iter().map(read_order).collect()
}

fn read_order(node: &Node) -> Result<TermsOrder, ErrorCause> {
    let Some([member]) = node.members() else {
        let complaint = "Must specify at least one field for [order]";
        return Err(parsing(node.position, complaint));
    };
    let is_descending = match text_of(&member.value)?.to_ascii_lowercase().as_str() {
        "asc" => false,
        "desc" => true,
        other => {
            let complaint = format!("Unknown order direction [{other}]");
            return Err(parsing(member.value.position, complaint));
        }
    };
    let by = match member.name.as_str() {
        "_count" => OrderBy::Count,
        "_key" | "_term" => OrderBy::Key,
        path => OrderBy::Child(
            path.strip_suffix(".value").or_else(|| path.strip_suffix("._count")).unwrap_or(path).to_owned(),
        ),
    };
    Ok(TermsOrder { by, is_descending })
}

/// Exact values. Patterns and partitions are refused when the search begins.
fn values(member: &Member, reading: &mut Reading) -> Result<Vec<String>, ErrorCause> {
    if member.value.elements().is_none() {
        reading.refuse(ErrorCause::illegal_argument(format!(
            "[{}] takes an array of exact values here",
            member.name
        )));
        return Ok(Vec::new());
    }
    let elements = elements_of("terms", member)?;
    if elements.len() > TERMS_MAX {
        return Err(ErrorCause::illegal_argument(format!(
            "[{}] has more than [{TERMS_MAX}] values",
            member.name
        )));
    }
    elements.iter().map(text_of).collect()
}
