//! The change feed as it is served: read a page, and if it is empty wait for a change. The requests of
//! followers acknowledge what they have applied.
//!
//! A waiting request subscribes to changes before it reads the store, so a change that is committed in
//! between wakes it and none is missed. It ends with the first change, with the end of its wait, or when the
//! service stops; in the last two cases the answer is the empty page that it had read. The number of waiting
//! requests is bounded: one more is refused, and its follower backs off.

pub(crate) mod edge_reports;
pub(crate) mod edge_wait;
mod exchange;
pub(crate) mod fleet;
pub(crate) mod last_page;
pub(crate) mod propagation;
pub(crate) mod register;
pub(crate) mod shared_page;
mod shared_reads;

use std::sync::{Arc, Mutex, PoisonError};

use latchkey_budget::Principal;
use latchkey_edge_ledger::{ClaimRefusal, EdgeRequest, EdgeRules, FollowerRequest};
use latchkey_key_feed::Cursor;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep_until};

use crate::clock::Clock;
use crate::feed::propagation::RecentChanges;
use crate::feed::register::EdgeRegister;
use crate::feed::shared_page::SharedPage;
use crate::feed::shared_reads::{Listener, Newness, PageRequest, SharedReads};
use crate::quota_permits::QuotaPermits;
use crate::store::{KeyStore, StoreError};
use crate::telemetry::WaitingPoll;

/// The feed of one store.
#[derive(Debug)]
pub(crate) struct Feed {
    store: KeyStore,
    reads: SharedReads,
    waiters_max: usize,
    permits: Semaphore,
    waits_for_all: QuotaPermits<Principal>,
    waits_for_live: QuotaPermits<Principal>,
    edges: Arc<EdgeRegister>,
    stopping: watch::Receiver<bool>,
}

/// Why the feed was not answered.
#[derive(Debug, thiserror::Error)]
pub enum FeedRefusal {
    /// The edge may not ask under this name or instance.
    #[error(transparent)]
    Claim(#[from] ClaimRefusal),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// As many requests wait as may.
    #[error("{0} requests for the key feed wait already")]
    TooManyWaiting(usize),
}

impl Feed {
    /// The feed of a store, from within a runtime of tokio. Requests stop waiting once `stopping` holds
    /// `true`. At most `waiters_max` requests wait.
    #[must_use]
    pub(crate) fn new(
        store: KeyStore,
        stopping: watch::Receiver<bool>,
        edges: EdgeRules,
        waiters_max: usize,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let recent = Arc::default();
        tokio::spawn(note_changes(store.changes(), Arc::clone(&recent), Arc::clone(&clock)));
        let edges = EdgeRegister::begin(store.clone(), edges, clock, recent);
        exchange::begin(&edges);
        Self {
            reads: SharedReads::new(store.clone()),
            store,
            waiters_max,
            permits: Semaphore::new(waiters_max),
            waits_for_all: edge_wait::permits(),
            waits_for_live: edge_wait::permits(),
            edges,
            stopping,
        }
    }

    /// What is known of the edges.
    #[must_use]
    pub(crate) fn edges(&self) -> &EdgeRegister {
        &self.edges
    }

    /// The changes after the follower's cursor, waiting for one if there is none.
    ///
    /// # Errors
    ///
    /// [`FeedRefusal`] when the edge may not ask so, the store does not answer, or too many requests wait.
    pub(crate) async fn answer(&self, request: &FollowerRequest) -> Result<Arc<SharedPage>, FeedRefusal> {
        let began = Instant::now();
        match &request.edge {
            Some(edge) if request.is_leaving => drop(self.edges.leave(&edge.id, &edge.holder).await?),
            // Before anything is read for it, because the edge may admit by what is read from now on.
            Some(edge) => self.edges.admit(edge, request.wait).await?,
            None => {}
        }
        let heard = *self.store.changes().borrow();
        let mut listener = self.reads.listen(PageRequest::of(request));
        let newness = if request.wait.is_zero() { Newness::ReadNow } else { Newness::Holds(heard) };
        let page = given(request, listener.page(newness).await?)?;
        self.hear(request, self.acknowledged(request, &page));
        if request.wait.is_zero() || request.is_leaving || request.has_news(page.standing()) {
            if page.more {
                self.reads.read_ahead(PageRequest::of(request).after(&page));
            }
            return Ok(page);
        }
        let page = self.wait_for_news(request, page, listener, began + request.wait).await?;
        // The answer makes the edge's table fresh, so it may admit for as long as after a new request. It
        // acknowledges nothing more.
        self.hear(request, Cursor(0));
        Ok(page)
    }

    /// The first page with news, or at the `end` the one that has none.
    async fn wait_for_news(
        &self,
        request: &FollowerRequest,
        mut page: Arc<SharedPage>,
        mut listener: Listener,
        end: Instant,
    ) -> Result<Arc<SharedPage>, FeedRefusal> {
        let _permit =
            self.permits.try_acquire().map_err(|_| FeedRefusal::TooManyWaiting(self.waiters_max))?;
        let _counted = WaitingPoll::begin();
        let mut stopping = self.stopping.clone();
        while !request.has_news(page.standing()) {
            page = tokio::select! {
                next = listener.next() => given(request, next?)?,
                () = sleep_until(end) => return Ok(page),
                _ = stopping.wait_for(|stopping| *stopping) => return Ok(page),
            };
        }
        Ok(page)
    }

    /// What a request acknowledges: 0 is nothing.
    fn acknowledged(&self, request: &FollowerRequest, page: &SharedPage) -> Cursor {
        request.acknowledged(page.standing(), page.history == self.store.epoch())
    }

    fn hear(&self, request: &FollowerRequest, acknowledged: Cursor) {
        if let Some(edge) = request.edge.as_ref().filter(|_| !request.is_leaving) {
            self.edges.note_request(EdgeRequest { acknowledged, ..edge.clone() }, 0);
        }
    }
}

/// The page for a follower. One of another epoch, or of another version, is told to load again.
fn given(request: &FollowerRequest, page: Arc<SharedPage>) -> Result<Arc<SharedPage>, StoreError> {
    if request.is_of_another_feed(&page.epoch) { Ok(Arc::new(page.reset()?)) } else { Ok(page) }
}

/// Notes when changes become known, until the store is closed.
async fn note_changes(
    mut changes: watch::Receiver<Cursor>,
    recent: Arc<Mutex<RecentChanges>>,
    clock: Arc<dyn Clock>,
) {
    while changes.changed().await.is_ok() {
        let cursor = *changes.borrow_and_update();
        recent.lock().unwrap_or_else(PoisonError::into_inner).hear(cursor, Instant::now(), clock.now());
    }
}

#[cfg(test)]
mod tests;
