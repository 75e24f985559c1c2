//! Consumers with `key-auth` credentials, of Kong's declarative configuration.
//!
//! ```yaml
//! _format_version: "3.0"
//! consumers:
//! - username: billing
//!   custom_id: "17"
//!   tags: [red]
//!   acls:
//!   - group: readers
//!   keyauth_credentials:
//!   - key: 5f0f3b0c-55aa-4c1f-9a4e-6b1d2a7c8e90
//!     ttl: 86400
//! ```
//!
//! Credentials and groups may also stand beside the consumers, which they then name. Other entities and other kinds of
//! credentials are passed over. A field that consumers or credentials do not have is a mistake: a misspelt `ttl` would make
//! a key that never ends.

use latchkey_elastic::content::{Node, NodeValue};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::draft::{Draft, Mistake};
use crate::api::body_format::BodyFormat;

/// What the entries of a consumer are called, and those beside the consumers.
const CONSUMERS: &str = "consumers";
const CREDENTIALS: &str = "keyauth_credentials";
const GROUPS: &str = "acls";

/// The fields of a consumer (Kong 3, `kong/db/schema/entities/consumers.lua`, and what plugins and editions add to it).
const OF_CONSUMERS: [&str; 17] = [
    "id",
    "created_at",
    "updated_at",
    "username",
    "custom_id",
    "tags",
    "type",
    "plugins",
    "groups",
    "consumer_groups",
    GROUPS,
    CREDENTIALS,
    "basicauth_credentials",
    "hmacauth_credentials",
    "jwt_secrets",
    "oauth2_credentials",
    "mtls_auth_credentials",
];

/// The fields of a credential (Kong 3, `kong/plugins/key-auth/daos.lua`).
const OF_CREDENTIALS: [&str; 6] = ["id", "created_at", "consumer", "key", "ttl", "tags"];

/// What is read of a file.
struct Reading<'a> {
    owner: Option<&'a str>,
    roles_from_groups: bool,
    mistakes: &'a mut Vec<Mistake>,
    drafts: Vec<Draft>,
}

/// `owner` is the owner of all keys, if one is named.
pub(super) fn read(
    text: &str,
    owner: Option<&str>,
    roles_from_groups: bool,
    mistakes: &mut Vec<Mistake>,
) -> Vec<Draft> {
    let file = match BodyFormat::Yaml.read(text.as_bytes()) {
        Ok(Some(file)) => file,
        Ok(None) => return Vec::new(),
        Err(cause) => {
            // The complaint names a line and a column, and quotes nothing.
            mistakes.push(Mistake { line: 1, problem: format!("is not read: {}", cause.reason()) });
            return Vec::new();
        }
    };
    if member(&file, "_format_version").is_none() {
        let problem = "has no _format_version, so it is not Kong's declarative configuration".to_owned();
        mistakes.push(Mistake { line: 1, problem });
        return Vec::new();
    }
    let mut reading = Reading { owner, roles_from_groups, mistakes, drafts: Vec::new() };
    reading.consumers(&file);
    reading.beside_the_consumers(&file);
    reading.drafts
}

