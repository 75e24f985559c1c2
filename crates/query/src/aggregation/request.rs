//! Reading aggregations: `{"<name>":{"<type>":{…},"aggs":{…},"meta":{…}}}`.

use latchkey_elastic::content::{Member, Node, NodeValue};
use latchkey_elastic::{ErrorCause, ErrorType};

use super::source::SourceBody;
use super::{Aggregation, AggregationKind, Filters, composite, range, terms};
use crate::dsl::read_query;
use crate::reading::{Reading, boolean_of, members_of, parsing, text_of};
use crate::search_limits::AGGREGATION_DEPTH_MAX;

/// The name of the bucket for keys that no filter matches: Elasticsearch's.
const OTHER_BUCKET: &str = "_other_";

/// Aggregations of Elasticsearch that are not supported for keys.
const UNSUPPORTED: [&str; 42] = [
    "adjacency_matrix",
    "auto_date_histogram",
    "avg",
    "boxplot",
    "categorize_text",
    "children",
    "date_histogram",
    "diversified_sampler",
    "extended_stats",
    "frequent_item_sets",
    "geo_bounds",
    "geo_centroid",
    "geo_distance",
    "geo_line",
    "geohash_grid",
    "geohex_grid",
    "geotile_grid",
    "global",
    "histogram",
    "ip_prefix",
    "ip_range",
    "matrix_stats",
    "max",
    "median_absolute_deviation",
    "min",
    "multi_terms",
    "nested",
    "parent",
    "percentile_ranks",
    "percentiles",
    "random_sampler",
    "rare_terms",
    "reverse_nested",
    "sampler",
    "scripted_metric",
    "significant_terms",
    "significant_text",
    "stats",
    "sum",
    "top_hits",
    "top_metrics",
    "weighted_avg",
];

/// Pipeline aggregations, which work on the results of others.
const PIPELINES: [&str; 20] = [
    "avg_bucket",
    "bucket_count_ks_test",
    "bucket_correlation",
    "bucket_script",
    "bucket_selector",
    "bucket_sort",
    "change_point",
    "cumulative_cardinality",
    "cumulative_sum",
    "derivative",
    "extended_stats_bucket",
    "inference",
    "max_bucket",
    "min_bucket",
    "moving_fn",
    "moving_percentiles",
    "normalize",
    "percentiles_bucket",
    "stats_bucket",
    "sum_bucket",
];

/// Reads the aggregations of one level; `parents` are the types of those around it, the outermost first.
pub(crate) fn read_aggregations(
    node: &Node,
    parents: &[&str],
    reading: &mut Reading,
) -> Result<Vec<Aggregation>, ErrorCause> {
    if parents.len() >= AGGREGATION_DEPTH_MAX {
        return Err(ErrorCause::illegal_argument(format!(
            "Aggregations may be nested at most [{AGGREGATION_DEPTH_MAX}] deep"
        )));
    }
    let complaint = "aggregations definitions must be an object of names";
    let mut aggregations = Vec::new();
    for member in members_of(node, complaint)? {
        reading.take_aggregation();
        aggregations.extend(read_aggregation(member, parents, reading)?);
    }
    Ok(aggregations)
}

/// `None` for an aggregation that is refused when the search begins.
fn read_aggregation(
    member: &Member,
    parents: &[&str],
    reading: &mut Reading,
) -> Result<Option<Aggregation>, ErrorCause> {
    let name = member.name.as_str();
    if name.is_empty() || name.contains(['[', ']', '>']) {
        return Err(parsing(
            member.position,
            format_args!(
                "Invalid aggregation name [{name}]. Aggregation names can contain any character except '[', ']', and '>'"
            ),
        ));
    }
    let definition = Definition::read(member)?;
    let body = &definition.typed.value;
    let aggregation_type = definition.typed.name.as_str();
    let mut inner_parents = parents.to_vec();
    inner_parents.push(aggregation_type);
    let children = match definition.children {
        Some(children) => read_aggregations(children, &inner_parents, reading)?,
        None => Vec::new(),
    };
    let kind = match aggregation_type {
        "cardinality" | "missing" | "value_count" => read_value_kind(aggregation_type, name, body, reading)?,
        "composite" => composite::read(name, body, parents, reading)?,
        "date_range" => range::read("date_range", name, body, reading)?,
        "filter" => Some(AggregationKind::Filter(read_query(body, reading)?)),
        "filters" => Some(AggregationKind::Filters(read_filters(body, reading)?)),
        "range" => range::read("range", name, body, reading)?,
        "terms" => terms::read(name, body, &children, reading)?,
        other => {
            reading.refuse(unsupported(name, definition.typed, other)?);
            None
        }
    };
    if !children.is_empty() && kind.as_ref().is_some_and(|kind| !kind.has_buckets()) {
        return Err(ErrorCause::illegal_argument(format!(
            "Aggregator [{name}] of type [{aggregation_type}] cannot accept sub-aggregations"
        )));
    }
    let meta = definition.meta.map(Node::to_value);
    Ok(kind.map(|kind| Aggregation { name: name.to_owned(), kind, children, meta }))
}

/// The parts of a definition.
struct Definition<'a> {
    typed: &'a Member,
    children: Option<&'a Node>,
    meta: Option<&'a Node>,
}

