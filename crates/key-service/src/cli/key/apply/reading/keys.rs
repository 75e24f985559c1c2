//! Reads the keys of a file of declarations.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use latchkey_elastic::TimeValue;
use latchkey_elastic::content::{Member, Node, NodeValue};
use latchkey_privileges::role_descriptor::RoleDescriptors;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::super::declared::{DeclaredKey, DeclaredSecret, End};
use super::Reading;
use crate::cli::key::import::draft::expiration;
use crate::cli::secret_input::from_file;
use crate::cli::service_refusal::with_likeliest_privilege;

const OF_KEYS: [&str; 10] = [
    "owner",
    "name",
    "roles",
    "role_descriptors",
    "all_owner_rights",
    "expiration",
    "metadata",
    "digest",
    "key_file",
    "credential_file",
];

pub(super) fn keys(reading: &mut Reading<'_>, node: &Node) -> Vec<DeclaredKey> {
    let Some(nodes) = node.elements() else {
        reading.complain(node.position.line, "keys must be a list".to_owned());
        return Vec::new();
    };
    let keys: Vec<DeclaredKey> = nodes.iter().map(|node| key(reading, node)).collect();
    let (mut names, mut secrets, mut files) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for key in &keys {
        let again = names.insert((&key.owner, &key.name), key.line).map(|first| ("owner and name", first));
        let taken = match &key.secret {
            DeclaredSecret::Known(text) => {
                secrets.insert(text.as_str(), key.line).map(|first| ("secret", first))
            }
            DeclaredSecret::Drawn(Some(path)) => {
                files.insert(place_of(path), key.line).map(|first| ("credential_file", first))
            }
            DeclaredSecret::Drawn(None) => None,
        };
        for (what, first) in again.into_iter().chain(taken) {
            reading.complain(key.line, format!("the key has the {what} of the key of line {first}"));
        }
    }
    keys
}

/// Where a file is, however its path is spelt.
fn place_of(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (parent.canonicalize(), path.file_name()) {
        (Ok(parent), Some(name)) => parent.join(name),
        _ => path.to_owned(),
    }
}

fn key(reading: &mut Reading<'_>, node: &Node) -> DeclaredKey {
    let line = node.position.line;
    let mut key = DeclaredKey { line, ..DeclaredKey::default() };
    let (mut rights, mut secrets) = (0_u32, 0_u32);
    for field in reading.known_members(node, "a key", &OF_KEYS) {
        let line = field.value.position.line;
        match field.name.as_str() {
            "owner" => key.owner = reading.text(field).unwrap_or_default(),
            "name" => key.name = reading.text(field).unwrap_or_default(),
            "expiration" => key.end = end(reading, field),
            "metadata" => key.metadata = reading.metadata(field),
            "roles" => {
                rights += 1;
                let labels: Map<_, _> = reading.texts(field).into_iter().map(|it| (it, json!({}))).collect();
                if labels.is_empty() {
                    reading.complain(line, "the key has an empty list of roles".to_owned());
                }
                key.role_descriptors = serde_json::from_value(Value::Object(labels)).unwrap_or_default();
            }
            "role_descriptors" => {
                rights += 1;
                key.role_descriptors = role_descriptors(reading, &field.value);
            }
            "all_owner_rights" => {
                rights += 1;
                if field.value.value != NodeValue::Boolean(true) {
                    reading.complain(line, "all_owner_rights is true, or is left out".to_owned());
                }
            }
            name => {
                secrets += 1;
                key.secret = secret(reading, name, field);
            }
        }
    }
    for (field, text) in [("owner", &key.owner), ("name", &key.name)] {
        if text.is_empty() {
            reading.complain(line, format!("the key has no {field}"));
        }
    }
    if rights != 1 {
        let problem = "the key says what it may do by one of roles (names without a right), role_descriptors and \
                       all_owner_rights: true";
        reading.complain(line, problem.to_owned());
    }
    if secrets > 1 {
        reading.complain(line, "the key has one of digest, key_file and credential_file".to_owned());
    }
    key
}

fn role_descriptors(reading: &mut Reading<'_>, node: &Node) -> RoleDescriptors {
    let line = node.position.line;
    match RoleDescriptors::parse(node) {
        Ok(descriptors) if descriptors.is_empty() => {
            reading.complain(
                line,
                "the key has no role descriptor: say all_owner_rights if that is meant".to_owned(),
            );
            descriptors
        }
        Ok(descriptors) => {
            for problem in descriptors.problems() {
                reading.complain(line, with_likeliest_privilege(&problem));
            }
            descriptors
        }
        Err(cause) => {
            reading.refuse(line, "the key", &cause);
            RoleDescriptors::default()
        }
    }
}

/// Of a digest, a file with the key, or a file for the credential that will be drawn.
fn secret(reading: &mut Reading<'_>, name: &str, field: &Member) -> DeclaredSecret {
    let line = field.value.position.line;
    let Some(text) = reading.text(field) else { return DeclaredSecret::default() };
    let path = reading.directory.join(&text);
    match name {
        "digest" if text.starts_with("sha256:") => DeclaredSecret::Known(Zeroizing::new(text)),
        "digest" => {
            reading.complain(line, "the digest is not sha256: and 64 hexadecimal digits".to_owned());
            DeclaredSecret::default()
        }
        "key_file" => match from_file(&path) {
            Ok(key) if key.expose().trim().is_empty() => {
                reading.complain(line, format!("there is no key in {text}: its first line is empty"));
                DeclaredSecret::default()
            }
            Ok(key) => DeclaredSecret::Known(Zeroizing::new(key.expose().trim().to_owned())),
            Err(failed) => {
                reading.complain(line, failed.to_string());
                DeclaredSecret::default()
            }
        },
        _ => DeclaredSecret::Drawn(Some(path)),
    }
}

fn end(reading: &mut Reading<'_>, field: &Member) -> End {
    let Some(text) = reading.text(field) else { return End::Unsaid };
    match (expiration(&text), TimeValue::parse(&text, "expiration")) {
        (Ok(Value::Null), _) => End::Never,
        (Ok(Value::Number(moment)), _) => moment.as_u64().map_or(End::Unsaid, End::At),
        (Ok(_), Ok(after)) if after.whole_seconds() > 0 => End::After(after.whole_seconds()),
        (Ok(_), _) => {
            reading.complain(field.value.position.line, "the key would have ended already".to_owned());
            End::Unsaid
        }
        (Err(problem), _) => {
            reading.complain(field.value.position.line, format!("the key {problem}"));
            End::Unsaid
        }
    }
}
