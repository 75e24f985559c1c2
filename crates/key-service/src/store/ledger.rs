//! Writing changes of keys, a group at a time, and telling of them once they are durable.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use latchkey_key_feed::Cursor;
use tokio::sync::watch;

use crate::audit::{self, ChangeEvent};
use crate::limits::RETRY_PAUSE;
use crate::store::change::{Change, Done};
use crate::store::group_commit::Ledger;
use crate::store::replicas::HeardFeed;
use crate::store::sql::{SqlStore, group};
use crate::store::{StoreError, failed_precondition, replicas};
use crate::telemetry;

/// The keys of the database, and the channel that announces their changes.
pub(super) struct KeyLedger {
    pub(super) database: SqlStore,
    pub(super) changes: Arc<watch::Sender<Cursor>>,
    pub(super) health: ChangeHealth,
    /// What is known of the feed where others may change it too.
    pub(super) heard: Option<HeardFeed>,
}

/// Whether the database takes changes, according to the latest one, and whether it has shown damage. Clones
/// share it.
#[derive(Clone, Debug, Default)]
pub(super) struct ChangeHealth(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    failed: Option<Instant>,
    is_damaged: bool,
}

/// The outcome of the latest change.
pub(super) enum Health {
    /// It went through.
    Good,
    /// It failed just now.
    Bad,
    /// It failed a while ago.
    Unknown,
    /// Part of what is stored is not readable any more, whatever became of it.
    Damaged,
}

impl Ledger for KeyLedger {
    type Change = Change;
    type Outcome = Done;

    fn keys_of(change: &Change) -> usize {
        change.keys()
    }

    fn is_urgent(change: &Change) -> bool {
        change.ends_keys()
    }

    fn len_of(change: &Change) -> usize {
        change.written_len()
    }

    async fn write(&self, group: Vec<Change>) -> Result<Vec<Result<Done, StoreError>>, StoreError> {
        let seen = self.heard.as_ref().map(HeardFeed::seen);
        let written = group::write_group(&self.database, &group).await;
        self.health.note(&written);
        let outcomes = written?;
        if let (Some(heard), Some(seen)) = (&self.heard, seen)
            && let Some(first) = outcomes.iter().flatten().filter_map(Done::cursor).min()
        {
            heard.compare(&self.database, &seen, first).await?;
        }
        // One waking for all of them.
        let latest = outcomes.iter().flatten().filter_map(Done::cursor).max();
        if let Some(latest) = latest {
            replicas::announce(&self.changes, latest);
        }
        for (change, outcome) in group.iter().zip(&outcomes) {
            let ChangeEvent { action, actor, .. } = &change.event;
            change.span.in_scope(|| failed_precondition::tell(outcome, action.into(), actor));
            if let Ok(Done { change: Some((_, event)), .. }) = outcome {
                change.span.in_scope(|| audit::record_change(event));
                telemetry::keys_changed(event.action, event.key_ids.len());
            }
        }
        Ok(outcomes)
    }
}

impl ChangeHealth {
    /// Remembers whether the database did its part in a change.
    pub(super) fn note<T>(&self, outcome: &Result<T, StoreError>) {
        let has_failed = matches!(outcome, Err(StoreError::Unavailable(_) | StoreError::Damaged(_)));
        self.noted().failed = has_failed.then(Instant::now);
    }

    /// Remembers, as long as the process lives, that the database has shown damage: it does not heal.
    pub(super) fn note_damage(&self) {
        if !mem::replace(&mut self.noted().is_damaged, true) {
            tracing::error!(
                "the store is damaged; restore it from a backup (the log says what was not readable)"
            );
        }
    }

    /// What is known.
    pub(super) fn get(&self) -> Health {
        match *self.noted() {
            Noted { is_damaged: true, .. } => Health::Damaged,
            Noted { failed: None, .. } => Health::Good,
            Noted { failed: Some(at), .. } if at.elapsed() < RETRY_PAUSE => Health::Bad,
            Noted { failed: Some(_), .. } => Health::Unknown,
        }
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
