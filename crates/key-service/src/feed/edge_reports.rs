//! What edges say of themselves: their version, how often keys were used there, and what they refuse.
//!
//! An edge tells one replica, which has it in memory and tells no other. It is for people who look at the
//! fleet; nothing depends on it.

use std::collections::BTreeMap;

use latchkey_edge_ledger::limits::EDGES_MAX;
use latchkey_edge_ledger::{EdgeId, Holder, Moment};
use latchkey_key_feed::{EdgeInstance, EdgeName, MonotonicMillis, RefusalCounts, UnixMillis};

use crate::feed::register::EdgeRegister;
use crate::limits::edge_limits::EDGE_IDLE_AFTER;
use crate::model::filter_version::FilterVersion;

/// What edges have said, at most [`EDGES_MAX`] of them.
#[derive(Debug)]
pub(super) struct EdgeReports {
    edges: BTreeMap<EdgeId, EdgeSays>,
    edges_max: usize,
}

/// What one edge has said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct EdgeSays {
    /// Which version it runs.
    pub version: Option<FilterVersion>,
    /// What its reports of uses say.
    pub reported: Option<Reported>,
}

/// What an edge has reported since this replica first heard a report of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reported {
    /// When that was.
    pub since: UnixMillis,
    /// When it last reported.
    last: MonotonicMillis,
    /// How many uses a second there were in the time of its last report, if that time is known.
    pub uses_per_second: Option<f64>,
    /// How many requests had a wrong secret.
    pub wrong_secrets: u64,
    /// How many keys its table has.
    pub keys: Option<u64>,
    /// How many requests it has refused; `None` when it does not say.
    pub refused: Option<RefusalCounts>,
}

/// One report of an edge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EdgeReport {
    /// Requests that proved a key.
    pub proven: u64,
    /// Requests that had a wrong secret.
    pub wrong_secrets: u64,
    /// What it says of itself, unless it is an older filter.
    pub of_itself: Option<OfItself>,
}

/// What an edge says of itself beside the uses of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OfItself {
    /// Which instance it is.
    pub instance: Option<EdgeInstance>,
    /// The time that the report is about.
    pub over_ms: Option<u64>,
    /// How many keys its table has.
    pub keys: Option<u64>,
    /// How many requests it has refused in that time.
    pub refused: RefusalCounts,
}

impl Default for EdgeReports {
    fn default() -> Self {
        Self { edges: BTreeMap::new(), edges_max: EDGES_MAX }
    }
}

impl EdgeReports {
    fn note_version(&mut self, edge: &EdgeId, version: &FilterVersion) {
        let Some(says) = self.of_mut(edge) else { return };
        if says.version.as_ref() != Some(version) {
            says.version = Some(version.clone());
        }
    }

    fn note_report(&mut self, edge: &EdgeId, report: &EdgeReport, now: Moment) {
        let Some(says) = self.of_mut(edge) else { return };
        let is_first = says.reported.is_none();
        says.reported.get_or_insert_with(|| Reported::none_at(now)).add(report, is_first, now);
    }

    fn of(&self, edge: &EdgeId, now: MonotonicMillis) -> EdgeSays {
        let mut says = self.edges.get(edge).cloned().unwrap_or_default();
        if let Some(reported) = &mut says.reported {
            reported.note_silence(now);
        }
        says
    }

    /// Forgets edges that are not remembered any more.
    fn retain(&mut self, is_known: impl Fn(&EdgeId) -> bool) {
        self.edges.retain(|edge, _| is_known(edge));
    }

    /// What an edge has said; `None` when there is no room for one more.
    fn of_mut(&mut self, edge: &EdgeId) -> Option<&mut EdgeSays> {
        if self.edges.len() >= self.edges_max && !self.edges.contains_key(edge) {
            return None;
        }
        Some(self.edges.entry(edge.clone()).or_default())
    }
}

impl Reported {
    fn none_at(now: Moment) -> Self {
        Self {
            since: now.wall,
            last: now.steady,
            uses_per_second: None,
            wrong_secrets: 0,
            keys: None,
            refused: None,
        }
    }

    fn add(&mut self, report: &EdgeReport, is_first: bool, now: Moment) {
        let EdgeReport { proven, wrong_secrets, of_itself } = report;
        // An older filter does not say over which time it has counted: that is the time since its last report.
        let since_last = (!is_first).then(|| now.steady.millis_since(self.last));
        let over_ms = of_itself.as_ref().and_then(|itself| itself.over_ms).or(since_last);
        self.uses_per_second = over_ms.filter(|over_ms| *over_ms > 0).map(|over_ms| rate(*proven, over_ms));
        self.wrong_secrets = self.wrong_secrets.saturating_add(*wrong_secrets);
        self.last = now.steady;
        if let Some(OfItself { keys, refused, .. }) = of_itself {
            self.keys = keys.or(self.keys);
            self.refused.get_or_insert_default().merge(refused);
        }
    }

    /// An edge that has nothing to tell does not report: then no keys are used there.
    fn note_silence(&mut self, now: MonotonicMillis) {
        if now.millis_since(self.last) >= EDGE_IDLE_AFTER.as_millis().try_into().unwrap_or(u64::MAX) {
            self.uses_per_second = self.uses_per_second.map(|_| 0.0);
        }
    }
}

