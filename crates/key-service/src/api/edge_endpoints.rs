//! `GET /_latchkey/edges`: which edges follow the feed, and how far each has come; and `DELETE`, to forget
//! those that are gone.

use axum::response::Response;
use latchkey_edge_ledger::{EdgeState, EdgeStatus, Forgetting};
use latchkey_elastic::ErrorCause;
use latchkey_key_feed::{Cursor, EdgeName, Epoch, UnixMillis};
use latchkey_privileges::cluster_request::{ClusterRequest, FORGET_EDGES, GET_EDGES};
use serde::Serialize;

use crate::api::answer;
use crate::api::call::{Incoming, Parsed};
use crate::api::error::ApiError;
use crate::audit::feed_events::{EdgesForgottenEvent, record_forgotten};
use crate::feed::fleet::Fleet;

#[derive(Serialize)]
struct FleetAnswer<'a> {
    epoch: &'a Epoch,
    cursor: Cursor,
    complete: bool,
    total: usize,
    live: usize,
    current: usize,
    silent: usize,
    edges: Vec<EdgeAnswer<'a>>,
}

#[derive(Serialize)]
struct EdgeAnswer<'a> {
    name: &'a str,
    instance: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<&'a str>,
    cursor: Cursor,
    lag: u64,
    last_seen: UnixMillis,
    live: bool,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<UnixMillis>,
}

#[derive(Serialize)]
struct ForgottenAnswer {
    forgotten: usize,
    live: usize,
}

pub(super) async fn list(call: Incoming) -> Result<Response, ApiError> {
    let call = call.parsed()?.authorize(&ClusterRequest::Other(GET_EDGES))?;
    let fleet = call.feed.edges().fleet().await?;
    answer::ok(&FleetAnswer::of(&fleet))
}

/// Forgets the instances of a name.
pub(super) async fn forget_name(mut call: Incoming) -> Result<Response, ApiError> {
    let name = call.path.take("name");
    let call = call.parsed()?;
    let name = EdgeName::try_from(name);
    let name = name.map_err(|invalid| ErrorCause::illegal_argument(invalid.to_string()))?;
    forget(call, &Forgetting::Name(name)).await
}

/// Forgets the instances that ask with a key.
pub(super) async fn forget_key(mut call: Incoming) -> Result<Response, ApiError> {
    let id = call.path.take("id");
    forget(call.parsed()?, &Forgetting::Key(id)).await
}

async fn forget(call: Parsed, forgetting: &Forgetting) -> Result<Response, ApiError> {
    let call = call.authorize(&ClusterRequest::Other(FORGET_EDGES))?;
    let outcome = call.feed.edges().forget(forgetting).await?;
    let answer = ForgottenAnswer { forgotten: outcome.forgotten.len(), live: outcome.live };
    let (edge, key) = match forgetting {
        Forgetting::Name(name) => (Some(name.as_str()), None),
        Forgetting::Key(key) => (None, Some(key.as_str())),
    };
    let actor = &call.actor();
    record_forgotten(&EdgesForgottenEvent {
        actor,
        edge,
        key,
        forgotten: answer.forgotten,
        live: answer.live,
    });
    answer::ok(&answer)
}

impl<'a> FleetAnswer<'a> {
    fn of(fleet: &'a Fleet) -> Self {
        Self {
            epoch: &fleet.epoch,
            cursor: fleet.latest,
            complete: fleet.is_complete,
            total: fleet.counts.known,
            live: fleet.counts.live,
            current: fleet.counts.current,
            silent: fleet.counts.silent,
            edges: fleet.edges.iter().map(EdgeAnswer::of).collect(),
        }
    }
}

impl<'a> EdgeAnswer<'a> {
    fn of(EdgeStatus { id, holder, acknowledged, seen, lag, state }: &'a EdgeStatus) -> Self {
        let (word, until) = match state {
            EdgeState::Live => ("live", None),
            EdgeState::Silent { until } => ("silent", Some(*until)),
            EdgeState::Gone => ("gone", None),
        };
        Self {
            name: id.name.as_str(),
            instance: id.instance_shown(),
            api_key: holder.key.as_ref().map(|key| key.as_str()),
            cursor: *acknowledged,
            lag: *lag,
            last_seen: *seen,
            live: *state == EdgeState::Live,
            state: word,
            until,
        }
    }
}
