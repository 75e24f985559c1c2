//! `GET /_latchkey/feed`: all keys in the order of their latest change, for the edges.

use std::time::Duration;

use axum::http::header::USER_AGENT;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use latchkey_edge_ledger::limits::FEED_WAIT_MAX;
use latchkey_edge_ledger::{ClaimRefusal, EdgeId, EdgeRequest, FollowerRequest, Holder, InstanceId};
use latchkey_elastic::ErrorCause;
use latchkey_key_feed::{
    AskingEdge, Cursor, FEED_VERSION_HEADER, FeedParameters, FeedRequest, FeedVersion, InvalidFeedRequest,
    whole_millis,
};
use latchkey_privileges::cluster_request::ClusterRequest;

use crate::api::answer::{self, KnownTags};
use crate::api::call::feed_call::{FeedCall, FormerCaller, Waiting};
use crate::api::error::ApiError;
use crate::api::parameters::Parameters;
use crate::audit::{self, feed_events::FeedReadEvent};
use crate::feed::{Feed, FeedRefusal};
use crate::limits::edge_limits::EDGE_REFUSE_AFTER_MIN;
use crate::limits::{FEED_ROWS_DEFAULT, FEED_ROWS_MAX};
use crate::model::filter_version::FilterVersion;
use crate::settings::EdgeSettings;
use crate::telemetry;

pub(super) async fn show(headers: HeaderMap, call: FeedCall) -> Result<Response, ApiError> {
    let version = FeedVersion::asked(headers.get(FEED_VERSION_HEADER).map(HeaderValue::as_bytes));
    let call = match call {
        FeedCall::Living(call) => call,
        FeedCall::Ended(former, parameters) => {
            let edges = former.settings().edges;
            return match follower_request(parameters, version, former.holder(), &edges) {
                Ok(request) => last_page(former, &request, &KnownTags::of(&headers)).await,
                Err(_) => Err(former.refuse()),
            };
        }
    };
    let holder = call.authenticated.authentication.authenticating().holder();
    let edges = call.settings().edges;
    let (request, call) =
        call.parsed_by(|parameters| follower_request(parameters, version, holder, &edges))?;
    let call = Waiting::of(call.authorize(&ClusterRequest::ReadKeyFeed)?);
    let known = KnownTags::of(&headers);
    let filter = headers.get(USER_AGENT).and_then(|agent| FilterVersion::of_user_agent(agent.as_bytes()));
    drop(headers);
    // An instance that is not known yet is known once it was answered.
    let unnoted = filter.filter(|filter| !note_version(call.feed(), &request, filter));
    let page = match call.feed().answer(&request).await {
        Ok(page) => {
            if let Some(filter) = &unnoted {
                note_version(call.feed(), &request, filter);
            }
            page
        }
        Err(FeedRefusal::Claim(refusal @ ClaimRefusal::NameTaken { .. })) => {
            return Err(call.forbid(&ClusterRequest::ReadKeyFeed, refusal.to_string()));
        }
        Err(refusal) => return Err(refusal.into()),
    };
    if let Some(former) = call.recheck(&ClusterRequest::ReadKeyFeed).await? {
        // On the heap, as what is rare: thousands of handlers wait, each with space for what its future may become.
        return Box::pin(last_page(Box::new(former), &request, &known)).await;
    }
    telemetry::feed_rows_served(page.rows);
    audit::feed_events::record_read(&FeedReadEvent {
        actor: &call.actor(),
        edge: edge_name(&request),
        after: request.after,
        keys: page.rows,
        key_has_ended: false,
    });
    answer::page_unless_known(&page, &known)
}

/// Notes which version an edge runs, for the list of edges. Says whether it is known.
fn note_version(feed: &Feed, request: &FollowerRequest, version: &FilterVersion) -> bool {
    let Some(edge) = request.edge.as_ref().filter(|_| !request.is_leaving) else { return true };
    feed.edges().note_version(&edge.id, &edge.holder, version)
}

/// The last page for the holder of a key that has ended, or 401.
async fn last_page(
    former: Box<FormerCaller>,
    request: &FollowerRequest,
    known: &KnownTags,
) -> Result<Response, ApiError> {
    let Some(page) = former.last_page(request).await? else { return Err(former.refuse()) };
    telemetry::feed_rows_served(page.rows);
    telemetry::edge_metrics::last_page_served();
    audit::feed_events::record_read(&FeedReadEvent {
        actor: &former.actor(),
        edge: edge_name(request),
        after: request.after,
        keys: page.rows,
        key_has_ended: true,
    });
    answer::page_unless_known(&page, known)
}

fn edge_name(request: &FollowerRequest) -> Option<&str> {
    request.edge.as_ref().map(|edge| edge.id.name.as_str())
}

