//! The queue in which changes wait, so that many share one transaction and one wait for the disk.
//!
//! A change goes to the end of the queue. One task takes what waits at its front as a group, writes the
//! group, and gives each change its own outcome, after the commit and never before it. While a group is
//! written the next one gathers, so groups grow with the load. A change that comes alone waits for nothing.
//!
//! Urgent changes go first, so that they never wait for all the others. After a group of urgent changes only,
//! one of the others is due.
//!
//! A change in the queue is made whether or not somebody still waits for the answer.

use std::error::Error;
use std::sync::Arc;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use crate::limits::{CHANGES_WAITING_MAX, GROUP_KEYS_MAX, GROUP_LEN_MAX};
use crate::store::StoreError;

/// What changes are written to.
pub(super) trait Ledger: Send + Sync + 'static {
    /// What waits.
    type Change: Send + 'static;
    /// The outcome of a change that was written.
    type Outcome: Send + 'static;

    /// Whether a change goes before others.
    fn is_urgent(change: &Self::Change) -> bool;

    /// How many keys a change is about; [`usize::MAX`] when that is unknown.
    fn keys_of(change: &Self::Change) -> usize;

    /// How many bytes of texts a change brings, at most.
    fn len_of(change: &Self::Change) -> usize;

    /// Writes changes, in their order and all in one transaction, and gives the outcome of each. A change
    /// that is refused leaves no trace and takes nothing from the others. After an error none of them counts
    /// as written.
    fn write(
        &self,
        group: Vec<Self::Change>,
    ) -> impl Future<Output = Result<Vec<Result<Self::Outcome, StoreError>>, StoreError>> + Send;
}

/// The sender of the queue. The queue lasts as long as one of its clones.
#[derive(derive_more::Debug)]
#[debug("GroupCommit")]
pub(super) struct GroupCommit<L: Ledger> {
    urgent: mpsc::Sender<Waiting<L>>,
    others: mpsc::Sender<Waiting<L>>,
}

/// A change in the queue, and the channel for its outcome.
struct Waiting<L: Ledger> {
    change: L::Change,
    answer: oneshot::Sender<Result<L::Outcome, StoreError>>,
}

/// The receiver of the queue.
struct Front<L: Ledger> {
    urgent: Row<L>,
    others: Row<L>,
    /// Whether the last group had urgent changes only.
    others_are_due: bool,
}

/// Changes in the order in which they came.
struct Row<L: Ledger> {
    changes: mpsc::Receiver<Waiting<L>>,
    /// A change that was too large for the last group.
    first: Option<Waiting<L>>,
}

/// What is written together.
struct Group<L: Ledger> {
    changes: Vec<Waiting<L>>,
    keys: usize,
    len: usize,
}

/// Why a group failed, for each of its changes.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the transaction that the change was part of failed")]
struct GroupFailed(#[source] Arc<dyn Error + Send + Sync>);

impl<L: Ledger> GroupCommit<L> {
    /// Opens a queue to this ledger.
    pub(super) fn begin(ledger: L) -> Self {
        let (urgent, urgent_changes) = mpsc::channel(CHANGES_WAITING_MAX);
        let (others, other_changes) = mpsc::channel(CHANGES_WAITING_MAX);
        let (urgent_row, other_row) = (Row::of(urgent_changes), Row::of(other_changes));
        let front = Front { urgent: urgent_row, others: other_row, others_are_due: false };
        tokio::spawn(write_groups(Arc::new(ledger), front));
        Self { urgent, others }
    }

    /// Puts a change into the queue, and waits until it is durable. Once this was polled the change is made,
    /// even if the caller goes away.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooManyChanges`] when the queue is full; the change was not made then. Other errors say
    /// why it was not made; when the commit itself failed, it is not known whether it was.
    pub(super) async fn write(&self, change: L::Change) -> Result<L::Outcome, StoreError> {
        let (answer, written) = oneshot::channel();
        let line = if L::is_urgent(&change) { &self.urgent } else { &self.others };
        line.try_send(Waiting { change, answer }).map_err(|refused| match refused {
            TrySendError::Full(_) => StoreError::TooManyChanges,
            TrySendError::Closed(_) => StoreError::Unavailable("nobody writes changes any more".into()),
        })?;
        written.await.map_err(|gone| StoreError::Unavailable(gone.into()))?
    }
}

async fn write_groups<L: Ledger>(ledger: Arc<L>, mut front: Front<L>) {
    while let Some(group) = front.next_group().await {
        let (changes, answers): (Vec<_>, Vec<_>) =
            group.into_iter().map(|waiting| (waiting.change, waiting.answer)).unzip();
        let ledger = Arc::clone(&ledger);
        // In a task of its own, so that the queue survives when writing a group panics.
        let written = tokio::spawn(async move { ledger.write(changes).await });
        let outcomes = match written.await {
            Ok(Ok(outcomes)) => outcomes,
            Ok(Err(error)) => {
                let as_each = if matches!(error, StoreError::Damaged(_)) {
                    StoreError::Damaged
                } else {
                    StoreError::Unavailable
                };
                GroupFailed(Arc::new(error)).for_each(answers.len(), as_each)
            }
            Err(error) => GroupFailed(Arc::new(error)).for_each(answers.len(), StoreError::Unavailable),
        };
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            // The receiver is gone, so the outcome is not needed.
            let _ = answer.send(outcome);
        }
    }
}

