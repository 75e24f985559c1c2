//! `GET /_security/user/_privileges`: what may I do?

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use axum::http::StatusCode;
use axum::response::Response;
use latchkey_budget::Budget;
use latchkey_elastic::ErrorCause;
use latchkey_privileges::cluster_request::ClusterRequest;
use latchkey_privileges::role_descriptor::{
    FieldSecurity, IndexPrivileges, RemoteClusterPrivileges, RemoteIndexPrivileges, RoleDescriptor,
    RoleDescriptors,
};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::answer::text::AnswerText;
use crate::api::call::Incoming;
use crate::api::error::ApiError;
use crate::security::authentication::Subject;
use crate::security::authorization::WholeKey;

const HAS_OWN_DESCRIPTORS: &str = "Cannot retrieve privileges for API keys with assigned role descriptors. Please use the Get API key information API https://ela.st/es-api-get-api-key";

/// The fields have the order of Elasticsearch's answer.
#[derive(Serialize)]
struct OwnPrivileges<'a> {
    cluster: BTreeSet<&'a str>,
    global: Vec<Map<String, Value>>,
    indices: Vec<ShownIndices<'a>>,
    applications: Vec<ShownApplication<'a>>,
    run_as: BTreeSet<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remote_indices: Vec<ShownRemoteIndices<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remote_cluster: Vec<&'a RemoteClusterPrivileges>,
}

/// Fields and queries are lists, because several roles may each have their own.
#[derive(Serialize)]
struct ShownIndices<'a> {
    names: &'a [String],
    privileges: BTreeSet<&'a str>,
    /// `None` where all fields are seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    field_security: Option<Vec<&'a FieldSecurity>>,
    /// `None` where all documents are seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<Vec<&'a str>>,
    allow_restricted_indices: bool,
}

#[derive(Serialize)]
struct ShownApplication<'a> {
    application: &'a str,
    privileges: BTreeSet<&'a str>,
    resources: BTreeSet<&'a str>,
}

#[derive(Serialize)]
struct ShownRemoteIndices<'a> {
    #[serde(flatten)]
    indices: ShownIndices<'a>,
    clusters: BTreeSet<&'a str>,
}

pub(in crate::api) async fn show(call: Incoming) -> Result<Response, ApiError> {
    let mut call = call.parsed()?.authorize(&ClusterRequest::ListOwnPrivileges)?;
    // The memory is given back before more is read.
    call.authenticated.give_back_permission();
    let roles = match call.authenticated.authentication.subject() {
        Subject::User(_) => std::mem::take(&mut call.authenticated.roles.descriptors),
        Subject::ApiKey(key) => {
            let WholeKey { key, .. } = &call.whole_key(key).await?;
            if !key.role_descriptors.is_empty() {
                // The intersection of two permissions cannot be written as one list.
                return Err(ErrorCause::illegal_argument(HAS_OWN_DESCRIPTORS).into());
            }
            key.limited_by.clone()
        }
    };
    let write = move |budget: &mut Budget| {
        let mut text = AnswerText::new(budget);
        text.push_json(&own_privileges(&roles))?;
        Ok(text.finish())
    };
    Ok(call.question(write).await?.with_status(StatusCode::OK))
}

fn own_privileges(roles: &RoleDescriptors) -> OwnPrivileges<'_> {
    let roles: Vec<_> = roles.iter().map(|(_, role)| role).collect();
    let global = roles.iter().flat_map(|role| &role.global);
    // Equal entries for the same clusters are one; others stay apart (Elasticsearch, `CompositeRolesStore`).
    let remote = roles.iter().flat_map(|role| &role.remote_indices).map(ShownRemoteIndices::from);
    OwnPrivileges {
        // Empty entries are left out, as in Elasticsearch.
        cluster: set(roles.iter().flat_map(|role| &role.cluster).filter(|name| *name != "none")),
        global: unique(global.map(|(kind, value)| Map::from_iter([(kind.clone(), value.clone())]))),
        indices: indices(&roles),
        applications: applications(&roles),
        run_as: set(roles.iter().flat_map(|role| &role.run_as)),
        remote_indices: unique(remote),
        remote_cluster: unique(roles.iter().flat_map(|role| &role.remote_cluster)),
    }
}

/// Entries for the same names are one: what one of them allows is allowed, and what one of them does not narrow is whole
/// (Elasticsearch, `CompositeRolesStore.MergeableIndicesPrivilege`).
fn indices<'a>(roles: &[&'a RoleDescriptor]) -> Vec<ShownIndices<'a>> {
    let mut merged: Vec<ShownIndices<'a>> = Vec::new();
    let mut places = HashMap::new();
    for block in roles.iter().flat_map(|role| &role.indices) {
        let names: BTreeSet<&str> = set(&block.names);
        let place = *places.entry((names, block.allow_restricted_indices)).or_insert(merged.len());
        match merged.get_mut(place) {
            Some(shown) => shown.merge(ShownIndices::from(block)),
            None => merged.push(ShownIndices::from(block)),
        }
    }
    merged
}

/// Privileges over equal resources of one application are one entry, and then resources with equal privileges.
fn applications<'a>(roles: &[&'a RoleDescriptor]) -> Vec<ShownApplication<'a>> {
    let mut merged: BTreeMap<(&str, BTreeSet<&str>), BTreeSet<&str>> = BTreeMap::new();
    for block in roles.iter().flat_map(|role| &role.applications) {
        let privileges = merged.entry((&block.application, set(&block.resources))).or_default();
        privileges.extend(block.privileges.iter().map(String::as_str));
    }
    let mut by_privileges: BTreeMap<(&str, BTreeSet<&str>), BTreeSet<&str>> = BTreeMap::new();
    for ((application, resources), privileges) in merged {
        by_privileges.entry((application, privileges)).or_default().extend(resources);
    }
    by_privileges
        .into_iter()
        .map(|((application, privileges), resources)| ShownApplication { application, privileges, resources })
        .collect()
}

fn set<'a>(texts: impl IntoIterator<Item = &'a String>) -> BTreeSet<&'a str> {
    texts.into_iter().map(String::as_str).collect()
}

/// Each item once, in the order of its first occurrence. Items are equal if their texts are.
fn unique<T: Serialize>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = HashSet::new();
    items.filter(|item| seen.insert(serde_json::to_string(item).unwrap_or_default())).collect()
}

/// Those of both; `None` when one of them has no limit.
fn both<T: PartialEq>(one: Option<Vec<T>>, other: Option<Vec<T>>) -> Option<Vec<T>> {
    let mut all = one?;
    for item in other? {
        if !all.contains(&item) {
            all.push(item);
        }
    }
    Some(all)
}

impl ShownIndices<'_> {
    fn merge(&mut self, other: Self) {
        self.privileges.extend(other.privileges);
        self.field_security = both(self.field_security.take(), other.field_security);
        self.query = both(self.query.take(), other.query);
    }
}

impl<'a> From<&'a IndexPrivileges> for ShownIndices<'a> {
    fn from(block: &'a IndexPrivileges) -> Self {
        Self {
            names: &block.names,
            privileges: set(&block.privileges),
            field_security: block.field_security.as_ref().map(|fields| vec![fields]),
            query: block.query.as_deref().map(|query| vec![query]),
            allow_restricted_indices: block.allow_restricted_indices,
        }
    }
}

impl<'a> From<&'a RemoteIndexPrivileges> for ShownRemoteIndices<'a> {
    fn from(block: &'a RemoteIndexPrivileges) -> Self {
        Self { indices: ShownIndices::from(&block.indices), clusters: set(&block.clusters) }
    }
}
