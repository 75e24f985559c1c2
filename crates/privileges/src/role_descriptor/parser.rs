//! Reading role descriptors, with the messages of Elasticsearch's hand-written parser
//! (`RoleDescriptor#parse`).

use std::collections::BTreeMap;

use latchkey_budget::{Allowance, Budget};
use latchkey_elastic::content::{Member, Node, NodeValue};
use latchkey_elastic::wildcard::{NameSet, Wildcard, covers};
use latchkey_elastic::{ErrorCause, ErrorType, ValidationProblems};
use serde_json::{Map, Value};

use super::{
    ApplicationPrivileges, FieldSecurity, IndexPrivileges, ROLE_NAME_CHARS_MAX, RemoteClusterPrivileges,
    RemoteIndexPrivileges, Restriction, RoleDescriptor, role_query,
};

/// Fields that every document has. They are always granted.
const METADATA_FIELDS: &str = "_*";

/// What it may cost to compare the granted and excepted fields of all descriptors: milliseconds.
const EXCEPTIONS_STEPS_MAX: u64 = 1_000_000;
const EXCEPTIONS_ALLOWANCE: Allowance = Allowance { steps: EXCEPTIONS_STEPS_MAX, bytes: 1024 * 1024 };

/// An object of role descriptors by name.
pub(super) fn role_descriptors(node: &Node) -> Result<BTreeMap<String, RoleDescriptor>, ErrorCause> {
    let Some(members) = node.members() else {
        let reason = format!(
            "failed to parse role descriptors. expected an object but found [{}] instead",
            node.token()
        );
        return Err(ErrorCause::parse(reason));
    };
    let mut roles = BTreeMap::new();
    let mut budget = Budget::alone(EXCEPTIONS_ALLOWANCE);
    for member in members {
        refuse_illegal_name(&member.name)?;
        let role = role(&member.name, &member.value)?;
        refuse_useless_exceptions(&member.name, &role, &mut budget)?;
        roles.insert(member.name.clone(), role);
    }
    Ok(roles)
}

/// A single role under its name.
pub(super) fn named_role(name: &str, node: &Node) -> Result<RoleDescriptor, ErrorCause> {
    refuse_illegal_name(name)?;
    let role = role(name, node)?;
    refuse_useless_exceptions(name, &role, &mut Budget::alone(EXCEPTIONS_ALLOWANCE))?;
    Ok(role)
}

fn refuse_illegal_name(name: &str) -> Result<(), ErrorCause> {
    let mut problems = ValidationProblems::new();
    problems.extend(problem_of_name("Role", name));
    problems.into_result_of(ErrorType::Validation)
}