impl<'a> Definition<'a> {
    fn read(member: &'a Member) -> Result<Self, ErrorCause> {
        let name = member.name.as_str();
        let complaint = format!(
            "Aggregation definition for [{name} starts with a [{}], expected a [START_OBJECT].",
            member.value.token()
        );
        let (mut typed, mut children, mut meta) = (None, None, None);
        for part in members_of(&member.value, &complaint)? {
            let found = match part.name.as_str() {
                "meta" => {
                    meta = Some(&part.value);
                    continue;
                }
                "aggs" | "aggregations" => {
                    if children.replace(&part.value).is_none() {
                        continue;
                    }
                    format!("Found two sub aggregation definitions under [{name}]")
                }
                other => match typed.replace(part) {
                    None if part.value.members().is_some() => continue,
                    // The filters' own values are objects too.
                    None => format!(
                        "Expected [START_OBJECT] under [{other}], but got a [{}] in [{name}]",
                        part.value.token()
                    ),
                    Some(first) => {
                        format!(
                            "Found two aggregation type definitions in [{name}]: [{}] and [{other}]",
                            first.name
                        )
                    }
                },
            };
            return Err(parsing(part.position, found));
        }
        let missing =
            || parsing(member.value.position, format_args!("Missing definition for aggregation [{name}]"));
        Ok(Self { typed: typed.ok_or_else(missing)?, children, meta })
    }
}

impl AggregationKind {
    /// Whether it makes buckets, which can hold other aggregations.
    fn has_buckets(&self) -> bool {
        !matches!(self, Self::Cardinality(_) | Self::ValueCount(_))
    }

    /// Whether its answer is one number, which buckets can be ordered by.
    pub(super) fn has_number(&self) -> bool {
        matches!(self, Self::Cardinality(_) | Self::Filter(_) | Self::Missing(_) | Self::ValueCount(_))
    }
}

fn read_value_kind(
    aggregation_type: &str,
    name: &str,
    body: &Node,
    reading: &mut Reading,
) -> Result<Option<AggregationKind>, ErrorCause> {
    let mut source = SourceBody::default();
    for member in body.members().unwrap_or_default() {
        match member.name.as_str() {
            // These choose how to count, not what.
            "precision_threshold" | "execution_hint" | "rehash" if aggregation_type == "cardinality" => {
                text_of(&member.value)?;
            }
            _ if source.take(member)? => {}
            _ => return Err(unknown_option(aggregation_type, member)),
        }
    }
    Ok(source.into_source(name, reading)?.map(match aggregation_type {
        "cardinality" => AggregationKind::Cardinality,
        "missing" => AggregationKind::Missing,
        _ => AggregationKind::ValueCount,
    }))
}

/// Queries by name are ordered by their names.
fn read_filters(body: &Node, reading: &mut Reading) -> Result<Filters, ErrorCause> {
    let mut filters = Filters { queries: Vec::new(), is_keyed: true, other: None };
    let mut has_other = None;
    for member in body.members().unwrap_or_default() {
        match member.name.as_str() {
            "filters" => match &member.value.value {
                NodeValue::Object(members) => {
                    for named in members {
                        filters.queries.push((named.name.clone(), read_query(&named.value, reading)?));
                    }
                    filters.queries.sort_by(|one, other| one.0.cmp(&other.0));
                }
                _ => {
                    filters.is_keyed = false;
                    for element in elements_of("filters", member)? {
                        filters.queries.push((String::new(), read_query(element, reading)?));
                    }
                }
            },
            "keyed" => filters.is_keyed = filters.is_keyed && boolean_of(&member.value)?,
            "other_bucket" => has_other = Some(boolean_of(&member.value)?),
            "other_bucket_key" => filters.other = Some(text_of(&member.value)?),
            _ => return Err(unknown_option("filters", member)),
        }
    }
    if filters.queries.is_empty() {
        return Err(ErrorCause::illegal_argument("[filters] cannot be empty"));
    }
    match has_other {
        Some(false) => filters.other = None,
        Some(true) => {
            filters.other.get_or_insert_with(|| OTHER_BUCKET.to_owned());
        }
        None => {}
    }
    Ok(filters)
}

/// Why an aggregation of this type is refused when the search begins. An unknown type is a mistake of the
/// body.
fn unsupported(name: &str, typed: &Member, aggregation_type: &str) -> Result<ErrorCause, ErrorCause> {
    if PIPELINES.contains(&aggregation_type) {
        let complaint = format!("Unsupported aggregation of type [{aggregation_type}]");
        return Ok(ErrorCause::illegal_argument(complaint));
    }
    if UNSUPPORTED.contains(&aggregation_type) {
        let complaint = format!("Unsupported API Keys agg [{name}] of type [{aggregation_type}]");
        return Ok(ErrorCause::illegal_argument(complaint));
    }
    Err(parsing(typed.position, format_args!("Unknown aggregation type [{aggregation_type}]")))
}

/// An option that an aggregation of this type does not have.
pub(super) fn unknown_option(aggregation_type: &str, member: &Member) -> ErrorCause {
    member.position.complain(format_args!("[{aggregation_type}] unknown field [{}]", member.name))
}

/// The elements of an option that must be an array.
pub(super) fn elements_of<'a>(aggregation_type: &str, member: &'a Member) -> Result<&'a [Node], ErrorCause> {
    member.value.elements().ok_or_else(|| {
        member.value.position.complain(format_args!(
            "[{aggregation_type}] {} doesn't support values of type: {}",
            member.name,
            member.value.token()
        ))
    })
}

/// A whole number that is at least `least`.
pub(super) fn positive(name: &str, option: &str, least: i64, member: &Member) -> Result<usize, ErrorCause> {
    let text = text_of(&member.value)?;
    let number: i64 = text
        .parse()
        .map_err(|_| ErrorCause::new(ErrorType::NumberFormat, format!("For input string: \"{text}\"")))?;
    if number < least {
        let relation = if least == 0 { "greater than or equal to" } else { "greater than" };
        return Err(ErrorCause::illegal_argument(format!(
            "[{option}] must be {relation} 0. Found [{number}] in [{name}]"
        )));
    }
    Ok(usize::try_from(number).unwrap_or(usize::MAX))
}