/// To two decimals.
#[expect(clippy::cast_precision_loss, reason = "a rate is rounded anyway")]
fn rate(count: u64, over_ms: u64) -> f64 {
    (count as f64 * 100_000.0 / over_ms as f64).round() / 100.0
}

impl EdgeRegister {
    /// Notes the version that an edge runs, if this is one that asks with that credential.
    pub(crate) fn note_version(&self, edge: &EdgeId, holder: &Holder, version: &FilterVersion) -> bool {
        let is_known = self.ledger().is_instance_of(edge, holder);
        if is_known {
            self.reports().note_version(edge, version);
        }
        is_known
    }

    /// Notes what an edge has reported. One that does not say which instance it is must be the only one of its
    /// name that asks with its credential.
    pub(crate) fn note_report(&self, name: &EdgeName, holder: &Holder, report: &EdgeReport) {
        let now = self.now();
        let instance = report.of_itself.as_ref().and_then(|itself| itself.instance.clone());
        let edge = match instance {
            Some(instance) => {
                let edge = EdgeId { name: name.clone(), instance: instance.into() };
                self.ledger().is_instance_of(&edge, holder).then_some(edge)
            }
            None => self.ledger().only_instance_of(name, holder, now),
        };
        if let Some(edge) = edge {
            self.reports().note_report(&edge, report, now);
        }
    }

    /// What each of these edges has said to this replica.
    pub(crate) fn said<'a>(&self, edges: impl Iterator<Item = &'a EdgeId>) -> Vec<EdgeSays> {
        let (reports, now) = (self.reports(), self.now().steady);
        edges.map(|edge| reports.of(edge, now)).collect()
    }

    /// Forgets what was said by edges that are not remembered any more.
    pub(super) fn forget_reports(&self) {
        let ledger = self.ledger();
        self.reports().retain(|edge| ledger.knows(edge));
    }
}

#[cfg(test)]
mod tests {
    use latchkey_edge_ledger::InstanceId;

    use super::*;

    fn edge(number: u128) -> EdgeId {
        EdgeId {
            name: EdgeName::try_from("edge".to_owned()).unwrap(),
            instance: InstanceId::try_from(format!("{number:032x}")).unwrap(),
        }
    }

    fn moment(millis: u64) -> Moment {
        Moment { wall: UnixMillis(1_000 + millis), steady: MonotonicMillis(millis) }
    }

    fn report(proven: u64, wrong_secrets: u64, over_ms: Option<u64>) -> EdgeReport {
        let mut refused = RefusalCounts::default();
        refused.add("key_unknown", proven);
        let of_itself = over_ms.map(|_| OfItself { instance: None, over_ms, keys: Some(proven), refused });
        EdgeReport { proven, wrong_secrets, of_itself }
    }

    #[test]
    fn reports_add_up_and_the_rate_is_that_of_the_last() {
        let mut reports = EdgeReports::default();
        reports.note_report(&edge(1), &report(25, 1, Some(10_000)), moment(5));
        let first = reports.of(&edge(1), MonotonicMillis(5)).reported.unwrap();
        assert_eq!((first.uses_per_second, first.wrong_secrets, first.keys), (Some(2.5), 1, Some(25)));
        reports.note_report(&edge(1), &report(3, 2, Some(9_000)), moment(9_005));
        let second = reports.of(&edge(1), MonotonicMillis(9_005)).reported.unwrap();
        assert_eq!((second.uses_per_second, second.wrong_secrets, second.keys), (Some(0.33), 3, Some(3)));
        assert_eq!(second.refused.unwrap().iter().collect::<Vec<_>>(), [("key_unknown", 28)]);
        assert_eq!(second.since, UnixMillis(1_005), "when the first report came");
        let idle = 9_005 + EDGE_IDLE_AFTER.as_millis() as u64;
        let silent = reports.of(&edge(1), MonotonicMillis(idle)).reported.unwrap();
        assert_eq!((silent.uses_per_second, silent.wrong_secrets), (Some(0.0), 3));
        assert_eq!(reports.of(&edge(2), MonotonicMillis(idle)), EdgeSays::default());
    }

    #[test]
    fn the_rate_of_an_older_filter_is_that_since_its_last_report() {
        let mut reports = EdgeReports::default();
        reports.note_report(&edge(1), &report(5, 0, None), moment(0));
        let first = reports.of(&edge(1), MonotonicMillis(0)).reported.unwrap();
        assert_eq!((first.uses_per_second, first.keys, first.refused), (None, None, None));
        reports.note_report(&edge(1), &report(5, 0, None), moment(10_000));
        let second = reports.of(&edge(1), MonotonicMillis(10_000)).reported.unwrap();
        assert_eq!(second.uses_per_second, Some(0.5));
    }

    #[test]
    fn what_more_edges_say_than_there_may_be_is_not_kept() {
        let mut reports = EdgeReports { edges_max: 2, ..EdgeReports::default() };
        let version = FilterVersion::of_user_agent(b"latchkey-filter/1.0.0").unwrap();
        for number in 1..=3 {
            reports.note_version(&edge(number), &version);
        }
        let said = |reports: &EdgeReports, number| reports.of(&edge(number), MonotonicMillis(0)).version;
        assert_eq!((said(&reports, 2), said(&reports, 3)), (Some(version.clone()), None));
        reports.retain(|known| *known == edge(2));
        reports.note_version(&edge(3), &version);
        assert_eq!((said(&reports, 1), said(&reports, 3)), (None, Some(version)));
    }
}
