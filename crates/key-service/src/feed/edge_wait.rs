//! Waiting until a change has reached every edge.
//!
//! The change is made in any case. A request without a permit to wait is answered at once with how far the
//! change has come. The change has to reach the instances that may admit by what was before it. The request
//! waits for the live ones among them. A silent instance is named at once, with the time until which it may
//! admit, because it may never come back. A new instance is not waited for: it loads the store with the
//! change in it.

use std::time::Duration;

use latchkey_budget::Principal;
use latchkey_edge_ledger::{MayAdmit, Waiting};
use latchkey_key_feed::{Cursor, Epoch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::feed::Feed;
use crate::limits::edge_limits::{EDGE_WAIT_LOOK_INTERVAL, EDGE_WAITERS_MAX, EDGE_WAITERS_PER_PRINCIPAL_MAX};
use crate::quota_permits::{QuotaPermit, QuotaPermits};
use crate::store::StoreError;
use crate::telemetry::edge_metrics::{WaitOutcome, edges_waited_for};

/// Waiting for a change.
#[derive(Debug)]
pub(crate) struct EdgeWait<'a> {
    feed: &'a Feed,
    permit: Option<QuotaPermit<Principal>>,
    wait: Duration,
    waiting: Waiting,
}

/// How far a change has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EdgesReached {
    /// How many it had to reach when it was durable.
    pub total: usize,
    /// Those of them that have not acknowledged it, and may admit by what was before; sorted.
    pub missing: Vec<MayAdmit>,
    /// Whether every edge that may admit is among them.
    pub is_sure: bool,
    /// Which feed the change is of.
    pub epoch: Epoch,
    /// The position of the change; `None` when nothing was changed.
    pub change: Option<Cursor>,
}

/// Permits for requests that wait for edges. A request without a permit is not refused: its change is
/// made all the same, and the answer says at once how far the change has come. Otherwise waiting requests
/// could prevent a revocation.
pub(super) fn permits() -> QuotaPermits<Principal> {
    QuotaPermits::new(EDGE_WAITERS_MAX, EDGE_WAITERS_PER_PRINCIPAL_MAX)
}

impl<'a> EdgeWait<'a> {
    /// Takes a permit to wait for edges, for at most `wait` from when the change is durable. Without a free
    /// permit the request will not wait. Requests that make keys do not take the permits of those that end
    /// keys.
    pub(crate) fn begin(feed: &'a Feed, wait: Duration, waiting: Waiting, principal: &Principal) -> Self {
        let permits = match waiting {
            Waiting::ForAll => &feed.waits_for_all,
            Waiting::ForLive => &feed.waits_for_live,
        };
        Self { feed, permit: permits.take(principal), wait, waiting }
    }

    /// Waits until the edges have applied a durable change. When the request changed nothing, it waits for
    /// the latest change of the store: so a repeated request tells how the first one fares.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell its latest change.
    pub(crate) async fn until_applied(self, change: Option<Cursor>) -> Result<EdgesReached, StoreError> {
        // Another process may have begun another epoch, in which what edges have acknowledged means nothing.
        let latest = self.feed.store.latest().await;
        let knows_epoch = latest.is_ok();
        let epoch = self.feed.store.epoch();
        let reached = match change {
            Some(change) => change,
            None => latest?,
        };
        let register = &self.feed.edges;
        let began = Instant::now();
        let mut news = register.news();
        // An edge that another replica answered before the change is in the store now.
        let has_heard = knows_epoch & register.hear_others().await;
        let (total, missing) = register.ledger().wait_for(reached, self.waiting, register.now());
        let mut stopping = self.feed.stopping.clone();
        let outcome = loop {
            if missing.is_settled() {
                break if total == 0 { WaitOutcome::NoneLive } else { WaitOutcome::All };
            }
            if self.permit.is_none() {
                break WaitOutcome::Crowded;
            }
            tokio::select! {
                Ok(()) = news.changed() => {}
                () = sleep_until(began + self.wait) => break WaitOutcome::TimedOut,
                () = sleep(EDGE_WAIT_LOOK_INTERVAL) => {
                    let _ = register.ledger().still_missing(&missing, register.now());
                }
                _ = stopping.wait_for(|stopping| *stopping) => break WaitOutcome::Stopped,
            }
        };
        let now = register.now();
        let ledger = register.ledger();
        let missing = ledger.still_missing(&missing, now);
        let is_sure = has_heard && ledger.is_sure(now);
        drop(ledger);
        let outcome = match outcome {
            WaitOutcome::All if !missing.is_empty() => WaitOutcome::Silent,
            outcome => outcome,
        };
        edges_waited_for(outcome, began.elapsed());
        Ok(EdgesReached { total, missing, is_sure, epoch, change })
    }
}

impl EdgesReached {
    /// Whether no edge admits by what was before the change any more.
    #[must_use]
    pub(crate) fn is_complete(&self) -> bool {
        self.is_sure && self.missing.is_empty()
    }
}

#[cfg(test)]
mod tests;
