//! `POST /_security/api_key/{ids}/_clear_cache`.
//!
//! The service keeps no cache of keys: every request asks the store. So there is nothing to clear, and any id may be named.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use latchkey_privileges::cluster_request::ClusterRequest;
use serde::Serialize;

use crate::api::authenticated::Authenticated;
use crate::api::error::ApiError;
use crate::api::parameters::Parameters;
use crate::api::path_text::PathTexts;
use crate::api::root::{CLUSTER_NAME, NODE_NAME};
use crate::api::routing::NoBody;
use crate::api::{SharedService, answer};

/// In the order of Elasticsearch's own answer.
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

pub(in crate::api) async fn clear_cache(
    State(service): State<SharedService>,
    authenticated: Authenticated,
    _: PathTexts,
    parameters: Parameters,
    _: NoBody,
) -> Result<Response, ApiError> {
    parameters.finish()?;
    service.require_api_keys()?;
    authenticated.authorize(&ClusterRequest::ClearKeyCache)?;
    answer::ok(&Cleared {
        _nodes: NodeCounts { total: 1, successful: 1, failed: 0 },
        cluster_name: CLUSTER_NAME,
        nodes: BTreeMap::from([(service.store.epoch().as_str(), Node { name: NODE_NAME })]),
    })
}
