//! `GET /` and `HEAD /`: what Elasticsearch's clients request to see whether the service is there.

use axum::response::Response;
use latchkey_build_info::COMMIT;
use latchkey_privileges::cluster_request::{ClusterRequest, GET_MAIN};
use serde::Serialize;

use crate::api::answer;
use crate::api::call::Incoming;
use crate::api::error::ApiError;

/// The version of Elasticsearch whose REST interface the service follows.
pub(super) const COMPATIBLE_VERSION: &str = "9.1.0";

/// What the service calls itself where Elasticsearch names a node.
pub(super) const NODE_NAME: &str = "latchkey";

/// What the service calls itself where Elasticsearch names a cluster.
pub(super) const CLUSTER_NAME: &str = "latchkey";

#[derive(Serialize)]
struct Root<'a> {
    name: &'static str,
    cluster_name: &'static str,
    cluster_uuid: &'a str,
    version: Version,
    tagline: &'static str,
}

#[derive(Serialize)]
struct Version {
    number: &'static str,
    build_flavor: &'static str,
    build_type: &'static str,
    build_hash: &'static str,
    build_date: &'static str,
    build_snapshot: bool,
    lucene_version: &'static str,
    minimum_wire_compatibility_version: &'static str,
    minimum_index_compatibility_version: &'static str,
}

pub(super) async fn show(call: Incoming) -> Result<Response, ApiError> {
    let call = call.parsed()?.authorize(&ClusterRequest::Other(GET_MAIN))?;
    answer::ok(&Root {
        name: NODE_NAME,
        cluster_name: CLUSTER_NAME,
        cluster_uuid: call.store.epoch().as_str(),
        version: Version {
            number: COMPATIBLE_VERSION,
            build_flavor: "default",
            build_type: "latchkey",
            build_hash: COMMIT,
            build_date: "1970-01-01T00:00:00.000Z",
            build_snapshot: false,
            lucene_version: "10.2.2",
            minimum_wire_compatibility_version: "8.19.0",
            minimum_index_compatibility_version: "8.0.0",
        },
        tagline: "You Know, for Search",
    })
}
