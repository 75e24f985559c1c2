//! Reads of the store, each shared by all requests for the same page (single flight).
//!
//! For every cursor at which followers wait there is one task, the keeper. It reads the page after that
//! cursor when a request comes, and again with every change while a request waits there. All of them get the
//! same page: ten thousand followers that wait at the same cursor cost one read and one text.
//!
//! A page is never older than its request allows:
//!
//! * A request that would wait gets a page with every change that this process knows of. That is enough,
//!   because a change is answered only once the process knows of it, and a later one wakes the keeper. A
//!   request that would not wait gets what was read after it came, because another replica may know more.
//! * A page after which more follows may be older: a slower follower would have read the same, and its next
//!   request brings what has changed since. Such pages are kept for [`FEED_PAGE_LIFE`], for others that load
//!   at the same time. They are evicted when something was purged or another epoch began, because a load with
//!   older pages would have to begin again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use latchkey_edge_ledger::FollowerRequest;
use latchkey_key_feed::{Cursor, Epoch};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep};

use crate::feed::shared_page::SharedPage;
use crate::limits::{FEED_PAGE_LIFE, FEED_PAGES_AHEAD_MAX, FEED_PAGES_KEPT_MAX, FEED_READS_AHEAD_MAX};
use crate::store::{FeedPosition, KeyStore, StoreError};

/// What a request asks for. Followers with equal ones get the same page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PageRequest {
    pub(super) position: FeedPosition,
    pub(super) rows_max: u32,
}

/// How new a page has to be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Newness {
    /// It holds every change up to here.
    Holds(Cursor),
    /// Its read began when the request came, or later.
    ReadNow,
}

impl PageRequest {
    /// For the page after which a follower asks.
    pub(super) fn of(request: &FollowerRequest) -> Self {
        let FollowerRequest { version, after, purged, rows_max, .. } = *request;
        Self { position: FeedPosition { after, purged, version }, rows_max }
    }

    /// What a follower asks next once it has this page, after which more follows.
    pub(super) fn after(self, page: &SharedPage) -> Self {
        let FeedPosition { after, purged, version } = self.position;
        let purged = match purged {
            Some(purged) if after != Cursor(0) => purged,
            _ => page.purged,
        };
        Self { position: FeedPosition { after: page.cursor, purged: Some(purged), version }, ..self }
    }
}

/// The reads of all pages that somebody waits for. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct SharedReads(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: KeyStore,
    known: Mutex<KnownPages>,
    reads_ahead: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct KnownPages {
    keepers: HashMap<PageRequest, Arc<Keeper>>,
    /// The pages that are kept because more follow after them, the oldest first; at most
    /// [`FEED_PAGES_KEPT_MAX`].
    kept: VecDeque<(Instant, PageRequest, Arc<Keeper>)>,
    /// The epoch and the purge that their pages are of.
    history: Option<(Epoch, Cursor)>,
}

#[derive(Debug)]
struct Keeper {
    told: watch::Sender<Option<Told>>,
    /// A request needs a page that is read now.
    asked: Notify,
}

#[derive(Clone, Debug)]
struct Told {
    began: Instant,
    outcome: Result<Arc<SharedPage>, Arc<StoreError>>,
}

/// Who waits for a page.
#[derive(Debug)]
pub(super) struct Listener {
    keeper: Arc<Keeper>,
    told: watch::Receiver<Option<Told>>,
}

impl SharedReads {
    pub(super) fn new(store: KeyStore) -> Self {
        let reads_ahead = Arc::new(Semaphore::new(FEED_READS_AHEAD_MAX));
        Self(Arc::new(Shared { store, known: Mutex::default(), reads_ahead }))
    }

    /// Joins the keeper of a cursor, from within a tokio runtime.
    pub(super) fn listen(&self, request: PageRequest) -> Listener {
        let mut known = self.0.known();
        let keeper = known.keepers.entry(request).or_insert_with(|| {
            let keeper = Arc::new(Keeper { told: watch::Sender::new(None), asked: Notify::new() });
            tokio::spawn(keep(Arc::clone(&self.0), request, Arc::clone(&keeper)));
            keeper
        });
        Listener { told: keeper.told.subscribe(), keeper: Arc::clone(keeper) }
    }

    /// Reads ahead for a follower that loads, while it applies the page before: the page after this cursor
    /// and the next ones, at most [`FEED_PAGES_AHEAD_MAX`], without a pause. Does nothing while enough is
    /// being read ahead.
    pub(super) fn read_ahead(&self, mut request: PageRequest) {
        let Ok(turn) = Arc::clone(&self.0.reads_ahead).try_acquire_owned() else { return };
        let reads = self.clone();
        tokio::spawn(async move {
            for _ in 0..FEED_PAGES_AHEAD_MAX {
                // The next request for the page gets the error, if there is one.
                match reads.listen(request).page(Newness::Holds(Cursor(0))).await {
                    Ok(page) if page.more => request = request.after(&page),
                    _ => break,
                }
            }
            drop(turn);
        });
    }
}

