//! Reading queries: from the body to a [`Query`].
//!
//! An unknown query is a mistake of the body. A query that exists in Elasticsearch but is not supported for
//! keys is refused when the search begins, and its inside is not read.

mod bool_clause;
mod compare;
mod leaf;
mod minimum_should_match;
mod range;
mod simple_query_string;

use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::Node;

use super::clause::Query;
use super::reading::{Reading, parsing};
use super::search_limits::QUERY_DEPTH_MAX;

/// Queries of Elasticsearch that are not supported for keys.
const UNSUPPORTED: [&str; 48] = [
    "boosting",
    "combined_fields",
    "constant_score",
    "dis_max",
    "distance_feature",
    "function_score",
    "fuzzy",
    "geo_bounding_box",
    "geo_distance",
    "geo_grid",
    "geo_polygon",
    "geo_shape",
    "has_child",
    "has_parent",
    "intervals",
    "knn",
    "match_bool_prefix",
    "match_none",
    "match_phrase",
    "match_phrase_prefix",
    "more_like_this",
    "multi_match",
    "nested",
    "parent_id",
    "percolate",
    "pinned",
    "query_string",
    "rank_feature",
    "regexp",
    "rule",
    "script",
    "script_score",
    "semantic",
    "shape",
    "span_containing",
    "span_field_masking",
    "span_first",
    "span_multi",
    "span_near",
    "span_not",
    "span_or",
    "span_term",
    "span_within",
    "sparse_vector",
    "terms_set",
    "text_expansion",
    "weighted_tokens",
    "wrapper",
];

/// Reads one query, `{"<type>":{…}}`.
pub(super) fn read_query(node: &Node, reading: &mut Reading) -> Result<Query, ErrorCause> {
    if reading.query_depth >= QUERY_DEPTH_MAX {
        return Err(ErrorCause::illegal_argument(format!(
            "The nested depth of the query exceeds the maximum nested depth for queries set to [{QUERY_DEPTH_MAX}]"
        )));
    }
    reading.take_clause();
    reading.query_depth += 1;
    let query = read_typed(node, reading);
    reading.query_depth -= 1;
    query
}

fn read_typed(node: &Node, reading: &mut Reading) -> Result<Query, ErrorCause> {
    let Some(members) = node.members() else {
        return Err(parsing(node.position, "[_na] query malformed, must start with start_object"));
    };
    let Some((member, others)) = members.split_first() else {
        return Err(ErrorCause::illegal_argument(format!(
            "query malformed, empty clause found at [{}]",
            node.position
        )));
    };
    let name = member.name.as_str();
    if member.value.members().is_none() {
        let complaint = format!("[{name}] query malformed, no start_object after query name");
        return Err(parsing(member.value.position, complaint));
    }
    let body = &member.value;
    let query = match name {
        "bool" => bool_clause::read(body, reading),
        "exists" => leaf::read_exists(body, reading),
        "ids" => leaf::read_ids(body),
        "match" => leaf::read_match(body, reading),
        "match_all" => leaf::read_match_all(body),
        "prefix" => leaf::read_prefix(body, reading),
        "range" => range::read(body, reading),
        "simple_query_string" => simple_query_string::read(body, reading),
        "term" => leaf::read_term(body, reading),
        "terms" => leaf::read_terms(body, reading),
        "wildcard" => leaf::read_wildcard(body, reading),
        name if UNSUPPORTED.contains(&name) => {
            reading.refuse(ErrorCause::illegal_argument(format!(
                "Query type [{name}] is not currently supported in this context"
            )));
            Ok(Query::Nothing)
        }
        name => Err(parsing(member.position, format_args!("unknown query [{name}]"))),
    }?;
    match others.first() {
        None => Ok(query),
        Some(second) => Err(parsing(
            second.position,
            format_args!("[{name}] malformed query, expected [END_OBJECT] but found [FIELD_NAME]"),
        )),
    }
}