/// The complaint about the name of a `Role` or a `User`, which must be printable ASCII without spaces at its
/// ends (Elasticsearch, `Validation`).
#[must_use]
pub fn problem_of_name(kind: &str, name: &str) -> Option<String> {
    let is_legal = (1..=ROLE_NAME_CHARS_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        && name.trim() == name;
    (!is_legal).then(|| {
        format!(
            "{kind} names must be at least 1 and no more than {ROLE_NAME_CHARS_MAX} characters. They can contain alphanumeric characters (a-z, A-Z, 0-9), spaces, punctuation, and printable symbols in the Basic Latin (ASCII) block. Leading or trailing whitespace is not allowed."
        )
    })
}

fn role(name: &str, node: &Node) -> Result<RoleDescriptor, ErrorCause> {
    let context = ParseContext { what: "role", role: name };
    let mut role = RoleDescriptor::default();
    for member in context.object(node)? {
        let value = &member.value;
        match member.name.as_str() {
            "cluster" => role.cluster = optional_texts(context, member)?,
            "run_as" => role.run_as = optional_texts(context, member)?,
            "index" | "indices" => {
                role.indices = each(name, "indices privileges", member, index_block)?;
                role_query::check(&role.indices)?;
            }
            "application" | "applications" => {
                role.applications = each(name, "application privileges", member, application_block)?;
            }
            "global" => role.global = global(context, member)?,
            "metadata" => role.metadata = map(context, member)?,
            // This field never matters for a key. It is read so that mistakes are reported, and dropped.
            "transient_metadata" => drop(map(context, member)?),
            "type" => {}
            "remote_indices" => {
                role.remote_indices = each(name, "remote indices privileges", member, remote_index_block)?;
            }
            "remote_cluster" => {
                role.remote_cluster = each(name, "remote cluster privileges", member, remote_cluster_block)?;
            }
            "restriction" => role.restriction = Some(restriction(name, value)?),
            "description" => role.description = Some(context.text(member)?),
            _ => return Err(context.unexpected(member)),
        }
    }
    Ok(role)
}

pub(super) fn index_block(context: ParseContext<'_>, node: &Node) -> Result<IndexPrivileges, ErrorCause> {
    let (block, clusters) = any_index_block(context, node)?;
    match clusters {
        None => Ok(block),
        Some(_) => Err(context.complain("unexpected field [clusters]")),
    }
}

fn remote_index_block(context: ParseContext<'_>, node: &Node) -> Result<RemoteIndexPrivileges, ErrorCause> {
    let (indices, clusters) = any_index_block(context, node)?;
    Ok(RemoteIndexPrivileges { indices, clusters: clusters.ok_or_else(|| context.missing("clusters"))? })
}

/// A block over indices, with the clusters that are only allowed in one over remote indices.
fn any_index_block(
    context: ParseContext<'_>,
    node: &Node,
) -> Result<(IndexPrivileges, Option<Vec<String>>), ErrorCause> {
    let (mut names, mut privileges, mut clusters) = (None, None, None);
    let mut block = IndexPrivileges::default();
    for member in context.object(node)? {
        match member.name.as_str() {
            "names" => names = Some(context.some_texts(member)?),
            "privileges" => privileges = Some(texts(context, member)?),
            "field_security" => block.field_security = Some(field_security(context, &member.value)?),
            "query" => block.query = query(context, member)?,
            "allow_restricted_indices" => block.allow_restricted_indices = context.boolean(member)?,
            "clusters" => clusters = Some(context.some_texts(member)?),
            _ => return Err(context.unexpected(member)),
        }
    }
    block.names = names.ok_or_else(|| context.missing("names"))?;
    block.privileges = privileges.ok_or_else(|| context.missing("privileges"))?;
    refuse_empty(&block.privileges, "indices privileges must define at least one privilege")?;
    Ok((block, clusters))
}

fn field_security(context: ParseContext<'_>, node: &Node) -> Result<FieldSecurity, ErrorCause> {
    let Some(members) = node.members() else {
        let found = node.token();
        return Err(
            context.complain(format_args!("expected START_OBJECT but got {found} in \"field_security\"."))
        );
    };
    if members.is_empty() {
        return Err(context.complain("\"field_security\" must not be empty."));
    }
    let mut fields = FieldSecurity::default();
    for member in members {
        let name = member.name.as_str();
        if !matches!(name, "grant" | "except") {
            let complaint = "\"field_security\" only accepts options grant and except, but got:";
            return Err(context.complain(format_args!("{complaint} {name}")));
        }
        if member.value.value == NodeValue::Null {
            return Err(context.complain(format_args!("{name} must not be null.")));
        }
        let of = if name == "grant" { &mut fields.grant } else { &mut fields.except };
        *of = Some(texts(context, member)?);
    }
    if fields.except.is_some() && fields.grant.is_none() {
        return Err(context.complain("field_security requires grant if except is given"));
    }
    Ok(fields)
}

/// Fields that are excepted must be granted (Elasticsearch, `FieldPermissions#buildPermittedFieldsAutomaton`).
fn refuse_useless_exceptions(
    name: &str,
    role: &RoleDescriptor,
    budget: &mut Budget,
) -> Result<(), ErrorCause> {
    let local = role.indices.iter().map(|block| ("indices", block));
    let remote = role.remote_indices.iter().map(|block| ("remote indices", &block.indices));
    for (kind, block) in local.chain(remote) {
        let fields = block.field_security.as_ref();
        let Some((grant, except)) = fields.and_then(|it| it.grant.as_ref().zip(it.except.as_ref())) else {
            continue;
        };
        if !are_granted(except, grant, budget)? {
            return Err(ErrorCause::parse(format!(
                "failed to parse {kind} privileges for role [{name}] - Exceptions for field permissions must be a subset of the granted fields but {} is not a subset of {}",
                except.join(","),
                grant.join(",")
            )));
        }
    }
    Ok(())
}

fn are_granted(except: &[String], grant: &[String], budget: &mut Budget) -> Result<bool, ErrorCause> {
    // What only a regular expression says is not compared.
    let is_understood = |pattern: &String| Wildcard::new(pattern).is_understood();
    if !grant.iter().chain(except).all(is_understood) {
        return Ok(true);
    }
    let names = |patterns: &[String]| NameSet::new(patterns.iter().map(String::as_str), []);
    let mut granted = names(grant);
    granted.include(METADATA_FIELDS);
    Ok(covers(&[&granted], &names(except), budget)?)
}

fn refuse_empty(texts: &[String], complaint: &str) -> Result<(), ErrorCause> {
    if texts.is_empty() { Err(ErrorCause::illegal_argument(complaint)) } else { Ok(()) }
}

/// A query as text, or as an object that becomes one.
fn query(context: ParseContext<'_>, member: &Member) -> Result<Option<String>, ErrorCause> {
    match &member.value.value {
        NodeValue::Null => Ok(None),
        NodeValue::String(text) if text.is_empty() => Ok(None),
        NodeValue::String(text) => Ok(Some(text.clone())),
        NodeValue::Object(_) => Ok(Some(member.value.to_compact_json())),
        _ => Err(context.wrong_type(member, "value to be null, a string, an array, or an object")),
    }
}

pub(super) fn application_block(
    context: ParseContext<'_>,
    node: &Node,
) -> Result<ApplicationPrivileges, ErrorCause> {
    let (mut application, mut privileges, mut resources) = (None, None, None);
    for member in context.object(node)? {
        match member.name.as_str() {
            "application" => application = Some(context.text(member)?),
            "privileges" => privileges = Some(texts(context, member)?),
            "resources" => resources = Some(texts(context, member)?),
            _ => return Err(context.unexpected(member)),
        }
    }
    let block = ApplicationPrivileges {
        application: application.ok_or_else(|| context.missing("application"))?,
        privileges: privileges.ok_or_else(|| context.missing("privileges"))?,
        resources: resources.ok_or_else(|| context.missing("resources"))?,
    };
    refuse_empty(&block.privileges, "application privileges must define at least one privilege")?;
    refuse_empty(&block.resources, "application privileges must refer to at least one resource")?;
    Ok(block)
}

fn remote_cluster_block(
    context: ParseContext<'_>,
    node: &Node,
) -> Result<RemoteClusterPrivileges, ErrorCause> {
    let (mut privileges, mut clusters) = (None, None);
    for member in context.object(node)? {
        match member.name.as_str() {
            "privileges" => privileges = Some(context.some_texts(member)?),
            "clusters" => clusters = Some(context.some_texts(member)?),
            _ => return Err(context.unexpected(member)),
        }
    }
    Ok(RemoteClusterPrivileges {
        privileges: privileges.ok_or_else(|| context.missing("privileges"))?,
        clusters: clusters.ok_or_else(|| context.missing("clusters"))?,
    })
}

fn restriction(role: &str, node: &Node) -> Result<Restriction, ErrorCause> {
    let context = ParseContext { what: "restriction for role", role };
    let mut workflows = None;
    for member in context.object(node)? {
        match member.name.as_str() {
            "workflows" => workflows = Some(context.some_texts(member)?),
            _ => return Err(context.unexpected(member)),
        }
    }
    Ok(Restriction { workflows: workflows.ok_or_else(|| context.missing("workflows"))? })
}

fn global(context: ParseContext<'_>, member: &Member) -> Result<Map<String, Value>, ErrorCause> {
    for category in context.object(&member.value)? {
        if !matches!(category.name.as_str(), "application" | "profile" | "role") {
            return Err(context.unexpected(category));
        }
        context.object(&category.value)?;
    }
    map(context, member)
}

fn map(context: ParseContext<'_>, member: &Member) -> Result<Map<String, Value>, ErrorCause> {
    match member.value.to_value() {
        Value::Object(map) => Ok(map),
        _ => Err(context.wrong_type(member, "to be of type object")),
    }
}

/// An array of blocks of one kind.
pub(super) fn each<T>(
    role: &str,
    kind: &'static str,
    member: &Member,
    block: impl Fn(ParseContext<'_>, &Node) -> Result<T, ErrorCause>,
) -> Result<Vec<T>, ErrorCause> {
    let what = format!("{kind} for role");
    let context = ParseContext { what: &what, role };
    let Some(elements) = member.value.elements() else {
        return Err(context.wrong_type(member, "value to be an array"));
    };
    elements
        .iter()
        .map(|element| match element.members() {
            Some(_) => block(context, element),
            None => Err(context.complain(format_args!(
                "expected field [{}] value to be an array of objects, but found an array element of type [{}]",
                member.name,
                element.token()
            ))),
        })
        .collect()
}

/// An array of texts, a single text, or nothing.
pub(super) fn optional_texts(context: ParseContext<'_>, member: &Member) -> Result<Vec<String>, ErrorCause> {
    if member.value.value == NodeValue::Null { Ok(Vec::new()) } else { texts(context, member) }
}

/// An array of texts, or a single text.
fn texts(context: ParseContext<'_>, member: &Member) -> Result<Vec<String>, ErrorCause> {
    let complain = |found: std::fmt::Arguments<'_>| {
        let name = &member.name;
        let cause = format!("could not parse [{name}] field. expected a string array but {found}");
        ErrorCause::parse(format!("could not parse {} [{}]", context.what, context.role))
            .caused_by(ErrorCause::parse(cause))
    };
    match &member.value.value {
        NodeValue::String(text) => Ok(vec![text.clone()]),
        NodeValue::Array(elements) => elements
            .iter()
            .map(|element| match element.as_str() {
                Some(text) => Ok(text.to_owned()),
                None => Err(complain(format_args!("one of its elements is [{}]", element.token()))),
            })
            .collect(),
        _ => Err(complain(format_args!("found [{}] value instead", member.value.token()))),
    }
}

/// Which part of which role is being read, for messages.
#[derive(Clone, Copy)]
pub(super) struct ParseContext<'a> {
    pub(super) what: &'a str,
    pub(super) role: &'a str,
}

