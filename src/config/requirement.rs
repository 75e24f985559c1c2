//! What a rule requires of a key.

use latchkey_privileges::privilege::{ClusterPrivilege, IndexPrivilege};
use latchkey_privileges::role_descriptor::{Stars, check_application_name, is_application_privilege};

use super::Problem;
use super::config_reader::{ConfigReader, below, unknown};
use super::json::{JsonObject, JsonValue};
use super::rules::{each, members, noted, object, pushed, required, text};
use crate::limits::{
    METADATA_PATH_LEN_MAX, REQUIREMENT_DEPTH_MAX, REQUIREMENT_LEN_MAX, REQUIREMENTS_MAX, RIGHTS_ASKED_MAX,
};
use crate::rules::{PathPattern, Question, QuestionId, Requirement, Resource};
use crate::table::RecordText;

/// Reads the requirement of one rule.
pub(super) struct RequirementReader<'r> {
    /// The paths of the rule; `None` when they could not be read.
    paths: Option<&'r [PathPattern]>,
    /// The questions of all rules so far.
    questions: &'r mut Vec<Question>,
    leaves: usize,
}

/// The privileges of one kind.
struct PrivilegeKind {
    /// What one is, in words that complete "is not …".
    words: &'static str,
    names: fn() -> Vec<&'static str>,
    is_known: fn(&str) -> bool,
}

const CLUSTER: PrivilegeKind = PrivilegeKind {
    words: "a cluster privilege that grants something, or an action such as cluster:monitor/main",
    names: ClusterPrivilege::names,
    is_known: |name| ClusterPrivilege::resolve(name).is_ok(),
};

const INDEX: PrivilegeKind = PrivilegeKind {
    words: "an index privilege that grants something, or an action such as indices:data/read/get",
    names: IndexPrivilege::names,
    is_known: |name| IndexPrivilege::resolve(name).is_ok(),
};

/// The privilege of no action. Every key has it, so whoever requires it means something else.
const NO_PRIVILEGE: &str = "none";

const ALL_OF: &str = "all_of";
const ANY_OF: &str = "any_of";
const PRIVILEGE: &str = "privilege";
const CLUSTER_PRIVILEGE: &str = "cluster_privilege";
const INDEX_PRIVILEGE: &str = "index_privilege";
const ROLE: &str = "role";
const LIMITED_BY: &str = "limited_by";
const OWNER: &str = "owner";
const REALM: &str = "realm";
const METADATA: &str = "metadata";

/// Everything that can be required.
const KINDS: [&str; 10] =
    [ALL_OF, ANY_OF, PRIVILEGE, CLUSTER_PRIVILEGE, INDEX_PRIVILEGE, ROLE, LIMITED_BY, OWNER, REALM, METADATA];

/// What is told of a key, and is a claim of its maker.
const CLAIMS: [&str; 4] = ["name", "claimed_role", "claimed_roles", "claims"];

const ONE_KIND: &str = "an object with exactly one of all_of, any_of, privilege, cluster_privilege, index_privilege, role, \
                        limited_by, owner, realm and metadata";
const NAME: &str = "a text that is not empty";
const LITERAL: &str = "a name without asterisks";
pub(super) const APPLICATION: &str = "the name of an application: a lower case letter, two letters or digits at least, and what may follow - or _";
const APPLICATION_PRIVILEGE: &str = "a privilege that an application registers, such as read, or an action with / or :, and without asterisks";
const RESOURCE: &str = "one resource: a text without asterisks, whose braces are around names of the rule's path, such as orders/{id}";
const METADATA_FIELD: &str = "the names of nested metadata fields, joined by dots";

impl<'r> RequirementReader<'r> {
    pub(super) fn new(paths: Option<&'r [PathPattern]>, questions: &'r mut Vec<Question>) -> Self {
        Self { paths, questions, leaves: 0 }
    }

