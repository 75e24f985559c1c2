//! The change feed as it is served: read a page, and if it is empty wait for a change. What followers ask tells how far each has come.
//!
//! A waiting request subscribes to changes before it reads the store, so a change that is committed in between wakes it and none
//! is missed. It ends with the first change, with the end of its wait, or when the service stops; in the last two cases
//! the answer is the empty page it had read. The number of requests that wait is bounded: one more is refused, and its
//! follower backs off.

pub mod edge_name;
pub mod edge_wait;
pub mod edges;
pub mod exchange;
pub mod fleet;
mod propagation;
mod readings;
pub mod shared_page;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use latchkey_key_feed::{Cursor, Epoch, UnixMillis};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep_until};

use crate::feed::edge_name::EdgeName;
use crate::feed::edges::{EdgeLedger, EdgeSighting};
use crate::feed::propagation::RecentChanges;
use crate::feed::readings::{Listener, Newness, Place, Readings};
use crate::feed::shared_page::SharedPage;
use crate::limits::EDGE_WAITERS_MAX;
use crate::store::{FeedPosition, KeyStore, StoreError};
use crate::telemetry::WaitingPoll;

/// Where the feed of a store stands before its first change.
const BEGINNING: Cursor = Cursor(1);

/// The feed of one store.
#[derive(Debug)]
pub struct Feed {
    store: KeyStore,
    readings: Readings,
    waiters_max: usize,
    places: Semaphore,
    edge_places: Semaphore,
    edges: Mutex<EdgeLedger>,
    /// Counts up whenever the ledger has news.
    edge_news: watch::Sender<u64>,
    recent: Arc<Mutex<RecentChanges>>,
    stopping: watch::Receiver<bool>,
}

/// What a follower asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedRequest {
    /// How far it has read, and thereby acknowledges.
    pub after: Cursor,
    /// Which feed it has read so far, if it says so. It does not matter to a load from 0.
    pub epoch: Option<Epoch>,
    /// While it loads from the beginning: what the store had forgotten when the load began.
    pub purged: Option<Cursor>,
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
    /// So many requests wait, and no more may.
    TooManyWaiting(usize),
    /// As many requests wait for edges as may.
    TooManyEdgeWaits,
}

impl Feed {
    /// The feed of a store, from within a runtime of tokio. Requests stop waiting once `stopping` holds `true`. Edges are live for
    /// `edges_live_for` after each request. Before that time is over, counted from `now`, there may be some of which this feed has
    /// not heard, unless the store is as empty as one of which nobody can have read anything. At most `waiters_max` requests wait.
    #[must_use]
    pub fn new(
        store: KeyStore,
        stopping: watch::Receiver<bool>,
        edges_live_for: Duration,
        waiters_max: usize,
        now: UnixMillis,
    ) -> Self {
        let has_history = *store.changes().borrow() > BEGINNING;
        let unheard_for = if has_history { edges_live_for } else { Duration::ZERO };
        let complete_from = now.plus_millis(u64::try_from(unheard_for.as_millis()).unwrap_or(u64::MAX));
        let recent = Arc::default();
        let epoch = store.epoch();
        tokio::spawn(note_changes(store.changes(), Arc::clone(&recent)));
        Self {
            readings: Readings::new(store.clone()),
            store,
            waiters_max,
            places: Semaphore::new(waiters_max),
            edge_places: Semaphore::new(EDGE_WAITERS_MAX),
            edges: Mutex::new(EdgeLedger::new(epoch, edges_live_for, complete_from)),
            edge_news: watch::Sender::new(0),
            recent,
            stopping,
        }
    }

