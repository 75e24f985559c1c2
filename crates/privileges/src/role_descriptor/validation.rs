//! Invalid values in role descriptors.

use std::fmt;

use super::{IndexPrivileges, PROBLEMS_TOLD_MAX, RoleDescriptor};
use crate::privilege::{ClusterPrivilege, IndexPrivilege};

/// The workflows that a role can be restricted to.
const WORKFLOWS: [&str; 1] = ["search_application_query"];

/// The privileges that can be held over another cluster.
pub const REMOTE_CLUSTER_PRIVILEGES: [&str; 2] = ["monitor_enrich", "monitor_stats"];

/// Fewest characters of an application's name before its first hyphen or underscore.
const APPLICATION_PREFIX_CHARS_MIN: usize = 3;

/// Characters that an application's name may not have after its first hyphen or underscore.
const APPLICATION_SUFFIX_REFUSED: &str = "\\/*?\"<>|,";

/// The complaints about a descriptor, in Elasticsearch's order, up to the limit of one answer.
pub(super) fn problems(role: &RoleDescriptor) -> Vec<String> {
    let mut problems: Vec<String> = role
        .cluster
        .iter()
        .filter_map(|name| ClusterPrivilege::resolve(name).err())
        .map(|unknown| unknown.to_string())
        .take(PROBLEMS_TOLD_MAX)
        .collect();
    let blocks = role.indices.iter().chain(role.remote_indices.iter().map(|block| &block.indices));
    problems.extend(blocks.flat_map(index_problems).take(PROBLEMS_TOLD_MAX));
    for block in &role.remote_cluster {
        let unknown =
            block.privileges.iter().filter(|name| !REMOTE_CLUSTER_PRIVILEGES.contains(&name.as_str()));
        problems.extend(unknown.map(|name| {
            format!(
                "Invalid remote_cluster permissions found. Please remove the following: [{name}] Only [{}] are allowed",
                REMOTE_CLUSTER_PRIVILEGES.join(", ")
            )
        }));
    }
    if problems.len() >= PROBLEMS_TOLD_MAX {
        return problems;
    }
    for block in &role.applications {
        let invalid = check_application_name(&block.application, Stars::Allowed).err();
        problems.extend(invalid.map(|invalid| invalid.to_string()));
        problems.extend(block.privileges.iter().filter_map(|name| problem_of_application_privilege(name)));
    }
    if role.metadata.keys().any(|key| key.starts_with('_')) {
        problems.push("role descriptor metadata keys may not start with [_]".to_owned());
    }
    let workflows = role.restriction.iter().flat_map(|restriction| &restriction.workflows);
    problems.extend(workflows.filter(|name| !WORKFLOWS.contains(&name.as_str())).map(|name| {
        format!(
            "unknown workflow [{name}]. a workflow must be one of the predefined workflow names [{}]",
            WORKFLOWS.join(",")
        )
    }));
    problems
}

fn index_problems(block: &IndexPrivileges) -> impl Iterator<Item = String> {
    block
        .privileges
        .iter()
        .filter_map(|name| IndexPrivilege::resolve(name).err())
        .map(|unknown| unknown.to_string())
}

/// Whether an application's name may be a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stars {
    /// As in a role.
    Allowed,
    /// No, as in `_has_privileges`.
    Refused,
}

/// Why a text is not the name of an application. It displays as Elasticsearch's complaint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidApplicationName<'a> {
    /// It is blank.
    Blank,
    /// What stands before the first hyphen or underscore is none.
    Prefix(&'a str),
    /// It is too short.
    ShortPrefix(&'a str),
    /// It has an asterisk.
    Star(&'a str),
    /// What follows has a character that it may not have.
    Suffix(&'a str),
}

/// Checks the name of an application (Elasticsearch, `ApplicationPrivilege#validateApplicationName`).
///
/// ```text
/// name   = prefix [ ("-" / "_") suffix ]
/// prefix = %x61-7A 2*(ALPHA / DIGIT)
/// ```
///
/// # Errors
///
/// [`InvalidApplicationName`] when it is none.
pub fn check_application_name(name: &str, stars: Stars) -> Result<(), InvalidApplicationName<'_>> {
    if name.chars().all(char::is_whitespace) {
        return Err(InvalidApplicationName::Blank);
    }
    let (name, is_pattern) = match name.strip_suffix('*') {
        Some(stem) if stars == Stars::Allowed => (stem, true),
        _ => (name, false),
    };
    if name.contains('*') {
        return Err(InvalidApplicationName::Star(name));
    }
    if is_pattern && name.is_empty() {
        return Ok(());
    }
    let (prefix, suffix) = name.split_once(['-', '_']).unwrap_or((name, ""));
    let begins_well = prefix.starts_with(|first: char| first.is_ascii_lowercase());
    if !begins_well || !prefix.chars().all(|char| char.is_ascii_alphanumeric()) {
        return Err(InvalidApplicationName::Prefix(prefix));
    }
    // The prefix of a pattern may be short.
    if !is_pattern && prefix.len() < APPLICATION_PREFIX_CHARS_MIN {
        return Err(InvalidApplicationName::ShortPrefix(prefix));
    }
    if suffix
        .chars()
        .any(|char| char.is_whitespace() || APPLICATION_SUFFIX_REFUSED.chars().any(|it| it == char))
    {
        return Err(InvalidApplicationName::Suffix(suffix));
    }
    Ok(())
}

/// Whether it is the name of a privilege, or a pattern over actions.
#[must_use]
pub fn is_application_privilege(name: &str) -> bool {
    let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    is_name || name.contains(['/', '*', ':'])
}

/// The complaint about the name of an application's privilege, which must be a plain name or a pattern over
/// actions.
fn problem_of_application_privilege(name: &str) -> Option<String> {
    (!is_application_privilege(name)).then(|| {
        format!(
            "Application privilege names and actions must match the pattern ^[a-z][a-zA-Z0-9_.-]*$ or contain one of [/, *, :] (found '{name}')"
        )
    })
}

impl fmt::Display for InvalidApplicationName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => f.write_str("Application names cannot be blank"),
            Self::Prefix(prefix) => write!(
                f,
                "An application name prefix must match the pattern ^[a-z][A-Za-z0-9]*$ (found '{prefix}')"
            ),
            Self::ShortPrefix(prefix) => write!(
                f,
                "An application name prefix must be at least {APPLICATION_PREFIX_CHARS_MIN} characters (found '{prefix}')"
            ),
            Self::Star(name) => write!(f, "Application names may not contain '*' (found '{name}')"),
            Self::Suffix(suffix) => write!(
                f,
                "An application name suffix may not contain whitespace or any of the characters '{APPLICATION_SUFFIX_REFUSED}' (found '{suffix}')"
            ),
        }
    }
}

impl std::error::Error for InvalidApplicationName<'_> {}
