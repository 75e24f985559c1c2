//! Queries in role descriptors: which documents a role may see.
//!
//! The service has no documents. It refuses what is no query at all, and what Elasticsearch does not allow in a role
//! (`DLSRoleQueryValidator`). It does not know all names of queries.

use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::{Node, NodeValue};

use super::IndexPrivileges;

/// Queries that refer to other documents.
const REFUSED: [&str; 3] = ["percolate", "has_child", "has_parent"];

/// A query in Mustache, which depends on who asks, and is not looked into.
const TEMPLATE: &str = "template";

/// Fields of a terms lookup. Any of them makes an object in a `terms` query one.
const LOOKUP_FIELDS: [&str; 3] = ["index", "id", "path"];

/// Checks the queries of a role.
///
/// # Errors
///
/// `parse_exception` for the first that is refused.
pub(super) fn check(blocks: &[IndexPrivileges]) -> Result<(), ErrorCause> {
    for (position, block) in blocks.iter().enumerate() {
        let Some(query) = &block.query else { continue };
        problem(query).map_or(Ok(()), |cause| {
            let names = block.names.join(",");
            let reason = format!(
                "failed to parse field 'query' for indices [{names}] at index privilege [{position}] of role descriptor"
            );
            Err(ErrorCause::parse(reason).caused_by(cause))
        })?;
    }
    Ok(())
}

fn problem(query: &str) -> Option<ErrorCause> {
    let node = match Node::parse(query.as_bytes()) {
        Ok(Some(node)) => node,
        Ok(None) => return Some(ErrorCause::illegal_argument("query is empty")),
        Err(cause) => return Some(cause),
    };
    let Some(members) = node.members() else {
        let found = node.token();
        return Some(ErrorCause::illegal_argument(format!(
            "expected [START_OBJECT] but found [{found}] instead"
        )));
    };
    match members {
        [] => Some(ErrorCause::illegal_argument("query malformed, empty clause found")),
        [only] if only.name == TEMPLATE => None,
        [only] if only.value.members().is_some() => refused(&node),
        [only] => Some(ErrorCause::illegal_argument(format!(
            "[{}] query malformed, no start_object after query name",
            only.name
        ))),
        [first, ..] => Some(ErrorCause::illegal_argument(format!(
            "[{}] malformed query, expected [END_OBJECT] but found [FIELD_NAME]",
            first.name
        ))),
    }
}

/// Looks for what a role may not have, in all depths.
fn refused(node: &Node) -> Option<ErrorCause> {
    match &node.value {
        NodeValue::Array(elements) => elements.iter().find_map(refused),
        NodeValue::Object(members) => members.iter().find_map(|member| {
            let name = member.name.as_str();
            if REFUSED.contains(&name) && member.value.members().is_some() {
                let reason = format!("{name} query isn't supported as part of a role query");
                return Some(ErrorCause::illegal_argument(reason));
            }
            if name == "terms" && has_lookup(&member.value) {
                let reason = "terms query with terms lookup isn't supported as part of a role query";
                return Some(ErrorCause::illegal_argument(reason));
            }
            refused(&member.value)
        }),
        NodeValue::Boolean(_) | NodeValue::Null | NodeValue::Number { .. } | NodeValue::String(_) => None,
    }
}

fn has_lookup(terms: &Node) -> bool {
    let fields = terms.members().unwrap_or_default().iter();
    let mut objects = fields.filter_map(|field| field.value.members());
    objects.any(|members| members.iter().any(|member| LOOKUP_FIELDS.contains(&member.name.as_str())))
}
