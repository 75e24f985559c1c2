//! The list of edges as it is shown.

use std::collections::BTreeMap;

use latchkey_edge_ledger::{EdgeState, EdgeStatus};
use latchkey_key_feed::{Cursor, Epoch, UnixMillis};
use serde::Serialize;

use crate::feed::edge_reports::EdgeSays;
use crate::feed::fleet::Fleet;
use crate::feed::propagation::{ChangeSummary, ChangeTimes};
use crate::feed::register::EdgeRegister;
use crate::model::filter_version::FilterVersion;

#[derive(Serialize)]
pub(super) struct FleetAnswer<'a> {
    epoch: &'a Epoch,
    cursor: Cursor,
    complete: bool,
    total: usize,
    live: usize,
    current: usize,
    silent: usize,
    /// The change that is asked about, if this replica remembers it.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<ChangeAnswer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Vec<SummaryAnswer>>,
    edges: Vec<EdgeAnswer<'a>>,
}

#[derive(Serialize)]
struct ChangeAnswer {
    cursor: Cursor,
    at: UnixMillis,
}

#[derive(Serialize)]
struct SummaryAnswer {
    cursor: Cursor,
    at: UnixMillis,
    edges: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    median_ms: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_ms: Option<u32>,
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
    /// Whether it has the change that is asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    applied: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    applied_after_ms: Option<u32>,
    #[serde(flatten)]
    said: SaidAnswer<'a>,
}

/// What an edge has said of itself to this replica.
#[derive(Default, Serialize)]
struct SaidAnswer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uses_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wrong_secrets: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    denied: Option<BTreeMap<&'static str, u64>>,
    /// Since when the two before are counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    counted_since: Option<UnixMillis>,
}

/// The change that is asked about: which edges have it, and how long each took.
pub(super) struct WatchedChange {
    change: Cursor,
    applied: Vec<bool>,
    times: Option<ChangeTimes>,
}

impl WatchedChange {
    pub(super) fn of(change: Cursor, fleet: &Fleet, register: &EdgeRegister) -> Self {
        let times = register.times_of(change, &fleet.edges);
        Self { change, applied: fleet.applied(change).collect(), times }
    }

    fn shown(&self) -> Option<ChangeAnswer> {
        let times = self.times.as_ref()?;
        Some(ChangeAnswer { cursor: self.change, at: times.at })
    }

    /// Whether the edge at this place has the change, and how long it took if that is known.
    fn at(&self, place: usize) -> (Option<bool>, Option<u32>) {
        let applied = self.applied.get(place).copied();
        let taken = self.times.as_ref().and_then(|times| times.taken_ms.get(place).copied().flatten());
        (applied, taken.filter(|_| applied == Some(true)))
    }
}

impl<'a> FleetAnswer<'a> {
    pub(super) fn of(
        fleet: &'a Fleet,
        said: &'a [EdgeSays],
        watched: Option<&WatchedChange>,
        changes: Option<&[ChangeSummary]>,
    ) -> Self {
        let edges = fleet.edges.iter().enumerate().map(|(place, edge)| {
            let (applied, applied_after_ms) = watched.map_or((None, None), |watched| watched.at(place));
            let said = said.get(place).map(SaidAnswer::of).unwrap_or_default();
            let shown = EdgeAnswer::of(edge);
            // Of one that has not answered it matters, long before it counts as silent.
            let until = shown.until.or((shown.live && applied == Some(false)).then_some(edge.until));
            EdgeAnswer { until, applied, applied_after_ms, said, ..shown }
        });
        Self {
            epoch: &fleet.epoch,
            cursor: fleet.latest,
            complete: fleet.is_complete,
            total: fleet.counts.known,
            live: fleet.counts.live,
            current: fleet.counts.current,
            silent: fleet.counts.silent,
            change: watched.and_then(WatchedChange::shown),
            changes: changes.map(|changes| changes.iter().map(SummaryAnswer::from).collect()),
            edges: edges.collect(),
        }
    }
}

impl From<&ChangeSummary> for SummaryAnswer {
    fn from(summary: &ChangeSummary) -> Self {
        let ChangeSummary { cursor, at, edges, median_ms, max_ms } = *summary;
        Self { cursor, at, edges, median_ms, max_ms }
    }
}

impl<'a> SaidAnswer<'a> {
    fn of(EdgeSays { version, reported }: &'a EdgeSays) -> Self {
        let reported = reported.as_ref();
        Self {
            version: version.as_ref().map(FilterVersion::as_str),
            keys: reported.and_then(|reported| reported.keys),
            uses_per_second: reported.and_then(|reported| reported.uses_per_second),
            wrong_secrets: reported.map(|reported| reported.wrong_secrets),
            denied: reported.and_then(|reported| Some(reported.refused.as_ref()?.iter().collect())),
            counted_since: reported.map(|reported| reported.since),
        }
    }
}

impl<'a> EdgeAnswer<'a> {
    fn of(EdgeStatus { id, holder, acknowledged, seen, lag, state, .. }: &'a EdgeStatus) -> Self {
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
            applied: None,
            applied_after_ms: None,
            said: SaidAnswer::default(),
        }
    }
}