    /// Reads it; `None` when anything was wrong.
    pub(super) fn read<'j>(
        &mut self,
        reader: &mut ConfigReader<'_, '_>,
        value: &'j JsonValue<'j>,
        place: &str,
    ) -> Option<Requirement> {
        let requirement = self.node(reader, value, place, 0)?;
        if self.leaves > REQUIREMENTS_MAX {
            reader.note(place, Problem::TooMany { max: REQUIREMENTS_MAX });
            return None;
        }
        Some(requirement)
    }

    fn node<'j>(
        &mut self,
        reader: &mut ConfigReader<'_, '_>,
        value: &'j JsonValue<'j>,
        place: &str,
        depth: usize,
    ) -> Option<Requirement> {
        if depth > REQUIREMENT_DEPTH_MAX {
            return noted(reader, place, Err(Problem::TooDeep));
        }
        let fields = object(reader, value, place)?;
        let mut is_known = true;
        for (name, _) in fields.iter().filter(|(name, _)| !KINDS.contains(&&**name)) {
            is_known = false;
            let is_claim = CLAIMS.contains(&&**name);
            let problem = if is_claim { Problem::Claim } else { unknown(name, &KINDS) };
            reader.note(&below(place, name), problem);
        }
        let [(kind, value)] = fields else {
            return if is_known { noted(reader, place, Err(Problem::IsNot(ONE_KIND))) } else { None };
        };
        let place = &below(place, kind);
        match &**kind {
            ALL_OF => self.nodes(reader, value, place, depth).map(Requirement::AllOf),
            ANY_OF => self.nodes(reader, value, place, depth).map(Requirement::AnyOf),
            kind => {
                self.leaves += 1;
                self.leaf(reader, kind, value, place)
            }
        }
    }

    fn nodes<'j>(
        &mut self,
        reader: &mut ConfigReader<'_, '_>,
        value: &'j JsonValue<'j>,
        place: &str,
        depth: usize,
    ) -> Option<Vec<Requirement>> {
        let mut nodes = Vec::new();
        let are_right = each(reader, Some(value), place, REQUIREMENTS_MAX, &mut |reader, value, place| {
            pushed(&mut nodes, self.node(reader, value, place, depth + 1))
        });
        are_right.then_some(nodes)
    }

    fn leaf<'j>(
        &mut self,
        reader: &mut ConfigReader<'_, '_>,
        kind: &str,
        value: &'j JsonValue<'j>,
        place: &str,
    ) -> Option<Requirement> {
        let record_text = match kind {
            PRIVILEGE => {
                let fields = object(reader, value, place)?;
                let question = self.application(reader, fields, place)?;
                return self.ask(reader, question, place);
            }
            CLUSTER_PRIVILEGE => {
                let question = Question::Cluster(privilege(reader, value, place, &CLUSTER)?);
                return self.ask(reader, question, place);
            }
            INDEX_PRIVILEGE => {
                let fields = object(reader, value, place)?;
                let question = index(reader, fields, place)?;
                return self.ask(reader, question, place);
            }
            METADATA => {
                let fields = object(reader, value, place)?;
                return metadata(reader, fields, place);
            }
            ROLE => RecordText::Roles,
            LIMITED_BY => RecordText::LimitedBy,
            OWNER => RecordText::Owner,
            REALM => RecordText::OwnerRealm,
            // Every other kind has been refused.
            _ => return None,
        };
        Some(Requirement::text(record_text, name(reader, value, place)?))
    }

    fn application<'j>(
        &self,
        reader: &mut ConfigReader<'_, '_>,
        fields: &'j JsonObject<'j>,
        place: &str,
    ) -> Option<Question> {
        let [application, privilege, resource] =
            members(reader, fields, place, ["application", "privilege", "resource"]);
        let application =
            required_text(reader, application, place, "application", APPLICATION, is_application);
        let privilege =
            required_text(reader, privilege, place, "privilege", APPLICATION_PRIVILEGE, |privilege| {
                is_literal(privilege) && is_application_privilege(privilege)
            });
        let resource_place = &below(place, "resource");
        let resource = required_text(reader, resource, place, "resource", RESOURCE, |_| true);
        let resource = resource.and_then(|resource| {
            noted(reader, resource_place, Resource::parse(resource).ok_or(Problem::IsNot(RESOURCE)))
        })?;
        if let Some(paths) = self.paths {
            let is_in = |name: &str, path: &PathPattern| path.names().any(|other| other == name);
            let is_in_all = |name: &str| !paths.is_empty() && paths.iter().all(|path| is_in(name, path));
            if !resource.names().all(is_in_all) {
                return noted(reader, resource_place, Err(Problem::UnknownName));
            }
        }
        Some(Question::Application {
            application: application?.to_owned(),
            privilege: privilege?.to_owned(),
            resource,
        })
    }

    /// The requirement that the answer is yes. Equal questions of all rules are one.
    fn ask(
        &mut self,
        reader: &mut ConfigReader<'_, '_>,
        question: Question,
        place: &str,
    ) -> Option<Requirement> {
        let known = self.questions.iter().position(|other| *other == question);
        let id = known.unwrap_or_else(|| {
            self.questions.push(question);
            self.questions.len() - 1
        });
        if id == RIGHTS_ASKED_MAX {
            let what = "questions about rights";
            reader.note(place, Problem::TooManyTogether { what, max: RIGHTS_ASKED_MAX });
        }
        Some(Requirement::Right(QuestionId(id)))
    }
}

