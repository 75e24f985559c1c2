//! `GET /_latchkey/openapi.json`: the description of this interface for programs (OpenAPI 3.1). It names no
//! key and no user, so it needs no authentication.
//!
//! The document is written by hand, in one file for each resource below `openapi/`. `frame.json` has the
//! common parts, and the paths and components of the others are added to it. A test compares it with the
//! routes, and the answers with its schemas.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::response::Response;
use serde_json::{Map, Value};

use crate::api::answer;
use crate::api::error::ApiError;
use crate::api::parameters::Parameters;
use crate::api::routing::NoBody;

/// Everything but the resources.
const FRAME: &str = include_str!("openapi/frame.json");

/// The resources.
const RESOURCES: [&str; 8] = [
    include_str!("openapi/api_key.json"),
    include_str!("openapi/audit.json"),
    include_str!("openapi/cluster.json"),
    include_str!("openapi/privilege.json"),
    include_str!("openapi/role.json"),
    include_str!("openapi/service.json"),
    include_str!("openapi/token.json"),
    include_str!("openapi/user.json"),
];

/// Built once and shared by all answers, so a client that asks often and reads nothing holds no memory. It is
/// empty only if a file is not JSON, which a test would find.
static DOCUMENT: LazyLock<Option<Bytes>> = LazyLock::new(|| {
    let mut document = serde_json::from_str(FRAME).ok()?;
    for resource in RESOURCES {
        add(&mut document, serde_json::from_str(resource).ok()?);
    }
    serde_json::to_vec(&document).ok().map(Bytes::from)
});

pub(super) async fn show(parameters: Parameters, _: NoBody) -> Result<Response, ApiError> {
    parameters.finish()?;
    match &*DOCUMENT {
        Some(document) => Ok(answer::ok_text(document.clone())),
        None => Err(ApiError::internal("the description of the interface is no JSON")),
    }
}

/// Adds what a resource has, object by object.
fn add(document: &mut Value, resource: Map<String, Value>) {
    let Value::Object(document) = document else { return };
    for (name, value) in resource {
        match (document.get_mut(&name), value) {
            (Some(there @ Value::Object(_)), Value::Object(members)) => add(there, members),
            (_, value) => {
                document.insert(name, value);
            }
        }
    }
}