    /// The changes after the follower's cursor, waiting for one if there is none.
    ///
    /// # Errors
    ///
    /// [`FeedRefusal`] when the store does not answer, or too many requests wait.
    pub async fn answer(
        &self,
        request: FeedRequest,
        now: UnixMillis,
    ) -> Result<Arc<SharedPage>, FeedRefusal> {
        let began = Instant::now();
        let heard = *self.store.changes().borrow();
        let mut listener = self.readings.stand(request.place());
        let newness = if request.wait.is_zero() { Newness::ReadNow } else { Newness::Holds(heard) };
        let page = request.given(listener.page(newness).await?)?;
        self.hear(&request, self.acknowledged(&request, &page), now);
        if request.wait.is_zero() || has_news(&page, request.after) {
            if page.more {
                self.readings.read_ahead(request.place().after(&page));
            }
            return Ok(page);
        }
        let page = self.wait_for_news(&request, page, listener, began + request.wait).await?;
        // The answer makes the edge's table fresh: from now on it may be out of reach for as long as after a request. It
        // acknowledges nothing more.
        let waited_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.hear(&request, Cursor(0), now.plus_millis(waited_ms));
        Ok(page)
    }

    /// The first page with news, or at the `end` the one that has none.
    async fn wait_for_news(
        &self,
        request: &FeedRequest,
        mut page: Arc<SharedPage>,
        mut listener: Listener,
        end: Instant,
    ) -> Result<Arc<SharedPage>, FeedRefusal> {
        let _place = self.places.try_acquire().map_err(|_| FeedRefusal::TooManyWaiting(self.waiters_max))?;
        let _counted = WaitingPoll::begin();
        let mut stopping = self.stopping.clone();
        while !has_news(&page, request.after) {
            page = tokio::select! {
                next = listener.next() => request.given(next?)?,
                () = sleep_until(end) => return Ok(page),
                _ = stopping.wait_for(|stopping| *stopping) => return Ok(page),
            };
        }
        Ok(page)
    }

    /// How much a request promises: 0 is nothing.
    fn acknowledged(&self, request: &FeedRequest, page: &SharedPage) -> Cursor {
        let is_of_this_epoch = page.epoch == self.store.epoch();
        if request.acknowledges(page) && is_of_this_epoch { request.after } else { Cursor(0) }
    }

    fn hear(&self, request: &FeedRequest, acknowledged: Cursor, now: UnixMillis) {
        if let Some(name) = request.edge.clone() {
            self.see(EdgeSighting { name, acknowledged, seen: now });
        }
    }

    /// The ledger, of the epoch that the store has by now. One whose holder panicked is still a ledger: each entry is written whole.
    fn ledger(&self) -> MutexGuard<'_, EdgeLedger> {
        let mut ledger = self.edges.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.turn_to(&self.store.epoch());
        ledger
    }
}

impl FeedRequest {
    /// Whether it promises that the edge admits by nothing older than `after`, where `page` is what it is answered. A load promises
    /// nothing before it is whole, because the table before it still serves; nor does a cursor that means nothing here.
    fn acknowledges(&self, page: &SharedPage) -> bool {
        self.after != Cursor(0) && self.purged.is_none() && !page.reset
    }

    fn place(&self) -> Place {
        let position = FeedPosition { after: self.after, purged: self.purged };
        Place { position, rows_max: self.rows_max }
    }

    /// What the follower is given of a page. One of another feed than the store's is told to load again.
    fn given(&self, page: Arc<SharedPage>) -> Result<Arc<SharedPage>, StoreError> {
        let is_of_another =
            self.after != Cursor(0) && self.epoch.as_ref().is_some_and(|epoch| *epoch != page.epoch);
        if is_of_another { page.reset().map(Arc::new) } else { Ok(page) }
    }
}

/// Notes when changes are heard of, as long as there is a store that could tell of any.
async fn note_changes(mut changes: watch::Receiver<Cursor>, recent: Arc<Mutex<RecentChanges>>) {
    while changes.changed().await.is_ok() {
        let cursor = *changes.borrow_and_update();
        recent.lock().unwrap_or_else(PoisonError::into_inner).hear(cursor, Instant::now());
    }
}

/// Whether a page tells a follower at `after` anything. A store's positions begin at 1, so a load from 0 always has news, be the
/// store as empty as it may.
fn has_news(page: &SharedPage, after: Cursor) -> bool {
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
            Self::TooManyWaiting(waiters_max) => {
                write!(f, "{waiters_max} requests for the key feed wait already")
            }
            Self::TooManyEdgeWaits => {
                write!(f, "{EDGE_WAITERS_MAX} requests wait for edges already; nothing was changed")
            }
        }
    }
}

impl std::error::Error for FeedRefusal {}

#[cfg(test)]
mod tests;
