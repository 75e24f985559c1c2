//! Reads a file of declarations.
//!
//! Roles, privileges and owners are read by the readers of the requests that will make them, so that what the service
//! would refuse is told with its line before anybody is asked.

mod keys;

use std::collections::BTreeMap;
use std::iter::successors;
use std::path::Path;

use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::{Member, Node, NodeValue};
use latchkey_privileges::role_descriptor::{RoleDescriptor, problem_of_name};
use serde_json::{Map, Value};

use super::declared::{Declaration, Declared, DeclaredOwner, MARK, PENDING};
use crate::api::body_format::BodyFormat;
use crate::api::body_readers;
use crate::cli::key::import::draft::Mistake;
use crate::cli::service_refusal::{plain, with_likeliest_privilege};

/// Longest name of a set, in characters: it stands in the metadata of all that belongs to it.
const SET_NAME_CHARS_MAX: usize = 64;

const SECTIONS: [&str; 6] = ["set", "roles", "privileges", "owners", "users", "keys"];
const OF_OWNERS: [&str; 4] = ["roles", "full_name", "email", "metadata"];

struct Reading<'a> {
    /// Where paths of the file begin.
    directory: &'a Path,
    mistakes: &'a mut Vec<Mistake>,
}

/// Reads the text of a file. What is wrong is added to the mistakes.
pub(super) fn read(text: &str, directory: &Path, mistakes: &mut Vec<Mistake>) -> Declared {
    let mut reading = Reading { directory, mistakes };
    match BodyFormat::Yaml.read(text.as_bytes()) {
        Ok(Some(file)) => reading.file(&file),
        Ok(None) => {
            reading.complain(1, "the file is empty: it needs at least the line set: NAME".to_owned());
            Declared::default()
        }
        Err(cause) => {
            reading.refuse(1, "the file", &cause);
            Declared::default()
        }
    }
}

/// Why this cannot be the name of a set.
pub(super) fn problem_of_set(name: &str) -> Option<String> {
    let is_good = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let count = name.chars().count();
    (count == 0 || count > SET_NAME_CHARS_MAX || !name.chars().all(is_good)).then(|| {
        format!(
            "a set has a name of 1 to {SET_NAME_CHARS_MAX} letters, digits, hyphens, underscores and periods"
        )
    })
}

