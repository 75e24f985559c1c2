//! The parameter `wait_for_edges`: to hold back the answer to a change until every edge has applied it.

use std::collections::BTreeSet;
use std::time::Duration;

use latchkey_edge_ledger::{MayAdmit, Waiting};
use latchkey_elastic::{ErrorCause, TimeValue};
use latchkey_key_feed::{Cursor, Epoch, UnixMillis};
use latchkey_privileges::cluster_request::{ClusterRequest, GET_EDGES};
use serde::Serialize;

use crate::api::call::{Allowed, Incoming};
use crate::api::error::ApiError;
use crate::api::parameters::{Parameters, Refresh};
use crate::feed::edge_wait::{EdgeWait, EdgesReached};
use crate::limits::edge_limits::{EDGE_WAIT_MAX, EDGES_MISSING_NAMED_MAX};

/// The name of the parameter.
const WAIT_FOR_EDGES: &str = "wait_for_edges";

/// How far a change has come, beside the usual fields of an answer.
#[derive(Serialize)]
pub(super) struct EdgesAnswer {
    epoch: Epoch,
    /// The position of the change in the feed; absent when nothing was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<Cursor>,
    total: usize,
    applied: usize,
    /// Sorted, of at most [`EDGES_MISSING_NAMED_MAX`] instances. Absent for callers who may not see the
    /// edges: nobody needs the names of proxies to end his own key.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<BTreeSet<String>>,
    complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    may_admit: Option<Vec<MayAdmitAnswer>>,
    /// The last moment at which one of them may admit, whether named or not; absent if none may.
    #[serde(skip_serializing_if = "Option::is_none")]
    may_admit_until: Option<UnixMillis>,
}

/// An instance that may still admit by the state before the change.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct MayAdmitAnswer {
    name: String,
    instance: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<String>,
    last_seen: UnixMillis,
    until: UnixMillis,
}

/// The wait for edges that a request asks for.
pub(super) struct AskedWait {
    wait: Duration,
    /// Whether the answer says how far the change has come.
    is_told: bool,
    waiting: Waiting,
}

/// How long to wait; `None` if the request does not ask for it.
fn wait_for_edges(parameters: &mut Parameters) -> Result<Option<Duration>, ErrorCause> {
    let wait = parameters.time_value(WAIT_FOR_EDGES)?;
    if wait.is_some_and(TimeValue::is_minus_one) {
        return Err(ErrorCause::illegal_argument(format!("[{WAIT_FOR_EDGES}] must not be negative")));
    }
    let wait = wait.map(|wait| wait.to_duration());
    if wait.is_some_and(|wait| wait > EDGE_WAIT_MAX) {
        return Err(ErrorCause::illegal_argument(format!(
            "[{WAIT_FOR_EDGES}] must not exceed {}s",
            EDGE_WAIT_MAX.as_secs()
        )));
    }
    Ok(wait)
}

impl AskedWait {
    /// Reads whether to wait for edges after a change of existing keys.
    pub(super) fn read(parameters: &mut Parameters) -> Result<Option<Self>, ErrorCause> {
        let wait = wait_for_edges(parameters)?;
        Ok(wait.map(|wait| Self { wait, is_told: true, waiting: Waiting::ForAll }))
    }

    /// The same for new keys. Only live edges matter, because an edge that does not know a key refuses it.
    /// `refresh=wait_for` waits for live edges if the operator chose so. With all other values of `refresh`,
    /// every later read sees the key.
    pub(super) fn read_of_new<B>(call: &mut Incoming<B>) -> Result<Option<Self>, ErrorCause> {
        let asked = Self::read(&mut call.parameters)?;
        let refresh = call.parameters.refresh()?;
        if let Some(asked) = asked {
            return Ok(Some(Self { waiting: Waiting::ForLive, ..asked }));
        }
        let wait = call.settings().edges.refresh_waits_for;
        let is_asked = refresh == Some(Refresh::WaitFor) && !wait.is_zero();
        Ok(is_asked.then_some(Self { wait, is_told: false, waiting: Waiting::ForLive }))
    }
}

