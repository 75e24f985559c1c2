//! `GET /_latchkey/feed`: all keys in the order of their latest change, for the edges.

use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use latchkey_key_feed::{Cursor, Epoch};

use crate::api::SharedService;
use crate::api::answer::{self, KnownTags};
use crate::api::authenticated::Authenticated;
use crate::api::error::{ApiError, ErrorCause};
use crate::api::parameters::Parameters;
use crate::api::routing::NoBody;
use crate::audit::{self, feed::FeedReadEvent};
use crate::feed::edge_name::EdgeName;
use crate::feed::{FeedRefusal, FeedRequest};
use crate::limits::{FEED_ROWS_DEFAULT, FEED_ROWS_MAX, FEED_WAIT_MAX};
use crate::security::request::ClusterRequest;
use crate::telemetry;

pub(super) async fn show(
    State(service): State<SharedService>,
    authenticated: Authenticated,
    parameters: Parameters,
    headers: HeaderMap,
    _: NoBody,
) -> Result<Response, ApiError> {
    let request = feed_request(parameters)?;
    authenticated.authorize(&ClusterRequest::ReadKeyFeed)?;
    let (after, edge) = (request.after, request.edge.clone());
    // Thousands wait here: nobody holds on to anything of his request that is not needed afterwards.
    let proven = authenticated.into_proven();
    let known = KnownTags::of(&headers);
    drop(headers);
    let page = service.feed.answer(request, service.clock.now()).await?;
    proven.recheck(&ClusterRequest::ReadKeyFeed, &service).await?;
    telemetry::feed_rows_served(page.rows);
    audit::feed::record_read(&FeedReadEvent {
        actor: &proven.actor(),
        edge: edge.as_ref().map(EdgeName::as_str),
        after,
        keys: page.rows,
    });
    answer::page_unless_known(&page, &known)
}

fn feed_request(mut parameters: Parameters) -> Result<FeedRequest, ErrorCause> {
    let after = Cursor(parameters.whole_number("after")?.unwrap_or(0));
    let epoch = parameters
        .text("epoch")
        .map(Epoch::try_from)
        .transpose()
        .map_err(|invalid| ErrorCause::illegal_argument(format!("[epoch]: {invalid}")))?;
    let purged = parameters.whole_number("purged")?.map(Cursor);
    let rows_max = rows_max(parameters.whole_number("limit")?)?;
    let wait = parameters.time_value("wait")?.map_or(Duration::ZERO, |wait| wait.to_duration());
    if wait > FEED_WAIT_MAX {
        return Err(ErrorCause::illegal_argument(format!(
            "[wait] must not exceed {}s",
            FEED_WAIT_MAX.as_secs()
        )));
    }
    let edge = parameters
        .text("edge")
        .map(EdgeName::try_from)
        .transpose()
        .map_err(|invalid| ErrorCause::illegal_argument(format!("[edge]: {invalid}")))?;
    // Newer edges say as which of their tables they ask, for how long it may admit, and when it leaves.
    for said in ["instance", "refuse_after", "leaving"] {
        let _ = parameters.text(said);
    }
    parameters.finish()?;
    Ok(FeedRequest { after, epoch, purged, rows_max, wait, edge })
}

fn rows_max(limit: Option<u64>) -> Result<u32, ErrorCause> {
    match limit.map(u32::try_from) {
        None => Ok(FEED_ROWS_DEFAULT),
        Some(Ok(limit)) if (1..=FEED_ROWS_MAX).contains(&limit) => Ok(limit),
        Some(_) => Err(ErrorCause::illegal_argument(format!("[limit] must be from 1 to {FEED_ROWS_MAX}"))),
    }
}

impl From<FeedRefusal> for ApiError {
    fn from(refusal: FeedRefusal) -> Self {
        match refusal {
            FeedRefusal::Store(error) => error.into(),
            FeedRefusal::TooManyWaiting(_) | FeedRefusal::TooManyEdgeWaits => {
                Self::too_busy(refusal.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<FeedRequest, String> {
        feed_request(Parameters::new("/_latchkey/feed", query)).map_err(|error| error.reason().to_owned())
    }

    #[test]
    fn reads_what_a_follower_asks() {
        let asked = read("after=7&epoch=e%2F1&purged=3&limit=10000&wait=60s&edge=envoy-1").unwrap();
        assert_eq!((asked.after, asked.rows_max, asked.wait), (Cursor(7), 10_000, Duration::from_secs(60)));
        assert_eq!(asked.purged, Some(Cursor(3)));
        assert_eq!(asked.epoch, Epoch::try_from("e/1".to_owned()).ok());
        assert_eq!(asked.edge, EdgeName::try_from("envoy-1".to_owned()).ok());
        let nothing = read("").unwrap();
        assert_eq!((nothing.after, nothing.rows_max, nothing.wait), (Cursor(0), 1_000, Duration::ZERO));
    }

    #[test]
    fn refuses_what_is_past_a_limit() {
        for (query, reason) in [
            ("limit=0", "[limit] must be from 1 to 10000"),
            ("limit=10001", "[limit] must be from 1 to 10000"),
            ("limit=99999999999", "[limit] must be from 1 to 10000"),
            ("wait=61s", "[wait] must not exceed 60s"),
            ("edge=", "[edge]: the name of an edge has 1 to 256 bytes and no control characters"),
            ("epoch=", "[epoch]: an epoch has 1 to 64 bytes"),
            ("after=-1", "Failed to parse int parameter [after] with value [-1]"),
            (
                "wayt=1s",
                "request [/_latchkey/feed] contains unrecognized parameter: [wayt] -> did you mean [wait]?",
            ),
        ] {
            assert_eq!(read(query), Err(reason.to_owned()), "{query}");
        }
    }
}
