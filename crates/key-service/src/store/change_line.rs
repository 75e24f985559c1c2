//! The way of a change of keys to the line in which changes are written.
//!
//! Invalidations have places of their own, and go first (`group_commit`). Nobody takes all places, and of changes that fill a group
//! alone one is in the line for each who asks: whoever asks for many large ones waits for himself, and others pass.

use latchkey_effort::Payer;
use tracing::Instrument as _;

use crate::limits::{CHANGES_WAITING_MAX, CHANGES_WAITING_PER_PAYER_MAX, LARGE_CHANGES_MAX};
use crate::shares::Shares;
use crate::store::StoreError;
use crate::store::change::{Change, Done};
use crate::store::group_commit::GroupCommit;
use crate::store::ledger::KeyLedger;
use crate::turns::{Turn, Turns};

/// Where changes of keys wait for each other. Clones are the same line.
#[derive(Clone, Debug)]
pub(super) struct ChangeLine {
    line: GroupCommit<KeyLedger>,
    invalidations: Way,
    others: Way,
}

/// How a kind of changes comes to the line.
#[derive(Clone, Debug)]
struct Way {
    places: Shares<Payer>,
    large: Turns,
}

impl ChangeLine {
    /// Opens a line to this ledger.
    pub(super) fn begin(ledger: KeyLedger) -> Self {
        Self { line: GroupCommit::begin(ledger), invalidations: Way::new(), others: Way::new() }
    }

    /// A turn to look up what a large change of other things than the end of keys is about.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooManyChanges`] when too many wait for one.
    pub(super) async fn turn(&self, payer: &Payer) -> Result<Turn, StoreError> {
        self.others.large.take(payer).await.map_err(|_| StoreError::TooManyChanges)
    }

    /// Makes a change, and waits until it is durable. Once this was polled the change is made, also when the caller goes away.
    ///
    /// # Errors
    ///
    /// As of [`GroupCommit::write`].
    pub(super) async fn write(&self, mut change: Change) -> Result<Done, StoreError> {
        let payer = change.payer();
        let Way { places, large } = if change.ends_keys() { &self.invalidations } else { &self.others };
        // The place goes with the change, which is made also when the caller has gone.
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
