//! The change feed as it is served: read a page, and if it is empty wait for a change.
//!
//! A waiting request subscribes to changes before it reads the store, so a change that is committed in between wakes it and none
//! is missed. It ends with the first change, with the end of its wait, or when the service stops; in the last two cases
//! the answer is the empty page it had read. The number of requests that wait is bounded: one more is refused, and its
//! follower backs off.

pub mod edges;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use latchkey_key_feed::{Cursor, FeedPage, UnixMillis};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep_until};

use crate::feed::edges::{EdgeCounts, EdgeLedger, EdgeName};
use crate::limits::FEED_WAITERS_MAX;
use crate::store::{FeedPosition, KeyStore, StoreError};
use crate::telemetry::WaitingPoll;

/// The feed of one store.
#[derive(Debug)]
pub struct Feed {
    store: KeyStore,
    places: Semaphore,
    edges: Mutex<EdgeLedger>,
    stopping: watch::Receiver<bool>,
}

/// What a follower asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedRequest {
    /// Where it stands; it acknowledges what it has read.
    pub position: FeedPosition,
    /// Most rows to answer.
    pub rows_max: u32,
    /// How long to wait for a change when there is none; zero answers at once.
    pub wait: Duration,
    /// Which edge asks, if it says so.
    pub edge: Option<EdgeName>,
}

/// Why the feed was not answered.
#[derive(Debug)]
pub enum FeedRefusal {
    /// The store did not answer.
    Store(StoreError),
    /// As many requests wait as may.
    TooManyWaiting,
}

impl Feed {
    /// The feed of a store. Requests stop waiting once `stopping` holds `true`.
    #[must_use]
    pub fn new(store: KeyStore, stopping: watch::Receiver<bool>) -> Self {
        Self { store, places: Semaphore::new(FEED_WAITERS_MAX), edges: Mutex::default(), stopping }
    }

    /// The changes after the follower's cursor, waiting for one if there is none.
    ///
    /// # Errors
    ///
    /// [`FeedRefusal`] when the store does not answer, or too many requests wait.
    pub async fn answer(&self, request: FeedRequest, now: UnixMillis) -> Result<FeedPage, FeedRefusal> {
        let mut changes = self.store.changes();
        let mut page = self.store.feed_page(request.position, request.rows_max).await?;
        if let Some(edge) = request.edge {
            self.ledger().record(edge, request.position.after, now);
        }
        if request.wait.is_zero() || has_news(&page, request.position.after) {
            return Ok(page);
        }
        let _place = self.places.try_acquire().map_err(|_| FeedRefusal::TooManyWaiting)?;
        let _counted = WaitingPoll::begin();
        let mut stopping = self.stopping.clone();
        let end = Instant::now() + request.wait;
        loop {
            tokio::select! {
                Ok(()) = changes.changed() => {}
                () = sleep_until(end) => return Ok(page),
                _ = stopping.wait_for(|stopping| *stopping) => return Ok(page),
            }
            page = self.store.feed_page(request.position, request.rows_max).await?;
            if has_news(&page, request.position.after) {
                return Ok(page);
            }
        }
    }

    /// How many edges there are, and how many have everything up to `latest`.
    #[must_use]
    pub fn edge_counts(&self, latest: Cursor) -> EdgeCounts {
        self.ledger().counts(latest)
    }

    /// A ledger whose holder panicked is still a ledger: each entry is written whole.
    fn ledger(&self) -> MutexGuard<'_, EdgeLedger> {
        self.edges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a page tells a follower at `after` anything. A store's positions begin at 1, so a load from 0 always has news, be the
/// store as empty as it may.
fn has_news(page: &FeedPage, after: Cursor) -> bool {
    page.reset || page.cursor != after
}

impl From<StoreError> for FeedRefusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for FeedRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::TooManyWaiting => write!(f, "{FEED_WAITERS_MAX} requests for the key feed wait already"),
        }
    }
}

impl std::error::Error for FeedRefusal {}

#[cfg(test)]
mod tests;