fn index<'j>(reader: &mut ConfigReader<'_, '_>, fields: &'j JsonObject<'j>, place: &str) -> Option<Question> {
    let [names, privileges] = members(reader, fields, place, ["names", "privileges"]);
    let names = texts(reader, names, &below(place, "names"), &|reader, value, place| {
        text(reader, value, place, REQUIREMENT_LEN_MAX, LITERAL, is_literal).map(str::to_owned)
    });
    let privileges = texts(reader, privileges, &below(place, "privileges"), &|reader, value, place| {
        privilege(reader, value, place, &INDEX)
    });
    Some(Question::Index { names: names?, privileges: privileges? })
}

fn texts<'j>(
    reader: &mut ConfigReader<'_, '_>,
    value: Option<&'j JsonValue<'j>>,
    place: &str,
    read: &dyn Fn(&mut ConfigReader<'_, '_>, &JsonValue<'_>, &str) -> Option<String>,
) -> Option<Vec<String>> {
    let value = required(reader, value, place)?;
    let mut texts = Vec::new();
    let are_right = each(reader, Some(value), place, REQUIREMENTS_MAX, &mut |reader, value, place| {
        pushed(&mut texts, read(reader, value, place))
    });
    are_right.then_some(texts)
}

/// A privilege of that kind, or a pattern over actions: then all that it matches is required.
fn privilege(
    reader: &mut ConfigReader<'_, '_>,
    value: &JsonValue<'_>,
    place: &str,
    kind: &PrivilegeKind,
) -> Option<String> {
    let name = text(reader, value, place, REQUIREMENT_LEN_MAX, kind.words, |_| true)?;
    if (kind.is_known)(name) && !name.eq_ignore_ascii_case(NO_PRIVILEGE) {
        return Some(name.to_owned());
    }
    let mut names = (kind.names)();
    names.retain(|name| *name != NO_PRIVILEGE);
    let problem = match unknown(&name.to_ascii_lowercase(), &names) {
        Problem::UnknownLike(meant) => Problem::IsNotLike(kind.words, meant),
        _ => Problem::IsNot(kind.words),
    };
    noted(reader, place, Err(problem))
}

fn metadata<'j>(
    reader: &mut ConfigReader<'_, '_>,
    fields: &'j JsonObject<'j>,
    place: &str,
) -> Option<Requirement> {
    let [path, value, claims] = members(reader, fields, place, ["path", "value", "claims"]);
    let path_place = &below(place, "path");
    let path = required(reader, path, path_place).and_then(|path| {
        text(reader, path, path_place, METADATA_PATH_LEN_MAX, METADATA_FIELD, is_metadata_path)
    });
    let value = required_text(reader, value, place, "value", NAME, |_| true);
    if claims.is_some_and(|claims| !matches!(claims, JsonValue::Bool(false))) {
        return noted(reader, &below(place, "claims"), Err(Problem::Claim));
    }
    let text = RecordText::Metadata { path: path?.to_owned(), claims: false };
    Some(Requirement::text(text, value?))
}

fn required_text<'j>(
    reader: &mut ConfigReader<'_, '_>,
    value: Option<&'j JsonValue<'j>>,
    place: &str,
    field: &str,
    words: &'static str,
    is_allowed: fn(&str) -> bool,
) -> Option<&'j str> {
    let place = below(place, field);
    let value = required(reader, value, &place)?;
    text(reader, value, &place, REQUIREMENT_LEN_MAX, words, is_allowed)
}

fn name<'j>(reader: &mut ConfigReader<'_, '_>, value: &'j JsonValue<'j>, place: &str) -> Option<&'j str> {
    text(reader, value, place, REQUIREMENT_LEN_MAX, NAME, |_| true)
}

pub(super) fn is_application(text: &str) -> bool {
    check_application_name(text, Stars::Refused).is_ok()
}

/// What is asked for is one privilege or one index. With an asterisk it would be a set, and an answer to that
/// is another question.
fn is_literal(text: &str) -> bool {
    !text.contains('*')
}

fn is_metadata_path(text: &str) -> bool {
    text.split('.').all(|step| !step.is_empty())
}