impl<L: Ledger> Front<L> {
    /// Waits for a change, and takes what waits behind it as long as the group stays small. `None` once the
    /// queue is closed.
    async fn next_group(&mut self) -> Option<Vec<Waiting<L>>> {
        let mut group = Group::of(self.first().await?);
        for row in [&mut self.urgent, &mut self.others] {
            while let Some(next) = row.next() {
                if let Err(next) = group.add(next) {
                    row.first = Some(next);
                    break;
                }
            }
        }
        self.others_are_due = group.changes.iter().all(|waiting| L::is_urgent(&waiting.change));
        Some(group.changes)
    }

    async fn first(&mut self) -> Option<Waiting<L>> {
        let Self { urgent, others, others_are_due } = self;
        let (one, other) = if *others_are_due { (others, urgent) } else { (urgent, others) };
        match one.next().or_else(|| other.next()) {
            Some(first) => Some(first),
            None => tokio::select! {
                Some(first) = one.changes.recv() => Some(first),
                Some(first) = other.changes.recv() => Some(first),
                else => None,
            },
        }
    }
}

impl<L: Ledger> Row<L> {
    fn of(changes: mpsc::Receiver<Waiting<L>>) -> Self {
        Self { changes, first: None }
    }

    fn next(&mut self) -> Option<Waiting<L>> {
        self.first.take().or_else(|| self.changes.try_recv().ok())
    }
}

impl<L: Ledger> Group<L> {
    fn of(first: Waiting<L>) -> Self {
        let (keys, len) = (L::keys_of(&first.change), L::len_of(&first.change));
        Self { changes: vec![first], keys, len }
    }

    /// Takes one more, or gives back what would make the group too large.
    fn add(&mut self, next: Waiting<L>) -> Result<(), Waiting<L>> {
        // A change of no key still takes a statement.
        let keys = self.keys.saturating_add(L::keys_of(&next.change).max(1));
        let len = self.len.saturating_add(L::len_of(&next.change));
        if keys > GROUP_KEYS_MAX || len > GROUP_LEN_MAX {
            return Err(next);
        }
        (self.keys, self.len) = (keys, len);
        self.changes.push(next);
        Ok(())
    }
}

impl GroupFailed {
    fn for_each<T>(
        &self,
        count: usize,
        as_each: impl Fn(Box<dyn Error + Send + Sync>) -> StoreError,
    ) -> Vec<Result<T, StoreError>> {
        (0..count).map(|_| Err(as_each(Box::new(self.clone())))).collect()
    }
}

// By hand, because a derived `Clone` would require it of the ledger.
impl<L: Ledger> Clone for GroupCommit<L> {
    fn clone(&self) -> Self {
        Self { urgent: self.urgent.clone(), others: self.others.clone() }
    }
}

#[cfg(test)]
mod tests;