impl Listener {
    /// A page that is new enough.
    pub(super) async fn page(&mut self, newness: Newness) -> Result<Arc<SharedPage>, StoreError> {
        let asked = Instant::now();
        let told = self.told.borrow_and_update().clone();
        if let Some(told) = told.as_ref().filter(|told| told.is_enough(newness, asked)) {
            return told.outcome();
        }
        // A keeper that has just begun reads anyway, but its read may have begun a moment before.
        if told.is_some() || matches!(newness, Newness::ReadNow) {
            self.keeper.asked.notify_one();
        }
        loop {
            let told = self.next_told().await?;
            if told.is_enough(newness, asked) {
                return told.outcome();
            }
        }
    }

    /// The next page that is read after this cursor.
    pub(super) async fn next(&mut self) -> Result<Arc<SharedPage>, StoreError> {
        self.next_told().await?.outcome()
    }

    async fn next_told(&mut self) -> Result<Told, StoreError> {
        loop {
            self.told.changed().await.map_err(|gone| StoreError::Unavailable(gone.into()))?;
            if let Some(told) = self.told.borrow_and_update().clone() {
                return Ok(told);
            }
        }
    }
}

impl Told {
    /// An error answers every waiting request.
    fn is_enough(&self, newness: Newness, asked: Instant) -> bool {
        let Ok(page) = &self.outcome else { return true };
        page.more
            || self.began >= asked
            || match newness {
                Newness::Holds(cursor) => page.latest >= cursor,
                Newness::ReadNow => false,
            }
    }

    fn outcome(&self) -> Result<Arc<SharedPage>, StoreError> {
        self.outcome.as_ref().map(Arc::clone).map_err(StoreError::of_shared)
    }

    fn has_more(&self) -> bool {
        self.outcome.as_ref().is_ok_and(|page| page.more)
    }
}

/// Reads the page after a cursor as often as a request needs it, until no request is left.
async fn keep(shared: Arc<Shared>, request: PageRequest, keeper: Arc<Keeper>) {
    let mut changes = shared.store.changes();
    loop {
        changes.borrow_and_update();
        let began = Instant::now();
        let told = Told { began, outcome: shared.read(request).await };
        let (is_last, has_more) = (told.outcome.is_err(), told.has_more());
        if is_last {
            // The next request tries again.
            shared.forget(request, &keeper);
        }
        keeper.told.send_replace(Some(told));
        if is_last {
            return;
        }
        if has_more {
            shared.known().keep(request, keeper);
            sleep(FEED_PAGE_LIFE).await;
            return shared.known().expire();
        }
        tokio::select! {
            Ok(()) = changes.changed() => {}
            () = keeper.asked.notified() => {}
            () = keeper.told.closed() => if shared.forget_if_alone(request, &keeper) { return },
        }
    }
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, KnownPages> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(&self, request: PageRequest) -> Result<Arc<SharedPage>, Arc<StoreError>> {
        let text = self.store.feed_page(request.position, request.rows_max).await?;
        self.known().turn_to(&text.head.epoch, text.head.purged);
        Ok(Arc::new(SharedPage::of(&text)?))
    }

    fn forget(&self, request: PageRequest, keeper: &Arc<Keeper>) {
        self.known().remove(request, keeper);
    }

    fn forget_if_alone(&self, request: PageRequest, keeper: &Arc<Keeper>) -> bool {
        let mut known = self.known();
        // Requests join while they hold the lock.
        let is_alone = keeper.told.receiver_count() == 0;
        if is_alone {
            known.remove(request, keeper);
        }
        is_alone
    }
}

impl KnownPages {
    /// Drops pages of another epoch, or from before a purge. A follower that still got one from a keeper is
    /// told to load again at its next request.
    fn turn_to(&mut self, epoch: &Epoch, purged: Cursor) {
        let history = Some((epoch.clone(), purged));
        if self.history != history {
            self.history = history;
            while !self.kept.is_empty() {
                self.forget_oldest();
            }
        }
    }

    /// Keeps a page of a load for others. The oldest is evicted when there are enough.
    fn keep(&mut self, request: PageRequest, keeper: Arc<Keeper>) {
        self.kept.push_back((Instant::now(), request, keeper));
        if self.kept.len() > FEED_PAGES_KEPT_MAX {
            self.forget_oldest();
        }
    }

    fn expire(&mut self) {
        while self.kept.front().is_some_and(|(since, ..)| since.elapsed() >= FEED_PAGE_LIFE) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, request, keeper)) = self.kept.pop_front() {
            self.remove(request, &keeper);
        }
    }

    fn remove(&mut self, request: PageRequest, keeper: &Arc<Keeper>) {
        if self.keepers.get(&request).is_some_and(|known| Arc::ptr_eq(known, keeper)) {
            self.keepers.remove(&request);
        }
    }
}

#[cfg(test)]
mod tests;
