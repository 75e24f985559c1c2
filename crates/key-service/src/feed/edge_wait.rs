//! Waiting until a change has reached every edge.
//!
//! Whoever waits takes a place before making the change, so that a request that is turned away has changed nothing. Waited for are
//! the edges that are live once the change is durable. One that is silent meanwhile, or is forgotten, stays missing. One that comes
//! meanwhile is not waited for: it loads the store as it is by now, with the change.

use std::time::Duration;

use latchkey_key_feed::{Cursor, UnixMillis};
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, sleep_until};

use crate::feed::edge_name::EdgeName;
use crate::feed::{Feed, FeedRefusal};
use crate::store::StoreError;
use crate::telemetry::edges::{WaitOutcome, edges_waited_for};

/// The right to wait, for a change that is yet to be made.
#[derive(Debug)]
pub struct EdgeWait<'a> {
    feed: &'a Feed,
    _place: SemaphorePermit<'a>,
    wait: Duration,
}

/// Which edges a change has reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgesReached {
    /// How many edges were live when the change was durable.
    pub total: usize,
    /// Those of them that have not acknowledged it, sorted.
    pub missing: Vec<EdgeName>,
    /// Whether every live edge is among them. It is not sure for one live window after the start.
    pub is_complete: bool,
}

impl Feed {
    /// A place to wait for edges, for at most `wait` from when the change is durable.
    ///
    /// # Errors
    ///
    /// [`FeedRefusal::TooManyEdgeWaits`] when no place is free.
    pub fn edge_wait(&self, wait: Duration) -> Result<EdgeWait<'_>, FeedRefusal> {
        let place = self.edge_places.try_acquire().map_err(|_| FeedRefusal::TooManyEdgeWaits)?;
        Ok(EdgeWait { feed: self, _place: place, wait })
    }
}

impl EdgeWait<'_> {
    /// Waits until every live edge has applied a change that is durable. Without one, because everything was as it was to be, that
    /// is the latest change there is: so whoever asks a second time learns how the first change fares.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell its latest change.
    pub async fn until_applied(
        self,
        change: Option<Cursor>,
        now: UnixMillis,
    ) -> Result<EdgesReached, StoreError> {
        let change = match change {
            Some(change) => change,
            None => self.feed.store.latest().await?,
        };
        let began = Instant::now();
        let mut news = self.feed.edge_news();
        let (total, missing, is_complete) = {
            let mut ledger = self.feed.ledger();
            let (total, missing) = ledger.wait_for(change, now);
            (total, missing, ledger.is_complete(now))
        };
        let mut stopping = self.feed.stopping.clone();
        let outcome = loop {
            if missing.is_none() {
                break if total == 0 { WaitOutcome::NoneLive } else { WaitOutcome::All };
            }
            tokio::select! {
                Ok(()) = news.changed() => {}
                () = sleep_until(began + self.wait) => break WaitOutcome::TimedOut,
                _ = stopping.wait_for(|stopping| *stopping) => break WaitOutcome::Stopped,
            }
        };
        edges_waited_for(outcome, began.elapsed());
        Ok(EdgesReached { total, missing: missing.names(), is_complete })
    }
}

#[cfg(test)]
mod tests;
