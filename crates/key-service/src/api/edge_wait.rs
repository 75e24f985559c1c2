//! The parameter `wait_for_edges`: to hold the answer to a change back until every edge has applied it.

use std::time::Duration;

use latchkey_key_feed::Cursor;
use serde::Serialize;

use crate::api::Service;
use crate::api::authenticated::Authenticated;
use crate::api::error::{ApiError, ErrorCause};
use crate::api::parameters::Parameters;
use crate::feed::edge_wait::{EdgeWait, EdgesReached};
use crate::limits::{EDGE_WAIT_MAX, EDGES_MISSING_NAMED_MAX};
use crate::security::request::{ClusterRequest, GET_EDGES};

/// The name of the parameter.
const WAIT_FOR_EDGES: &str = "wait_for_edges";

/// How far a change has come, beside the usual fields of an answer.
#[derive(Serialize)]
pub(super) struct EdgesAnswer {
    total: usize,
    applied: usize,
    /// Sorted, at most [`EDGES_MISSING_NAMED_MAX`]. Absent for whoever may not see the edges: to end a key of one's own does not take
    /// knowing the names of proxies.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Vec<String>>,
    complete: bool,
}

/// How long to wait; `None` when it is not asked for.
pub(super) fn wait_for_edges(parameters: &mut Parameters) -> Result<Option<Duration>, ErrorCause> {
    let wait = parameters.time_value(WAIT_FOR_EDGES)?.map(|wait| wait.to_duration());
    if wait.is_some_and(|wait| wait > EDGE_WAIT_MAX) {
        return Err(ErrorCause::illegal_argument(format!(
            "[{WAIT_FOR_EDGES}] must not exceed {}s",
            EDGE_WAIT_MAX.as_secs()
        )));
    }
    Ok(wait)
}

impl Service {
    /// A place to wait for edges, to be taken before anything is changed.
    ///
    /// # Errors
    ///
    /// 429 when too many wait.
    pub(super) fn edge_wait(&self, wait: Option<Duration>) -> Result<Option<EdgeWait<'_>>, ApiError> {
        Ok(wait.map(|wait| self.feed.edge_wait(wait)).transpose()?)
    }

    /// What to answer once a change is durable: after the wait, or at once without a place.
    ///
    /// # Errors
    ///
    /// When the store cannot tell its latest change.
    pub(super) async fn edges_reached(
        &self,
        wait: Option<EdgeWait<'_>>,
        change: Option<Cursor>,
        authenticated: &Authenticated,
    ) -> Result<Option<EdgesAnswer>, ApiError> {
        let Some(wait) = wait else { return Ok(None) };
        let reached = wait.until_applied(change, self.clock.now()).await?;
        let may_see_names = authenticated.may(&ClusterRequest::Other(GET_EDGES));
        Ok(Some(EdgesAnswer::of(&reached, may_see_names)))
    }
}

impl EdgesAnswer {
    fn of(EdgesReached { total, missing, is_complete }: &EdgesReached, may_see_names: bool) -> Self {
        let named = missing.iter().take(EDGES_MISSING_NAMED_MAX).map(|name| name.as_str().to_owned());
        Self {
            total: *total,
            applied: total.saturating_sub(missing.len()),
            missing: may_see_names.then(|| named.collect()),
            complete: *is_complete,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::edge_name::EdgeName;

    #[test]
    fn a_wait_ends_at_its_limit() {
        for (query, expected) in [
            ("", Ok(None)),
            ("wait_for_edges=5s", Ok(Some(Duration::from_secs(5)))),
            ("wait_for_edges=60s", Ok(Some(Duration::from_secs(60)))),
            ("wait_for_edges=0", Ok(Some(Duration::ZERO))),
            ("wait_for_edges=61s", Err("[wait_for_edges] must not exceed 60s".to_owned())),
            (
                "wait_for_edges=5",
                Err("failed to parse setting [wait_for_edges] with value [5] as a time value: unit is missing or unrecognized".to_owned()),
            ),
        ] {
            let read = wait_for_edges(&mut Parameters::new("/_security/api_key", query));
            assert_eq!(read.map_err(|cause| cause.reason().to_owned()), expected, "{query}");
        }
    }

    #[test]
    fn names_some_of_the_missing_and_counts_all() {
        let name = |number: usize| EdgeName::try_from(format!("e{number:04}")).unwrap();
        let missing: Vec<EdgeName> = (0..EDGES_MISSING_NAMED_MAX + 5).map(name).collect();
        let reached = EdgesReached { total: missing.len() + 2, missing, is_complete: true };
        let answer = EdgesAnswer::of(&reached, true);
        assert_eq!((answer.total, answer.applied), (EDGES_MISSING_NAMED_MAX + 7, 2));
        let named = answer.missing.unwrap();
        assert_eq!((named.len(), named[0].as_str()), (EDGES_MISSING_NAMED_MAX, "e0000"));
        assert_eq!(EdgesAnswer::of(&reached, false).missing, None);
    }
}
