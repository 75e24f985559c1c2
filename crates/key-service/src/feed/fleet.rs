//! What a feed knows of its edges.

use latchkey_edge_ledger::EdgeStatus;

use crate::feed::propagation::{ChangeSummary, ChangeTimes};
use crate::feed::register::EdgeRegister;
use crate::limits::edge_limits::CHANGES_SUMMED_UP_MAX;
use crate::store::StoreError;
use latchkey_edge_ledger::EdgeCounts;
use latchkey_key_feed::{Cursor, Epoch};

/// All edges at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fleet {
    /// The epoch of the cursors.
    pub epoch: Epoch,
    /// The position of the latest change.
    pub latest: Cursor,
    /// Whether every edge that may admit is among them.
    pub is_complete: bool,
    /// The edges in numbers.
    pub counts: EdgeCounts,
    /// Sorted by name; at most [`latchkey_edge_ledger::limits::EDGES_MAX`].
    pub edges: Vec<EdgeStatus>,
}

impl Fleet {
    /// Whether each of the edges has applied a change, in their order. This is the truth, wherever the edge
    /// asks and however long ago the change was made.
    pub(crate) fn applied(&self, change: Cursor) -> impl Iterator<Item = bool> {
        self.edges.iter().map(move |edge| edge.acknowledged >= change)
    }
}

impl EdgeRegister {
    /// The edges as they are now.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell its latest change.
    pub(crate) async fn fleet(&self) -> Result<Fleet, StoreError> {
        let has_heard = self.hear_others().await;
        let latest = self.store.latest().await?;
        let now = self.now();
        let ledger = self.ledger();
        Ok(Fleet {
            epoch: self.store.epoch(),
            latest,
            is_complete: has_heard && ledger.is_sure(now),
            counts: ledger.counts(latest, now),
            edges: ledger.list(latest, now),
        })
    }

    /// How far a change has come to these edges, as far as this replica has timed it.
    pub(crate) fn times_of(&self, change: Cursor, edges: &[EdgeStatus]) -> Option<ChangeTimes> {
        self.recent().ask_for(change, edges.iter().map(|edge| &edge.id))
    }

    /// The latest changes that this replica has timed, the oldest first.
    pub(crate) fn latest_changes(&self) -> Vec<ChangeSummary> {
        self.recent().latest(CHANGES_SUMMED_UP_MAX)
    }

    /// The edges in numbers, where `latest` is the position of the latest change.
    #[must_use]
    pub(crate) fn counts(&self, latest: Cursor) -> EdgeCounts {
        self.ledger().counts(latest, self.now())
    }
}