impl ParseContext<'_> {
    pub(super) fn complain(self, complaint: impl std::fmt::Display) -> ErrorCause {
        ErrorCause::parse(format!("failed to parse {} [{}]. {complaint}", self.what, self.role))
    }

    pub(super) fn unexpected(self, member: &Member) -> ErrorCause {
        self.complain(format_args!("unexpected field [{}]", member.name))
    }

    fn missing(self, field: &str) -> ErrorCause {
        self.complain(format_args!("missing required [{field}] field"))
    }

    fn wrong_type(self, member: &Member, expected: &str) -> ErrorCause {
        let (name, found) = (&member.name, member.value.token());
        self.complain(format_args!("expected field [{name}] {expected}, but found [{found}] instead"))
    }

    pub(super) fn object(self, node: &Node) -> Result<&[Member], ErrorCause> {
        node.members().ok_or_else(|| {
            self.complain(format_args!("expected an object but found [{}] instead", node.token()))
        })
    }

    fn text(self, member: &Member) -> Result<String, ErrorCause> {
        match member.value.as_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err(self.wrong_type(member, "value to be a string")),
        }
    }

    fn boolean(self, member: &Member) -> Result<bool, ErrorCause> {
        match &member.value.value {
            NodeValue::Boolean(value) => Ok(*value),
            _ => Err(self.wrong_type(member, "value to be a boolean")),
        }
    }

    /// A text, or at least one of them.
    fn some_texts(self, member: &Member) -> Result<Vec<String>, ErrorCause> {
        let texts = texts(self, member)?;
        if texts.is_empty() {
            return Err(self.complain(format_args!("[{}] cannot be an empty array", member.name)));
        }
        Ok(texts)
    }
}
