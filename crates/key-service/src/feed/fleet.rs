//! What a feed knows of its edges.

use latchkey_edge_ledger::EdgeStatus;

use crate::feed::register::EdgeRegister;
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

    /// The edges in numbers, where `latest` is the position of the latest change.
    #[must_use]
    pub(crate) fn counts(&self, latest: Cursor) -> EdgeCounts {
        self.ledger().counts(latest, self.now())
    }
}
