//! `POST …/_clear_cache`, of keys, privileges, realms and roles.
//!
//! The service keeps nothing in memory that could be out of date: every request asks the store. That a password was
//! verified is kept, and is forgotten with the cache of any realm. For the others there is nothing to clear. Every name is
//! accepted.

use std::collections::BTreeMap;

use axum::response::Response;
use latchkey_privileges::cluster_request::{
    CLEAR_PRIVILEGES_CACHE, CLEAR_REALM_CACHE, CLEAR_ROLES_CACHE, ClusterRequest,
};
use serde::Serialize;

use crate::api::answer;
use crate::api::api_key::require_api_keys;
use crate::api::call::{Allowed, Incoming, Parsed};
use crate::api::error::ApiError;
use crate::api::root::{CLUSTER_NAME, NODE_NAME};

/// The fields have the order of Elasticsearch's answer.
#[derive(Serialize)]
struct Cleared<'a> {
    _nodes: NodeCounts,
    cluster_name: &'static str,
    nodes: BTreeMap<&'a str, Node>,
}

#[derive(Serialize)]
struct NodeCounts {
    total: u32,
    successful: u32,
    failed: u32,
}

#[derive(Serialize)]
struct Node {
    name: &'static str,
}

/// `POST /_security/api_key/{ids}/_clear_cache`.
pub(super) async fn of_api_keys(call: Incoming) -> Result<Response, ApiError> {
    let call = call.parsed()?;
    require_api_keys(call.settings())?;
    cleared(call, &ClusterRequest::ClearKeyCache)
}

/// `POST /_security/privilege/{application}/_clear_cache`.
pub(super) async fn of_privileges(call: Incoming) -> Result<Response, ApiError> {
    cleared(call.parsed()?, &ClusterRequest::Other(CLEAR_PRIVILEGES_CACHE))
}

/// `POST /_security/realm/{realms}/_clear_cache`.
pub(super) async fn of_realms(mut call: Incoming) -> Result<Response, ApiError> {
    // Which users are meant. What is kept is forgotten for all.
    call.parameters.text("usernames");
    let call = call.parsed()?.authorize(&ClusterRequest::Other(CLEAR_REALM_CACHE))?;
    call.passwords.forget_verified();
    told(&call)
}

/// `POST /_security/role/{names}/_clear_cache`.
pub(super) async fn of_roles(call: Incoming) -> Result<Response, ApiError> {
    cleared(call.parsed()?, &ClusterRequest::Other(CLEAR_ROLES_CACHE))
}

fn cleared(call: Parsed, request: &ClusterRequest<'_>) -> Result<Response, ApiError> {
    told(&call.authorize(request)?)
}

fn told(call: &Allowed) -> Result<Response, ApiError> {
    answer::ok(&Cleared {
        _nodes: NodeCounts { total: 1, successful: 1, failed: 0 },
        cluster_name: CLUSTER_NAME,
        nodes: BTreeMap::from([(call.store.epoch().as_str(), Node { name: NODE_NAME })]),
    })
}
