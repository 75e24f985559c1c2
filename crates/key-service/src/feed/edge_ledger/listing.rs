//! The list of edges for operators.

use latchkey_key_feed::{Cursor, UnixMillis};

use super::{EdgeLedger, EdgeProgress, EdgeState};
use crate::clock::Moment;
use crate::model::edge_id::{EdgeId, Holder};
use crate::telemetry::edge_metrics::EdgeCounts;

/// An instance in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EdgeStatus {
    /// Which.
    pub id: EdgeId,
    /// Whose credential it asks with.
    pub holder: Holder,
    /// It has applied every change up to here.
    pub acknowledged: Cursor,
    /// When it last asked.
    pub seen: UnixMillis,
    /// How many changes it has yet to apply.
    pub lag: u64,
    /// How it is.
    pub state: EdgeState,
}

impl EdgeLedger {
    /// All instances, sorted, where `latest` is the position of the latest change.
    #[must_use]
    pub(crate) fn list(&self, latest: Cursor, now: Moment) -> Vec<EdgeStatus> {
        let status = |(id, progress): (&EdgeId, &EdgeProgress)| EdgeStatus {
            id: id.clone(),
            holder: progress.holder.clone(),
            acknowledged: progress.acknowledged,
            seen: progress.seen,
            lag: progress.lag(latest),
            state: progress.state(now),
        };
        self.edges.iter().map(status).collect()
    }

    /// The ledger in numbers, where `latest` is the position of the latest change.
    #[must_use]
    pub(crate) fn counts(&self, latest: Cursor, now: Moment) -> EdgeCounts {
        let (known, of_key_max) = (self.edges.len(), self.most_of_one_holder());
        let mut counts = EdgeCounts { known, of_key_max, ..EdgeCounts::default() };
        for progress in self.edges.values() {
            match progress.state(now) {
                EdgeState::Live => {
                    let lag = progress.lag(latest);
                    counts.live += 1;
                    counts.current += usize::from(lag == 0);
                    counts.lag_max = counts.lag_max.max(lag);
                }
                EdgeState::Silent { .. } => counts.silent += 1,
                EdgeState::Gone => {}
            }
        }
        counts
    }
}