impl Reading<'_> {
    fn file(&mut self, file: &Node) -> Declared {
        let mut declared = Declared::default();
        for section in self.known_members(file, "the file", &SECTIONS) {
            let node = &section.value;
            match section.name.as_str() {
                "set" => {
                    let line = node.position.line;
                    if let Some(value) = self.text(section) {
                        problem_of_set(&value).into_iter().for_each(|problem| self.complain(line, problem));
                        declared.set = Some(Declaration { line, value });
                    }
                }
                "roles" => declared.roles = self.roles(node),
                "privileges" => self.privileges(node, &mut declared),
                "owners" => {
                    for owner in self.members(node, "owners") {
                        let value = self.owner(owner);
                        let line = owner.position.line;
                        declared.owners.insert(owner.name.clone(), Declaration { line, value });
                    }
                }
                "users" => {
                    for user in self.members(node, "users") {
                        let mut value = Vec::new();
                        for field in self.known_members(&user.value, "a user", &["roles"]) {
                            value = self.texts(field);
                        }
                        let line = user.position.line;
                        declared.users.insert(user.name.clone(), Declaration { line, value });
                    }
                }
                _ => declared.keys = keys::keys(self, node),
            }
        }
        for (name, user) in &declared.users {
            if declared.owners.contains_key(name) {
                self.complain(user.line, format!("{name} is declared among owners and among users"));
            }
        }
        declared
    }

    fn roles(&mut self, node: &Node) -> BTreeMap<String, Declaration<RoleDescriptor>> {
        let mut roles = BTreeMap::new();
        for member in self.members(node, "roles") {
            let (name, line) = (member.name.clone(), member.position.line);
            match body_readers::role(&name, &member.value) {
                Ok(value) => {
                    self.refuse_mark(line, &value.metadata);
                    roles.insert(name, Declaration { line, value });
                }
                Err(cause) => self.refuse(line, &format!("the role {name}"), &cause),
            }
        }
        roles
    }

    fn privileges(&mut self, node: &Node, declared: &mut Declared) {
        for application in self.members(node, "privileges") {
            for named in self.members(&application.value, "an application") {
                let line = named.position.line;
                match body_readers::application_privilege(&application.name, &named.name, &named.value) {
                    Ok(value) => {
                        self.refuse_mark(line, &value.metadata);
                        let name = (application.name.clone(), named.name.clone());
                        declared.privileges.insert(name, Declaration { line, value });
                    }
                    Err(cause) => self.refuse(line, &format!("the privilege {}", named.name), &cause),
                }
            }
        }
    }

    fn owner(&mut self, member: &Member) -> DeclaredOwner {
        let mut owner = DeclaredOwner::default();
        let fields = self.known_members(&member.value, "an owner", &OF_OWNERS);
        for field in &fields {
            match field.name.as_str() {
                "roles" => owner.roles = self.texts(field),
                "full_name" => owner.full_name = self.text(field),
                "email" => owner.email = self.text(field),
                _ => owner.metadata = self.metadata(field),
            }
        }
        let line = member.position.line;
        if !fields.iter().any(|field| field.name == "roles") {
            self.complain(line, format!("the owner {} has no roles: they limit its keys", member.name));
        }
        let names = owner.roles.iter().filter_map(|role| problem_of_name("Role", role));
        for problem in problem_of_name("User", &member.name).into_iter().chain(names).collect::<Vec<_>>() {
            self.complain(line, problem);
        }
        if owner.metadata.keys().any(|name| name.starts_with('_')) {
            self.complain(line, "metadata keys may not start with [_]".to_owned());
        }
        owner
    }

    fn metadata(&mut self, field: &Member) -> Map<String, Value> {
        let line = field.value.position.line;
        match field.value.to_value() {
            Value::Object(metadata) => {
                self.refuse_mark(line, &metadata);
                metadata
            }
            _ => {
                self.complain(line, "metadata must be an object".to_owned());
                Map::new()
            }
        }
    }

    fn refuse_mark(&mut self, line: u64, metadata: &Map<String, Value>) {
        for name in [MARK, PENDING].into_iter().filter(|name| metadata.contains_key(*name)) {
            self.complain(line, format!("the field {name} of metadata is written by this command itself"));
        }
    }

    /// A text, or a number as it is written.
    fn text(&mut self, field: &Member) -> Option<String> {
        match &field.value.value {
            NodeValue::String(text) if !text.is_empty() => Some(text.clone()),
            NodeValue::Number { digits, .. } => Some(digits.clone()),
            _ => {
                self.complain(field.value.position.line, format!("{} must be a text", field.name));
                None
            }
        }
    }

    fn texts(&mut self, field: &Member) -> Vec<String> {
        let line = field.value.position.line;
        let texts: Option<Vec<String>> = field
            .value
            .elements()
            .and_then(|elements| elements.iter().map(|it| it.as_str().map(str::to_owned)).collect());
        texts.unwrap_or_else(|| {
            self.complain(line, format!("{} must be a list of texts", field.name));
            Vec::new()
        })
    }

    fn members<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Member] {
        // A name with nothing behind it is an empty section.
        if node.value == NodeValue::Null {
            return &[];
        }
        node.members().unwrap_or_else(|| {
            self.complain(node.position.line, format!("{what} must be an object"));
            &[]
        })
    }

    /// The members that there may be. Others are mistakes.
    fn known_members<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Vec<&'n Member> {
        let members = self.members(node, what);
        for other in members.iter().filter(|it| !known.contains(&it.name.as_str())) {
            let problem = format!("{what} has no field {}; there are {}", other.name, known.join(", "));
            self.complain(other.position.line, problem);
        }
        members.iter().filter(|it| known.contains(&it.name.as_str())).collect()
    }

    /// A complaint of a reader, which may know a better line.
    fn refuse(&mut self, line: u64, what: &str, cause: &ErrorCause) {
        let causes = || successors(Some(cause), |cause| cause.cause());
        let line = causes().filter_map(|cause| line_in(cause.reason())).last().unwrap_or(line);
        let reason = causes().last().unwrap_or(cause).reason();
        self.complain(line, format!("{what}: {}", with_likeliest_privilege(&plain(reason))));
    }

    fn complain(&mut self, line: u64, problem: String) {
        self.mistakes.push(Mistake { line, problem });
    }
}

/// The line of a complaint that begins with `[line:column]`.
fn line_in(reason: &str) -> Option<u64> {
    reason.strip_prefix('[')?.split_once(':')?.0.parse().ok()
}

#[cfg(test)]
mod tests;
