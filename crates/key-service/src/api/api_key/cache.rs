//! `POST /_security/api_key/{ids}/_clear_cache`.
//!
//! The service keeps no cache of keys: every request asks the store. So there is nothing to clear, and every
//! id is accepted.

use std::collections::BTreeMap;

use axum::response::Response;
use latchkey_privileges::cluster_request::ClusterRequest;
use serde::Serialize;

use crate::api::answer;
use crate::api::api_key::require_api_keys;
use crate::api::call::Incoming;
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

pub(in crate::api) async fn clear_cache(call: Incoming) -> Result<Response, ApiError> {
    let call = call.parsed()?;
    require_api_keys(call.settings())?;
    let call = call.authorize(&ClusterRequest::ClearKeyCache)?;
    answer::ok(&Cleared {
        _nodes: NodeCounts { total: 1, successful: 1, failed: 0 },
        cluster_name: CLUSTER_NAME,
        nodes: BTreeMap::from([(call.store.epoch().as_str(), Node { name: NODE_NAME })]),
    })
}