impl Reading<'_> {
    fn consumers(&mut self, file: &Node) {
        for consumer in entries(file, CONSUMERS) {
            self.refuse_others(consumer, &OF_CONSUMERS);
            let mut groups = groups_of(consumer);
            let names = names_of(consumer);
            let named = |acl: &&Node| member(acl, "consumer").is_some_and(|it| names.contains(&name_in(it)));
            groups.extend(entries(file, GROUPS).iter().filter(named).filter_map(group));
            for credential in entries(consumer, CREDENTIALS) {
                self.credential(credential, consumer, &groups);
            }
        }
    }

    fn beside_the_consumers(&mut self, file: &Node) {
        for credential in entries(file, CREDENTIALS) {
            let name = member(credential, "consumer").map(name_in).unwrap_or_default();
            let consumers = entries(file, CONSUMERS);
            match consumers.iter().find(|consumer| !name.is_empty() && names_of(consumer).contains(&name)) {
                Some(consumer) => {
                    let named = |acl: &&Node| {
                        member(acl, "consumer").is_some_and(|it| names_of(consumer).contains(&name_in(it)))
                    };
                    let mut groups = groups_of(consumer);
                    groups.extend(entries(file, GROUPS).iter().filter(named).filter_map(group));
                    self.credential(credential, consumer, &groups);
                }
                None => self.complain(credential, "names no consumer of this file"),
            }
        }
    }

    fn credential(&mut self, credential: &Node, consumer: &Node, groups: &[String]) {
        self.refuse_others(credential, &OF_CREDENTIALS);
        let Some(key) = text(credential, "key") else {
            self.complain(credential, "has no key: Kong would draw one, and nobody knows it");
            return;
        };
        if key.contains(':') {
            self.complain(credential, "has a key with a colon, which the gate reads as an id and a secret, or a reference to a vault");
            return;
        }
        let Some(name) = text(consumer, "username").or_else(|| text(consumer, "custom_id")) else {
            self.complain(consumer, "has neither a username nor a custom_id");
            return;
        };
        let mut kong = Map::new();
        for field in ["username", "custom_id"] {
            kong.extend(text(consumer, field).map(|text| (field.to_owned(), json!(text))));
        }
        let tags: Vec<&str> = [consumer, credential]
            .iter()
            .flat_map(|it| entries(it, "tags"))
            .filter_map(Node::as_str)
            .collect();
        for (field, texts) in [("tags", json!(tags)), ("groups", json!(groups))] {
            if texts != json!([]) {
                kong.insert(field.to_owned(), texts);
            }
        }
        let ttl = match member(credential, "ttl").map(|ttl| (ttl, written(ttl))) {
            Some((_, Some(seconds))) if seconds.parse::<u32>().is_ok() => {
                Some(seconds).filter(|ttl| ttl != "0")
            }
            Some((ttl, _)) if ttl.value != NodeValue::Null => {
                self.complain(ttl, "has a ttl that is no whole number of seconds");
                return;
            }
            Some(_) | None => None,
        };
        self.drafts.push(Draft {
            line: member(credential, "key").unwrap_or(credential).position.line,
            key: Zeroizing::new(key),
            owner: Some(self.owner.map_or_else(|| name.clone(), str::to_owned)),
            name: Some(name),
            roles: if self.roles_from_groups { groups.to_vec() } else { Vec::new() },
            role_descriptors: None,
            expiration: ttl.map(|seconds| json!(format!("{seconds}s"))),
            metadata: Some([("kong".to_owned(), Value::Object(kong))].into_iter().collect()),
        });
    }

    fn refuse_others(&mut self, node: &Node, known: &[&str]) {
        for other in node.members().into_iter().flatten().filter(|it| !known.contains(&it.name.as_str())) {
            let problem = format!("has a field that is not known there; known are {}", known.join(", "));
            self.mistakes.push(Mistake { line: other.position.line, problem });
        }
    }

    fn complain(&mut self, node: &Node, problem: &str) {
        self.mistakes.push(Mistake { line: node.position.line, problem: problem.to_owned() });
    }
}

fn member<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    node.members()?.iter().find(|member| member.name == name).map(|member| &member.value)
}

fn entries<'n>(node: &'n Node, name: &str) -> &'n [Node] {
    member(node, name).and_then(Node::elements).unwrap_or_default()
}

/// A text, or a number as it is written.
fn text(node: &Node, name: &str) -> Option<String> {
    written(member(node, name)?)
}

fn written(node: &Node) -> Option<String> {
    match &node.value {
        NodeValue::String(text) => Some(text.clone()),
        NodeValue::Number { digits, .. } => Some(digits.clone()),
        _ => None,
    }
    .filter(|text| !text.is_empty())
}

/// By what a consumer may be named.
fn names_of(consumer: &Node) -> Vec<String> {
    ["username", "id", "custom_id"].into_iter().filter_map(|field| text(consumer, field)).collect()
}

/// The name of a consumer where it is named: a text, or an object with one.
fn name_in(reference: &Node) -> String {
    written(reference).or_else(|| names_of(reference).into_iter().next()).unwrap_or_default()
}

fn groups_of(consumer: &Node) -> Vec<String> {
    entries(consumer, GROUPS).iter().filter_map(group).collect()
}

