//! `GET /_latchkey/edges`: which edges follow the feed, and how far each has come; and `DELETE`, to forget
//! those that are gone.

mod fleet_answer;

use axum::response::Response;
use latchkey_edge_ledger::Forgetting;
use latchkey_elastic::ErrorCause;
use latchkey_key_feed::{Cursor, EdgeName};
use latchkey_privileges::cluster_request::{ClusterRequest, FORGET_EDGES, GET_EDGES};
use serde::Serialize;

use crate::api::answer;
use crate::api::call::{Incoming, Parsed};
use crate::api::edge_endpoints::fleet_answer::{FleetAnswer, WatchedChange};
use crate::api::error::ApiError;
use crate::audit::feed_events::{EdgesForgottenEvent, record_forgotten};

#[derive(Serialize)]
struct ForgottenAnswer {
    forgotten: usize,
    live: usize,
}

pub(super) async fn list(mut call: Incoming) -> Result<Response, ApiError> {
    let change = call.parameters.whole_number("change")?.map(Cursor);
    let with_changes = call.parameters.boolean("changes", false)?;
    let call = call.parsed()?.authorize(&ClusterRequest::Other(GET_EDGES))?;
    let register = call.feed.edges();
    let fleet = register.fleet().await?;
    let watched = change.map(|change| WatchedChange::of(change, &fleet, register));
    let changes = with_changes.then(|| register.latest_changes());
    let said = register.said(fleet.edges.iter().map(|edge| &edge.id));
    answer::ok(&FleetAnswer::of(&fleet, &said, watched.as_ref(), changes.as_deref()))
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
