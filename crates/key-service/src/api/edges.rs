//! `GET /_latchkey/edges`: which edges follow the feed, and how far each has come.

use axum::extract::State;
use axum::response::Response;
use latchkey_key_feed::{Cursor, Epoch, UnixMillis};
use serde::Serialize;

use crate::api::SharedService;
use crate::api::answer;
use crate::api::authenticated::Authenticated;
use crate::api::error::ApiError;
use crate::api::parameters::Parameters;
use crate::api::routing::NoBody;
use crate::feed::edges::EdgeStatus;
use crate::feed::fleet::Fleet;
use crate::security::request::{ClusterRequest, GET_EDGES};

#[derive(Serialize)]
struct FleetAnswer<'a> {
    epoch: &'a Epoch,
    cursor: Cursor,
    complete: bool,
    total: usize,
    live: usize,
    current: usize,
    edges: Vec<EdgeAnswer<'a>>,
}

#[derive(Serialize)]
struct EdgeAnswer<'a> {
    name: &'a str,
    cursor: Cursor,
    lag: u64,
    last_seen: UnixMillis,
    live: bool,
}

pub(super) async fn list(
    State(service): State<SharedService>,
    authenticated: Authenticated,
    parameters: Parameters,
    _: NoBody,
) -> Result<Response, ApiError> {
    parameters.finish()?;
    authenticated.authorize(&ClusterRequest::Other(GET_EDGES))?;
    let fleet = service.feed.fleet(service.clock.now()).await?;
    answer::ok(&FleetAnswer::of(&fleet))
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
            edges: fleet.edges.iter().map(EdgeAnswer::of).collect(),
        }
    }
}

impl<'a> EdgeAnswer<'a> {
    fn of(EdgeStatus { sighting, lag, is_live }: &'a EdgeStatus) -> Self {
        Self {
            name: sighting.name.as_str(),
            cursor: sighting.acknowledged,
            lag: *lag,
            last_seen: sighting.seen,
            live: *is_live,
        }
    }
}
