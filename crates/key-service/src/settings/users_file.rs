//! The file of users and roles.
//!
//! ```toml
//! [users.alice]                    # a name of 1 to 507 visible characters; `latchkey user create --file` writes this table
//! password_hash = "$argon2id$…"    # required; `latchkey user passwd --file` changes it
//! roles = ["key-maker"]            # names of roles below, or superuser
//! full_name = "Alice Liddell"
//! email = "alice@example.org"
//! enabled = true                   # a user that is not enabled is not let in
//! metadata = { office = 7 }        # shown by _authenticate, and kept with the keys that the user makes
//!
//! [roles.key-maker]                # a role descriptor, as Elasticsearch has it
//! cluster = ["manage_own_api_key"]
//! ```
//!
//! It is read when the service starts. All of its mistakes are reported together.

use latchkey_elastic::content::Node;
use latchkey_privileges::role_descriptor::{RoleDescriptor, RoleDescriptors};
use serde_json::{Map, Value};
use toml_edit::{Item, TableLike};

use crate::limits::USERNAME_CHARS_MAX;
use crate::model::password::PasswordHash;
use crate::model::realm_name::RealmName;
use crate::security::realm::{ELASTIC, User};
use crate::security::roles::{Roles, SUPERUSER};
use crate::settings::section::{InvalidFile, Problems, Section, document};

/// Users and roles of a file without mistakes.
#[derive(Clone, Debug)]
pub struct UserFile {
    /// The users.
    pub users: Vec<User>,
    /// Their roles, and the built-in one.
    pub roles: Roles,
}

impl UserFile {
    /// Reads the text of such a file. An empty one has no users.
    ///
    /// # Errors
    ///
    /// [`InvalidFile`] with every mistake.
    pub fn parse(text: &str) -> Result<Self, InvalidFile> {
        let document = document(text)?;
        let problems = Problems::default();
        let mut root = Section::root(&document, &problems);
        let roles = Roles::new(roles(&mut root, &problems));
        let mut users = Vec::new();
        for (username, section) in root.sections("users") {
            if let Some(problem) = problem_of_username(&username) {
                problems.add(format!("users.{username}"), problem);
            }
            users.extend(user(username, section, &roles));
        }
        root.end();
        problems.none_or(Self { users, roles })
    }
}

fn user(username: String, mut section: Section<'_>, roles: &Roles) -> Option<User> {
    let password = section.required_text("password_hash").and_then(|text| {
        PasswordHash::try_from(text)
            .map_err(|invalid| section.problem("password_hash", invalid.to_string()))
            .ok()
    });
    let names = section.texts("roles").unwrap_or_default();
    for name in names.iter().filter(|name| !roles.has(name)) {
        section.problem("roles", format!("there is no role {name}"));
    }
    let full_name = section.text("full_name").map(str::to_owned);
    let email = section.text("email").map(str::to_owned);
    let enabled = section.flag("enabled").unwrap_or(true);
    let metadata = section.section("metadata").into_table().map(json_object).unwrap_or_default();
    section.end();
    let realm = RealmName::file();
    Some(User {
        username,
        realm,
        full_name,
        email,
        metadata,
        roles: names,
        enabled,
        password: Some(password?),
        is_service_account: false,
    })
}

fn roles(root: &mut Section<'_>, problems: &Problems) -> Vec<(String, RoleDescriptor)> {
    let mut defined = Vec::new();
    for (name, section) in root.sections("roles") {
        let path = section.path().to_owned();
        if name == SUPERUSER {
            problems.add(&path, "is built in and cannot be defined");
            continue;
        }
        let role = section.into_table().map(json_object).unwrap_or_default();
        match role_descriptors(name, role) {
            Ok(descriptors) => {
                for problem in descriptors.problems() {
                    problems.add(&path, problem);
                }
                defined.extend(descriptors.iter().map(|(name, role)| (name.to_owned(), role.clone())));
            }
            Err(problem) => problems.add(&path, problem),
        }
    }
    defined
}

/// Reads a role as in a request, so that a file takes what the interface takes.
fn role_descriptors(name: String, role: Map<String, Value>) -> Result<RoleDescriptors, String> {
    let named = Map::from_iter([(name, Value::Object(role))]);
    let text = serde_json::to_vec(&named).map_err(|_| "is no JSON".to_owned())?;
    let node = Node::parse_required(&text).map_err(|cause| cause.reason().to_owned())?;
    RoleDescriptors::parse(&node).map_err(|cause| cause.reason().to_owned())
}