/// What to answer once a change is durable: after the wait, or at once if too many requests wait.
///
/// # Errors
///
/// When the store cannot tell its latest change.
pub(super) async fn edges_reached(
    call: &Allowed,
    asked: Option<AskedWait>,
    change: Option<Cursor>,
) -> Result<Option<EdgesAnswer>, ApiError> {
    let Some(AskedWait { wait, is_told, waiting }) = asked else { return Ok(None) };
    let wait = EdgeWait::begin(&call.feed, wait, waiting, &call.authenticated.principal());
    let reached = wait.until_applied(change).await?;
    let may_see_names = call.authenticated.may(&ClusterRequest::Other(GET_EDGES));
    Ok(is_told.then(|| EdgesAnswer::of(&reached, may_see_names)))
}

impl EdgesAnswer {
    fn of(reached: &EdgesReached, may_see_names: bool) -> Self {
        let EdgesReached { total, missing, .. } = reached;
        let named = || missing.iter().take(EDGES_MISSING_NAMED_MAX);
        let may_admit = may_see_names && !missing.is_empty();
        Self {
            epoch: reached.epoch.clone(),
            cursor: reached.change,
            total: *total,
            applied: total.saturating_sub(missing.len()),
            missing: may_see_names.then(|| named().map(|edge| edge.id.name.as_str().to_owned()).collect()),
            complete: reached.is_complete(),
            may_admit: may_admit.then(|| named().map(MayAdmitAnswer::of).collect()),
            may_admit_until: missing.iter().map(|edge| edge.until).max(),
        }
    }
}

impl MayAdmitAnswer {
    fn of(MayAdmit { id, key, seen, until }: &MayAdmit) -> Self {
        Self {
            name: id.name.as_str().to_owned(),
            instance: id.instance_shown().to_owned(),
            api_key: key.as_ref().map(|key| key.as_str().to_owned()),
            last_seen: *seen,
            until: *until,
        }
    }
}

#[cfg(test)]
mod tests {
    use latchkey_edge_ledger::{EdgeId, InstanceId};
    use latchkey_key_feed::EdgeName;

    use super::*;

    #[test]
    fn a_wait_ends_at_its_limit() {
        for (query, expected) in [
            ("", Ok(None)),
            ("wait_for_edges=5s", Ok(Some(Duration::from_secs(5)))),
            ("wait_for_edges=60s", Ok(Some(Duration::from_secs(60)))),
            ("wait_for_edges=0", Ok(Some(Duration::ZERO))),
            ("wait_for_edges=61s", Err("[wait_for_edges] must not exceed 60s".to_owned())),
            ("wait_for_edges=-1", Err("[wait_for_edges] must not be negative".to_owned())),
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
        let edge = |number: usize| MayAdmit {
            id: EdgeId {
                name: EdgeName::try_from(format!("e{:04}", number / 2)).unwrap(),
                instance: InstanceId::try_from(format!("{number:032x}")).unwrap(),
            },
            key: (number == 1).then(|| "stolen".to_owned().try_into().unwrap()),
            seen: UnixMillis(5),
            until: UnixMillis(10 + number as u64),
        };
        let missing: Vec<MayAdmit> = (0..EDGES_MISSING_NAMED_MAX + 5).map(edge).collect();
        let epoch = Epoch::try_from("e".to_owned()).unwrap();
        let change = Some(Cursor(7));
        let reached = EdgesReached { total: missing.len() + 2, missing, is_sure: true, epoch, change };
        let answer = EdgesAnswer::of(&reached, true);
        assert_eq!((answer.total, answer.applied), (EDGES_MISSING_NAMED_MAX + 7, 2));
        assert!(!answer.complete);
        assert_eq!((answer.epoch.as_str(), answer.cursor), ("e", Some(Cursor(7))));
        let may_admit = answer.may_admit.unwrap();
        assert_eq!((may_admit.len(), may_admit[1].name.as_str()), (EDGES_MISSING_NAMED_MAX, "e0000"));
        assert_eq!(
            (may_admit[0].api_key.as_deref(), may_admit[1].api_key.as_deref()),
            (None, Some("stolen"))
        );
        assert_eq!(answer.missing.unwrap().len(), EDGES_MISSING_NAMED_MAX / 2, "each name once");
        assert_eq!(answer.may_admit_until, Some(UnixMillis(10 + EDGES_MISSING_NAMED_MAX as u64 + 4)));
        let without_names = EdgesAnswer::of(&reached, false);
        assert_eq!((without_names.missing, without_names.may_admit), (None, None));
        assert_eq!(without_names.may_admit_until, answer.may_admit_until);
    }
}