fn follower_request(
    mut parameters: Parameters,
    version: FeedVersion,
    holder: Holder,
    edges: &EdgeSettings,
) -> Result<FollowerRequest, ErrorCause> {
    let FeedRequest { after, limit, wait, edge, epoch, purged, is_leaving } =
        FeedRequest::read(&mut parameters).map_err(|invalid| match invalid {
            InvalidFeedRequest::Unreadable(cause) => cause,
            problem => ErrorCause::illegal_argument(problem.to_string()),
        })?;
    let rows_max = rows_max(limit)?;
    let wait = wait.unwrap_or_default();
    if wait > FEED_WAIT_MAX {
        return Err(ErrorCause::illegal_argument(format!(
            "[wait] must not exceed {}s",
            FEED_WAIT_MAX.as_secs()
        )));
    }
    let edge = edge.map(|edge| edge_request(edge, holder, edges)).transpose()?;
    parameters.finish()?;
    Ok(FollowerRequest { version, after, epoch, purged, rows_max, wait, edge, is_leaving })
}

/// The edge that asks, if it may admit for as long as it says.
fn edge_request(edge: AskingEdge, holder: Holder, edges: &EdgeSettings) -> Result<EdgeRequest, ErrorCause> {
    let AskingEdge { name, instance, refuse_after } = edge;
    let refuse_after = refuse_after.unwrap_or(edges.refuse_after_default);
    if refuse_after < EDGE_REFUSE_AFTER_MIN {
        return Err(ErrorCause::illegal_argument(format!(
            "[refuse_after] must be at least {}s",
            EDGE_REFUSE_AFTER_MIN.as_secs()
        )));
    }
    if refuse_after > edges.refuse_after_max {
        return Err(ErrorCause::illegal_argument(format!(
            "[refuse_after] must not exceed {}s, which is edges.refuse_after_max",
            edges.refuse_after_max.as_secs()
        )));
    }
    let instance = instance.map_or_else(|| InstanceId::of_holder(&holder), InstanceId::from);
    Ok(EdgeRequest {
        id: EdgeId { name, instance },
        holder,
        refuse_after_ms: whole_millis(refuse_after),
        acknowledged: Cursor(0),
    })
}

impl FeedParameters for Parameters {
    type Error = ErrorCause;

    fn text(&mut self, name: &'static str) -> Option<String> {
        Self::text(self, name)
    }

    fn whole_number(&mut self, name: &'static str) -> Result<Option<u64>, ErrorCause> {
        Self::whole_number(self, name)
    }

    fn duration(&mut self, name: &'static str) -> Result<Option<Duration>, ErrorCause> {
        Ok(self.time_value(name)?.map(|value| value.to_duration()))
    }

    fn switch(&mut self, name: &'static str) -> Result<bool, ErrorCause> {
        self.boolean(name, false)
    }
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
            FeedRefusal::Claim(_) | FeedRefusal::TooManyWaiting(_) => Self::too_busy(refusal.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use latchkey_key_feed::Epoch;

    use super::*;

    fn read(query: &str) -> Result<FollowerRequest, String> {
        let holder = Holder { key: None, username: "feed".into(), realm: "file".into() };
        let edges = EdgeSettings { refuse_after_max: Duration::from_secs(7_200), ..EdgeSettings::default() };
        let parameters = Parameters::new("/_latchkey/feed", query);
        follower_request(parameters, FeedVersion::V1, holder, &edges)
            .map_err(|error| error.reason().to_owned())
    }

    #[test]
    fn reads_what_a_follower_asks() {
        let asked = read("after=7&epoch=e%2F1&purged=3&limit=10000&wait=60s&edge=envoy-1").unwrap();
        assert_eq!((asked.after, asked.rows_max, asked.wait), (Cursor(7), 10_000, Duration::from_secs(60)));
        assert_eq!(asked.purged, Some(Cursor(3)));
        assert_eq!(asked.epoch, Epoch::try_from("e/1".to_owned()).ok());
        assert_eq!(edge_name(&asked), Some("envoy-1"));
        assert!(!asked.is_leaving);
        let nothing = read("").unwrap();
        assert_eq!((nothing.after, nothing.rows_max, nothing.wait), (Cursor(0), 1_000, Duration::ZERO));
    }

    #[test]
    fn an_edge_says_which_instance_it_is_and_how_long_it_admits_and_an_older_filter_does_not() {
        let instance = "0123456789abcdef0123456789abcdef";
        let asked = read(&format!("edge=e&instance={instance}&refuse_after=1500ms&leaving=true")).unwrap();
        assert!(asked.is_leaving);
        let edge = asked.edge.unwrap();
        assert_eq!((edge.id.instance.as_str(), edge.refuse_after_ms), (instance, 1_500));
        let older = read("edge=e").unwrap().edge.unwrap();
        assert_eq!((older.id.instance.as_str(), older.refuse_after_ms), ("user:file:feed", 3_600_000));
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
            ("edge=e&instance=x", "[instance]: an instance is 32 lower-case hexadecimal digits"),
            (
                "edge=e&refuse_after=7201s",
                "[refuse_after] must not exceed 7200s, which is edges.refuse_after_max",
            ),
            ("edge=e&refuse_after=999ms", "[refuse_after] must be at least 1s"),
            ("edge=e&refuse_after=0ms", "[refuse_after] must be at least 1s"),
            ("leaving=true", "[leaving] needs an [edge]"),
            ("edge=e&leaving=true", "[leaving] needs an [instance]"),
            ("refuse_after=1s", "[refuse_after] needs an [edge]"),
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