fn problem_of_username(username: &str) -> Option<String> {
    if username == ELASTIC {
        return Some("is the name of the built-in super-user".to_owned());
    }
    let visible = |username: &str| username.chars().all(|letter| (' '..='~').contains(&letter));
    let chars = username.chars().count();
    // Elasticsearch's rule for native users (`Validation.Users`). A colon would end the name inside a
    // credential.
    if chars == 0 || chars > USERNAME_CHARS_MAX || !visible(username) || username.contains(':') {
        return Some(format!(
            "a username has 1 to {USERNAME_CHARS_MAX} printable ASCII characters and no colon"
        ));
    }
    (username.trim() != username).then(|| "a username does not begin or end with a space".to_owned())
}

fn json_object(table: &dyn TableLike) -> Map<String, Value> {
    table.iter().map(|(name, item)| (name.to_owned(), json(item))).collect()
}

/// Converts TOML to JSON. Times, which JSON does not have, become text as written.
fn json(item: &Item) -> Value {
    if let Some(table) = item.as_table_like() {
        return Value::Object(json_object(table));
    }
    if let Some(tables) = item.as_array_of_tables() {
        return tables.iter().map(|table| Value::Object(json_object(table))).collect();
    }
    match item.as_value() {
        Some(toml_edit::Value::Array(values)) => {
            values.iter().map(|value| json(&Item::Value(value.clone()))).collect()
        }
        Some(toml_edit::Value::Boolean(value)) => Value::Bool(*value.value()),
        Some(toml_edit::Value::Datetime(value)) => Value::String(value.value().to_string()),
        Some(toml_edit::Value::Float(value)) => Value::from(*value.value()),
        Some(toml_edit::Value::Integer(value)) => Value::from(*value.value()),
        Some(toml_edit::Value::String(value)) => Value::String(value.value().clone()),
        Some(toml_edit::Value::InlineTable(_)) | None => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$T7MXtkNMMzVjgGTHxKqVTTHxXmZpnKvBc6kXQZzVAQs";

    fn mistakes(text: &str) -> Vec<String> {
        UserFile::parse(text).unwrap_err().to_string().lines().map(str::to_owned).collect()
    }

    #[test]
    fn reads_the_example_of_the_documentation() {
        let guide = include_str!("../../../../docs/key-service.md");
        for example in [example(include_str!("users_file.rs")), example(guide)] {
            let file = UserFile::parse(&example).unwrap();
            let alice = &file.users[0];
            assert_eq!((alice.username.as_str(), alice.enabled), ("alice", true));
            assert_eq!(Value::Object(alice.metadata.clone()), serde_json::json!({"office": 7}));
            assert_eq!(alice.roles, ["key-maker"]);
            assert!(file.roles.has("key-maker"));
        }
    }

    /// The block of TOML in a text that begins with a user, also inside of comments.
    fn example(text: &str) -> String {
        let lines = text.lines().map(|line| line.trim_start_matches("//!").trim_start());
        let block =
            lines.skip_while(|line| !line.starts_with("[users.alice] ")).take_while(|line| *line != "```");
        block.map(|line| format!("{}\n", line.replace("$argon2id$…", HASH))).collect()
    }

    #[test]
    fn reports_every_mistake_at_once_and_no_value() {
        let text = "
            [users.elastic]
            password_hash = \"hunter2\"
            [users.bob]
            roles = [\"nobody\"]
            pasword_hash = \"hunter2\"
            [users.\"a:b\"]
            password_hash = 5
            enabled = \"hunter2\"
            [roles.superuser]
            [roles.r]
            cluster = [\"mange\"]
            [roles.q]
            clutser = []
            [extra]
        ";
        let found = mistakes(text);
        let paths: Vec<&str> = found.iter().map(|line| line.split(": ").next().unwrap()).collect();
        assert_eq!(
            paths,
            [
                "roles.superuser",
                "roles.r",
                "roles.q",
                "users.elastic",
                "users.elastic.password_hash",
                "users.bob.password_hash",
                "users.bob.roles",
                "users.bob.pasword_hash",
                "users.a:b",
                "users.a:b.password_hash",
                "users.a:b.enabled",
                "extra",
            ]
        );
        assert!(!found.concat().contains("hunter2"));
    }

    #[test]
    fn a_user_that_is_not_a_table_is_a_mistake() {
        assert_eq!(mistakes("users = 5"), ["users: must be a table"]);
        assert_eq!(
            mistakes("[users]\nalice = 5"),
            ["users.alice: must be a table", "users.alice.password_hash: is required"]
        );
    }
}
