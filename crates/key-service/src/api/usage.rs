//! `POST /_latchkey/usage`: an edge tells how often keys were used, and what there is to say of itself.
//!
//! ```json
//! {"keys": {"<id>": [3, 1]}, "edge": {"instance": "<32 digits>", "over_ms": 10000, "keys": 7, "denied": {"key_unknown": 2}}}
//! ```
//!
//! The first number counts requests that proved the key, the second those that named it with a wrong secret.
//! An older filter sends no `edge`.

use axum::response::Response;
use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::{Node, missing_body};
use latchkey_key_feed::{EdgeInstance, EdgeName, KeyId, KeyUses, RefusalCounts};
use latchkey_privileges::cluster_request::ClusterRequest;
use serde::Serialize;

use crate::api::answer;
use crate::api::call::Incoming;
use crate::api::call::request_body::RequestBody;
use crate::api::error::ApiError;
use crate::feed::edge_reports::{EdgeReport, OfItself};
use crate::limits::edge_limits::REFUSAL_REASONS_TOLD_MAX;

#[derive(Serialize)]
struct UsageAnswer {
    keys: usize,
}

/// What a body says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    keys: Vec<(KeyId, KeyUses)>,
    of_itself: Option<OfItself>,
}

/// Whoever may read the feed may tell.
pub(super) async fn tell(mut call: Incoming<RequestBody>) -> Result<Response, ApiError> {
    let edge = call.parameters.text("edge").map(EdgeName::try_from).transpose();
    let edge = edge.map_err(|problem| ErrorCause::illegal_argument(format!("[edge]: {problem}")))?;
    let usage = call.read_body(read).await?;
    let call = call.parsed()?.authorize(&ClusterRequest::ReadKeyFeed)?;
    let (name, now) = (edge.as_ref().map(EdgeName::as_str), call.now());
    for (id, uses) in &usage.keys {
        call.usage.count(id, *uses, name, now);
    }
    let answer = UsageAnswer { keys: usage.keys.len() };
    if let Some(edge) = &edge {
        let holder = call.authenticated.authentication.authenticating().holder();
        call.feed.edges().note_report(edge, &holder, &usage.into_report());
    }
    answer::ok(&answer)
}

pub(super) fn read(body: Option<&Node>) -> Result<Usage, ErrorCause> {
    let body = body.ok_or_else(missing_body)?;
    let mut usage = Usage::default();
    let mut has_keys = false;
    for member in body.members().ok_or_else(|| wrong_keys(body))? {
        match member.name.as_str() {
            "keys" => {
                usage.keys = keys(&member.value)?;
                has_keys = true;
            }
            "edge" => usage.of_itself = Some(of_itself(&member.value)?),
            _ => return Err(wrong_keys(body)),
        }
    }
    if has_keys { Ok(usage) } else { Err(wrong_keys(body)) }
}

impl Usage {
    fn into_report(self) -> EdgeReport {
        let sum = |count: fn(&KeyUses) -> u32| {
            self.keys.iter().map(|(_, uses)| u64::from(count(uses))).fold(0, u64::saturating_add)
        };
        let (proven, wrong_secrets) = (sum(|uses| uses.proven), sum(|uses| uses.wrong_secret));
        EdgeReport { proven, wrong_secrets, of_itself: self.of_itself }
    }
}

fn keys(keys: &Node) -> Result<Vec<(KeyId, KeyUses)>, ErrorCause> {
    let mut uses = Vec::new();
    for member in keys.members().ok_or_else(|| wrong_keys(keys))? {
        let wrong = || wrong_keys(&member.value);
        let id = KeyId::try_from(member.name.clone()).map_err(|_| wrong())?;
        let Some([proven, wrong_secret]) = member.value.elements() else { return Err(wrong()) };
        let small = |node| count(node).and_then(|count| u32::try_from(count).ok());
        let (Some(proven), Some(wrong_secret)) = (small(proven), small(wrong_secret)) else {
            return Err(wrong());
        };
        uses.push((id, KeyUses { proven, wrong_secret }));
    }
    Ok(uses)
}

/// What a newer filter says besides is passed over.
fn of_itself(edge: &Node) -> Result<OfItself, ErrorCause> {
    let mut read = OfItself { instance: None, over_ms: None, keys: None, refused: RefusalCounts::default() };
    for member in edge.members().ok_or_else(|| wrong_edge(edge))? {
        let wrong = || wrong_edge(&member.value);
        let number = || count(&member.value).map(Some).ok_or_else(wrong);
        match member.name.as_str() {
            "instance" => {
                let text = member.value.as_str().ok_or_else(wrong)?.to_owned();
                read.instance = Some(EdgeInstance::try_from(text).map_err(|_| wrong())?);
            }
            "over_ms" => read.over_ms = number()?,
            "keys" => read.keys = number()?,
            "denied" => read.refused = refused(&member.value)?,
            _ => {}
        }
    }
    Ok(read)
}

fn refused(denied: &Node) -> Result<RefusalCounts, ErrorCause> {
    let mut refused = RefusalCounts::default();
    let reasons = denied.members().ok_or_else(|| wrong_edge(denied))?;
    if reasons.len() > REFUSAL_REASONS_TOLD_MAX {
        let reason = format!("[denied] must not have more than {REFUSAL_REASONS_TOLD_MAX} reasons");
        return Err(ErrorCause::illegal_argument(reason));
    }
    for member in reasons {
        refused.add(&member.name, count(&member.value).ok_or_else(|| wrong_edge(&member.value))?);
    }
    Ok(refused)
}

fn wrong_keys(node: &Node) -> ErrorCause {
    wrong(node, "expected [keys]: an object of key ids with two whole numbers each")
}

fn wrong_edge(node: &Node) -> ErrorCause {
    wrong(
        node,
        "expected [edge]: an object with [instance], [over_ms], [keys] and [denied], whole numbers by reason",
    )
}

fn wrong(node: &Node, expected: &str) -> ErrorCause {
    ErrorCause::illegal_argument(node.position.complain(expected).reason())
}

fn count(node: &Node) -> Option<u64> {
    node.to_value().as_u64()
}
