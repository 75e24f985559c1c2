//! What is known of the feed in this process, and that the store still has it.
//!
//! A failover to a standby that lagged takes changes back, and so does a restore. Further changes then get
//! the numbers of those that were lost, and an edge that has read the lost ones would take them for the
//! same. So whoever meets a number that was seen before gives the feed another epoch, and every edge loads
//! all keys again. What was lost is lost: only the database could have kept it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use latchkey_key_feed::{Cursor, Epoch};
use tokio::sync::watch;

use crate::audit::{Actor, ChangeAction, ChangeEvent, operations};
use crate::store::StoreError;
use crate::store::replicas::{announce, replaced};
use crate::store::sql::{SqlStore, feed_reader, import, postgres};

/// What is known of the feed. Clones share it.
#[derive(Clone, derive_more::Debug)]
#[debug("HeardFeed")]
pub(in crate::store) struct HeardFeed {
    epoch: Arc<watch::Sender<Epoch>>,
    changes: Arc<watch::Sender<Cursor>>,
    seen: Arc<Mutex<Seen>>,
    spare: Epoch,
    /// How many epochs this process has begun.
    begun: Arc<AtomicU32>,
}

/// An epoch, and the latest change of it that was durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Seen {
    epoch: Epoch,
    latest: Cursor,
}

impl HeardFeed {
    pub(super) fn new(
        epoch: Arc<watch::Sender<Epoch>>,
        changes: Arc<watch::Sender<Cursor>>,
        spare: Epoch,
    ) -> Self {
        let seen = Seen { epoch: epoch.borrow().clone(), latest: *changes.borrow() };
        Self { epoch, changes, seen: Arc::new(Mutex::new(seen)), spare, begun: Arc::default() }
    }

    /// What is known now. What is read from the store after this is not older, unless changes were lost.
    pub(in crate::store) fn seen(&self) -> Seen {
        self.known().clone()
    }

    pub(super) fn is_of(&self, epoch: &Epoch) -> bool {
        self.known().epoch == *epoch
    }

    /// Reads the epoch and position of the feed.
    pub(super) async fn look(&self, database: &SqlStore) -> Result<(), StoreError> {
        let seen = self.seen();
        let state = feed_reader::latest_state(database).await?;
        if state.epoch == seen.epoch && state.latest < seen.latest {
            return self.begin_epoch(database, &seen, state.latest).await;
        }
        self.note(state.epoch, state.latest);
        Ok(())
    }

    /// Compares a change that has just become durable with what was known before.
    pub(in crate::store) async fn compare(
        &self,
        database: &SqlStore,
        seen: &Seen,
        change: Cursor,
    ) -> Result<(), StoreError> {
        if change > seen.latest { Ok(()) } else { self.begin_epoch(database, seen, change).await }
    }

    /// Notes how far the feed is.
    pub(super) fn note(&self, epoch: Epoch, latest: Cursor) {
        {
            let mut seen = self.known();
            let latest = if seen.epoch == epoch { latest.max(seen.latest) } else { latest };
            *seen = Seen { epoch: epoch.clone(), latest };
        }
        if self.epoch.send_if_modified(|known| replaced(known, epoch)) {
            self.changes.send_if_modified(|known| replaced(known, latest));
        } else {
            announce(&self.changes, latest);
        }
    }

    /// Gives the feed another epoch, unless somebody did already.
    async fn begin_epoch(&self, database: &SqlStore, seen: &Seen, found: Cursor) -> Result<(), StoreError> {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        let epoch = Epoch::try_from(format!("{}.{number}", self.spare.as_str()));
        let epoch = epoch.map_err(|_| StoreError::Corrupt("epoch"))?;
        let at = postgres::now(database).await?;
        let event =
            ChangeEvent { at, action: ChangeAction::BeginEpoch, actor: Actor::service(), key_ids: vec![] };
        match import::begin_epoch_after(database, &seen.epoch, &epoch, &event).await? {
            Some(latest) => {
                tracing::error!(
                    seen = seen.latest.0,
                    found = found.0,
                    "the database has lost changes; every edge loads all keys again"
                );
                operations::record_epoch(&event);
                self.note(epoch, latest);
            }
            None => {
                let state = feed_reader::latest_state(database).await?;
                self.note(state.epoch, state.latest);
            }
        }
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
