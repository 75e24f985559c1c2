//! `POST /_latchkey/usage`: an edge tells how often keys were used.
//!
//! ```json
//! {"keys": {"<id>": [3, 1]}}
//! ```
//!
//! The first number counts requests that proved the key, the second those that named it with a wrong secret.

use axum::response::Response;
use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::{Node, missing_body};
use latchkey_key_feed::{EdgeName, KeyId, KeyUses};
use latchkey_privileges::cluster_request::ClusterRequest;
use serde::Serialize;

use crate::api::answer;
use crate::api::call::Incoming;
use crate::api::call::request_body::RequestBody;
use crate::api::error::ApiError;

#[derive(Serialize)]
struct UsageAnswer {
    keys: usize,
}

/// Whoever may read the feed may tell.
pub(super) async fn tell(mut call: Incoming<RequestBody>) -> Result<Response, ApiError> {
    let edge = call.parameters.text("edge").map(EdgeName::try_from).transpose();
    let edge = edge.map_err(|problem| ErrorCause::illegal_argument(format!("[edge]: {problem}")))?;
    let uses = call.read_body(read).await?;
    let call = call.parsed()?.authorize(&ClusterRequest::ReadKeyFeed)?;
    let (edge, now) = (edge.as_ref().map(EdgeName::as_str), call.now());
    for (id, uses) in &uses {
        call.usage.count(id, *uses, edge, now);
    }
    answer::ok(&UsageAnswer { keys: uses.len() })
}

pub(super) fn read(body: Option<&Node>) -> Result<Vec<(KeyId, KeyUses)>, ErrorCause> {
    let body = body.ok_or_else(missing_body)?;
    let wrong = |node: &Node| {
        ErrorCause::illegal_argument(
            node.position
                .complain("expected [keys]: an object of key ids with two whole numbers each")
                .reason(),
        )
    };
    let keys = match body.members() {
        Some([member]) if member.name == "keys" => &member.value,
        _ => return Err(wrong(body)),
    };
    let mut uses = Vec::new();
    for member in keys.members().ok_or_else(|| wrong(keys))? {
        let id = KeyId::try_from(member.name.clone()).map_err(|_| wrong(&member.value))?;
        let Some([proven, wrong_secret]) = member.value.elements() else { return Err(wrong(&member.value)) };
        let (Some(proven), Some(wrong_secret)) = (count(proven), count(wrong_secret)) else {
            return Err(wrong(&member.value));
        };
        uses.push((id, KeyUses { proven, wrong_secret }));
    }
    Ok(uses)
}

fn count(node: &Node) -> Option<u32> {
    node.to_value().as_u64().and_then(|count| u32::try_from(count).ok())
}
