//! What the service has of what a file declares, and what a set of declarations owns there.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use latchkey_privileges::application_privilege::ApplicationPrivilege;
use latchkey_privileges::role_descriptor::{RoleDescriptor, RoleDescriptors};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::declared::MARK;
use crate::cli::CommandFailed;
use crate::cli::key::KEYS;
use crate::cli::report::{items, number, text};
use crate::cli::service_client::{ServiceClient, with_query};
use crate::cli::user::is_service_account;

/// Keys that one search brings: the most that Elasticsearch gives out at a time.
const KEYS_AT_ONCE: usize = 1_000;

/// What the service has.
#[derive(Default)]
pub(super) struct Existing {
    pub(super) roles: BTreeMap<String, RoleDescriptor>,
    /// By application and name.
    pub(super) privileges: BTreeMap<(String, String), ApplicationPrivilege>,
    pub(super) users: BTreeMap<String, ExistingUser>,
    /// The keys of the set that were not invalidated, and those whose secret the file knows.
    pub(super) keys: Vec<ExistingKey>,
}

/// A user or a service account.
#[derive(Clone, Debug, Default)]
pub(super) struct ExistingUser {
    pub(super) is_service_account: bool,
    pub(super) roles: Vec<String>,
    pub(super) full_name: Option<String>,
    pub(super) email: Option<String>,
    /// Without what the service says itself.
    pub(super) metadata: Map<String, Value>,
    pub(super) enabled: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct ExistingKey {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) owner: String,
    pub(super) creation: u64,
    pub(super) expiration: Option<u64>,
    pub(super) role_descriptors: RoleDescriptors,
    pub(super) limited_by: RoleDescriptors,
    pub(super) metadata: Map<String, Value>,
}

impl Existing {
    /// Asks for all that a set may own.
    pub(super) fn ask(service: &ServiceClient, set: &str) -> Result<Self, CommandFailed> {
        let mut existing =
            Self { roles: read(service.ask(Method::GET, "/_security/role", None)?.json)?, ..Self::default() };
        let applications = service.ask(Method::GET, "/_security/privilege", None)?.json;
        for (application, privileges) in applications.as_object().into_iter().flatten() {
            for (name, privilege) in privileges.as_object().into_iter().flatten() {
                let privilege = ApplicationPrivilege {
                    application: application.clone(),
                    name: name.clone(),
                    actions: texts(privilege, "actions"),
                    metadata: object(privilege, "metadata"),
                };
                existing.privileges.insert((application.clone(), name.clone()), privilege);
            }
        }
        let users = service.ask(Method::GET, "/_security/user", None)?.json;
        for (name, user) in users.as_object().into_iter().flatten() {
            existing.users.insert(name.clone(), ExistingUser::read(user));
        }
        existing.search_keys(service, set)?;
        Ok(existing)
    }

    /// Adds the keys that have these ids, unless they are there.
    pub(super) fn ask_for_keys(
        &mut self,
        service: &ServiceClient,
        ids: impl Iterator<Item = String>,
    ) -> Result<(), CommandFailed> {
        let there: BTreeSet<String> = self.keys.iter().map(|key| key.id.clone()).collect();
        for id in ids.filter(|id| !there.contains(id)) {
            let path = with_query(KEYS, &[("id", Some(&id)), ("with_limited_by", Some("true"))]);
            let answer = service.ask(Method::GET, &path, None)?.json;
            for key in items(&answer, "api_keys") {
                self.keys.push(ExistingKey::read(key)?);
            }
        }
        Ok(())
    }

    /// Whether the owner is there and nothing can be done on its behalf.
    pub(super) fn is_disabled(&self, owner: &str) -> bool {
        self.users.get(owner).is_some_and(ExistingUser::is_disabled)
    }

    fn search_keys(&mut self, service: &ServiceClient, set: &str) -> Result<(), CommandFailed> {
        let mark = format!("metadata.{MARK}");
        let filter = json!([{"term": {mark: set}}, {"term": {"invalidated": false}}]);
        let mut body = json!({"query": {"bool": {"filter": filter}}, "size": KEYS_AT_ONCE, "sort": ["_doc"]});
        loop {
            let path = "/_security/_query/api_key?with_limited_by=true";
            let answer = service.ask(Method::POST, path, Some(&body))?.json;
            let found = items(&answer, "api_keys");
            for key in found {
                self.keys.push(ExistingKey::read(key)?);
            }
            match found.last().and_then(|key| key.get("_sort")) {
                Some(place) if found.len() == KEYS_AT_ONCE => {
                    if let Some(body) = body.as_object_mut() {
                        body.insert("search_after".to_owned(), place.clone());
                    }
                }
                _ => return Ok(()),
            }
        }
    }
}

impl ExistingUser {
    /// Whether nothing can be done on behalf of it.
    pub(super) fn is_disabled(&self) -> bool {
        !self.enabled
    }

    fn read(user: &Value) -> Self {
        let mut metadata = object(user, "metadata");
        metadata.retain(|name, _| !name.starts_with('_'));
        let optional = |field: &str| Some(text(user, field)).filter(|text| !text.is_empty());
        Self {
            is_service_account: is_service_account(user),
            roles: texts(user, "roles"),
            full_name: optional("full_name"),
            email: optional("email"),
            metadata,
            enabled: user.get("enabled") != Some(&Value::Bool(false)),
        }
    }
}

impl ExistingKey {
    fn read(key: &Value) -> Result<Self, CommandFailed> {
        let field = |name: &str| key.get(name).cloned().unwrap_or_else(|| json!({}));
        let limited_by = key.pointer("/limited_by/0").cloned().unwrap_or_else(|| json!({}));
        Ok(Self {
            id: text(key, "id"),
            name: text(key, "name"),
            owner: text(key, "username"),
            creation: number(key, "creation"),
            expiration: key.get("expiration").and_then(Value::as_u64),
            role_descriptors: read(field("role_descriptors"))?,
            limited_by: read(limited_by)?,
            metadata: object(key, "metadata"),
        })
    }

    /// Whether it works at this moment; of one that was invalidated this is not asked.
    pub(super) fn is_live(&self, now: u64) -> bool {
        self.expiration.is_none_or(|end| end > now)
    }
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, CommandFailed> {
    serde_json::from_value(value)
        .map_err(|error| CommandFailed::new(format!("the service answers what is not understood: {error}")))
}

fn object(value: &Value, field: &str) -> Map<String, Value> {
    value.get(field).and_then(Value::as_object).cloned().unwrap_or_default()
}

fn texts(value: &Value, field: &str) -> Vec<String> {
    items(value, field).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