fn group(acl: &Node) -> Option<String> {
    text(acl, "group")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"_format_version: "3.0"
_transform: true
services:
- name: orders
  url: http://orders
consumers:
- username: billing
  custom_id: 17
  tags: [red]
  acls:
  - group: readers
  keyauth_credentials:
  - key: key-of-billing
    ttl: 86400
    tags: [old]
  - key: another-of-billing
- username: shop
keyauth_credentials:
- consumer: shop
  key: key-of-shop
acls:
- consumer: {username: shop}
  group: writers
"#;

    fn read_with(text: &str, owner: Option<&str>, roles: bool) -> (Vec<Draft>, Vec<String>) {
        let mut mistakes = Vec::new();
        let drafts = read(text, owner, roles, &mut mistakes);
        (drafts, mistakes.into_iter().map(|it| format!("{}: {}", it.line, it.problem)).collect())
    }

    #[test]
    fn consumers_are_owners_and_their_credentials_are_keys() {
        let (drafts, mistakes) = read_with(FILE, None, true);
        assert_eq!(mistakes, Vec::<String>::new());
        let told: Vec<_> = drafts
            .iter()
            .map(|it| (it.line, it.key.as_str(), it.owner.as_deref().unwrap(), it.roles.join(",")))
            .collect();
        assert_eq!(
            told,
            [
                (13, "key-of-billing", "billing", "readers".to_owned()),
                (16, "another-of-billing", "billing", "readers".to_owned()),
                (20, "key-of-shop", "shop", "writers".to_owned()),
            ]
        );
        assert_eq!(drafts[0].expiration, Some(json!("86400s")));
        let kong =
            json!({"username": "billing", "custom_id": "17", "tags": ["red", "old"], "groups": ["readers"]});
        assert_eq!(drafts[0].metadata.as_ref().unwrap()["kong"], kong);
        let (drafts, _) = read_with(FILE, Some("gateway"), false);
        assert!(drafts.iter().all(|it| it.owner.as_deref() == Some("gateway") && it.roles.is_empty()));
    }

    // A key that was to end would not end.
    #[test]
    fn a_field_that_is_misspelt_is_a_mistake_and_so_is_a_time_that_is_none() {
        for (line, text) in [
            ("3", "- {username: a, keyauth_credential: [{key: k}]}"),
            ("3", "- {username: a, keyauth_credentials: [{key: k, tll: 30}]}"),
            ("3", "- {username: a, keyauth_credentials: [{key: k, ttl: x}]}"),
            ("3", "- {username: a, keyauth_credentials: [{key: k, ttl: -5}]}"),
        ] {
            let file = format!("_format_version: \"3.0\"\nconsumers:\n{text}\n");
            let (_, mistakes) = read_with(&file, None, false);
            assert!(matches!(mistakes.as_slice(), [one] if one.starts_with(line)), "{text}: {mistakes:?}");
        }
        let known = "- {username: a, groups: [], basicauth_credentials: [{username: b}], keyauth_credentials: [{key: k, ttl: null}]}";
        let (drafts, mistakes) =
            read_with(&format!("_format_version: \"3.0\"\nconsumers:\n{known}\n"), None, false);
        assert_eq!((drafts.len(), mistakes), (1, Vec::new()));
    }

    #[test]
    fn every_mistake_has_its_line() {
        let text = "_format_version: \"3.0\"\nconsumers:\n- username: a\n  keyauth_credentials:\n  - tags: [x]\n  - key: \"{vault://env/key}\"\n\
                    - tags: [y]\n  keyauth_credentials:\n  - key: k\nkeyauth_credentials:\n- consumer: nobody\n  key: k2\n";
        let (drafts, mistakes) = read_with(text, None, false);
        assert!(drafts.is_empty());
        let lines: Vec<_> = mistakes.iter().map(|it| it.split(':').next().unwrap()).collect();
        assert_eq!(lines, ["5", "6", "7", "11"], "{mistakes:?}");
        for other in ["consumers: []", "a: [", "- 1"] {
            assert_eq!(read_with(other, None, false).1.len(), 1, "{other}");
        }
    }
}
