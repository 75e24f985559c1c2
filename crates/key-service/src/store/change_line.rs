//! Admission of changes of keys to the queue in which they are written.
//!
//! Invalidations have permits of their own, and go first (`group_commit`). No payer can take all permits. Of
//! changes that fill a group alone, the queue holds one for each payer: a payer with many large changes waits
//! for its own, and others pass.

use latchkey_budget::Payer;
use tracing::Instrument as _;

use crate::limits::{CHANGES_WAITING_MAX, CHANGES_WAITING_PER_PAYER_MAX, LARGE_CHANGES_MAX};
use crate::shares::Shares;
use crate::store::StoreError;
use crate::store::change::{Change, Done};
use crate::store::group_commit::GroupCommit;
use crate::store::ledger::KeyLedger;
use crate::turns::{Turn, Turns};

/// The queue of changes of keys. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct ChangeLine {
    line: GroupCommit<KeyLedger>,
    invalidations: Way,
    others: Way,
}

/// The permits of a kind of changes.
#[derive(Clone, Debug)]
struct Way {
    places: Shares<Payer>,
    large: Turns,
}

impl ChangeLine {
    /// Opens a queue to this ledger.
    pub(super) fn begin(ledger: KeyLedger) -> Self {
        Self { line: GroupCommit::begin(ledger), invalidations: Way::new(), others: Way::new() }
    }

    /// A permit to look up what a large change is about that is not an invalidation.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooManyChanges`] when too many wait for one.
    pub(super) async fn turn(&self, payer: &Payer) -> Result<Turn, StoreError> {
        self.others.large.take(payer).await.map_err(|_| StoreError::TooManyChanges)
    }

    /// Makes a change, and waits until it is durable. Once this was polled the change is made, also when the
    /// caller goes away.
    ///
    /// # Errors
    ///
    /// As of [`GroupCommit::write`].
    pub(super) async fn write(&self, mut change: Change) -> Result<Done, StoreError> {
        let payer = change.payer();
        let Way { places, large } = if change.ends_keys() { &self.invalidations } else { &self.others };
        // The permit belongs to the change, which is made even if the caller is gone.
        change.place = Some(places.take(&payer).ok_or(StoreError::TooManyChanges)?);
        if !change.is_large() {
            return self.line.write(change).await;
        }
        let (line, large) = (self.line.clone(), large.clone());
        let write = async move {
            let _turn = large.take(&payer).await.map_err(|_| StoreError::TooManyChanges)?;
            line.write(change).await
        };
        let written = tokio::spawn(write.in_current_span()).await;
        written.map_err(|failed| StoreError::Unavailable(failed.into()))?
    }
}

impl Way {
    fn new() -> Self {
        Self {
            places: Shares::new(CHANGES_WAITING_MAX, CHANGES_WAITING_PER_PAYER_MAX),
            large: Turns::new(LARGE_CHANGES_MAX, 1),
        }
    }
}
