//! Admission of changes of keys to the queue in which they are written.
//!
//! Invalidations have permits of their own, and go first (`group_commit`). No principal can take all permits.
//! Of changes that fill a group alone, the queue holds one for each principal: a principal with many large
//! changes waits for its own, and others pass.

use latchkey_budget::Principal;
use tracing::Instrument as _;

use crate::fair_permits::{FairPermits, Permit};
use crate::limits::{CHANGES_WAITING_MAX, CHANGES_WAITING_PER_PRINCIPAL_MAX, LARGE_CHANGES_MAX};
use crate::quota_permits::QuotaPermits;
use crate::store::StoreError;
use crate::store::change::{Change, Done};
use crate::store::group_commit::GroupCommit;
use crate::store::ledger::KeyLedger;

/// The queue of changes of keys. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct ChangeQueue {
    queue: GroupCommit<KeyLedger>,
    invalidations: ChangePermits,
    others: ChangePermits,
}

/// The permits of a kind of changes.
#[derive(Clone, Debug)]
struct ChangePermits {
    waiting: QuotaPermits<Principal>,
    large: FairPermits,
}

impl ChangeQueue {
    /// Opens a queue to this ledger.
    pub(super) fn begin(ledger: KeyLedger) -> Self {
        Self {
            queue: GroupCommit::begin(ledger),
            invalidations: ChangePermits::new(),
            others: ChangePermits::new(),
        }
    }

    /// A permit to look up what a large change is about that is not an invalidation.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooManyChanges`] when too many wait for one.
    pub(super) async fn lookup_permit(&self, principal: &Principal) -> Result<Permit, StoreError> {
        self.others.large.take(principal).await.map_err(|_| StoreError::TooManyChanges)
    }

    /// Makes a change, and waits until it is durable. Once this was polled the change is made, also when the
    /// caller goes away.
    ///
    /// # Errors
    ///
    /// As of [`GroupCommit::write`].
    pub(super) async fn write(&self, mut change: Change) -> Result<Done, StoreError> {
        let principal = change.principal();
        let ChangePermits { waiting, large } =
            if change.ends_keys() { &self.invalidations } else { &self.others };
        // The permit belongs to the change, which is made even if the caller is gone.
        change.waiting_permit = Some(waiting.take(&principal).ok_or(StoreError::TooManyChanges)?);
        if !change.is_large() {
            return self.queue.write(change).await;
        }
        let (queue, large) = (self.queue.clone(), large.clone());
        let write = async move {
            let _permit = large.take(&principal).await.map_err(|_| StoreError::TooManyChanges)?;
            queue.write(change).await
        };
        let written = tokio::spawn(write.in_current_span()).await;
        written.map_err(|failed| StoreError::Unavailable(failed.into()))?
    }
}

impl ChangePermits {
    fn new() -> Self {
        Self {
            waiting: QuotaPermits::new(CHANGES_WAITING_MAX, CHANGES_WAITING_PER_PRINCIPAL_MAX),
            large: FairPermits::new(LARGE_CHANGES_MAX, 1),
        }
    }
}
