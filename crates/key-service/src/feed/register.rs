//! The register of edges: the ledger, its rows in the store, and the requests that wait for news of it.
//!
//! Before an instance is answered, it is durable that it exists and until when it may admit. So an edge that
//! was answered and never asks again is not forgotten, even if this process crashes. One write serves all
//! requests that wait for one, and for most requests nothing has to be written.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use latchkey_edge_ledger::Moment;

use latchkey_edge_ledger::limits::{EDGE_LEFT_LIFE, EDGE_ROW_LIFE};
use latchkey_edge_ledger::{
    ClaimRefusal, EdgeId, EdgeLedger, EdgeRequest, EdgeRules, Forgetting, Forgotten, Holder, LedgerUpdate,
};
use latchkey_key_feed::{Cursor, KeyId, whole_millis};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use crate::clock::Clock;
use crate::feed::FeedRefusal;
use crate::feed::edge_reports::EdgeReports;
use crate::feed::propagation::RecentChanges;
use crate::limits::edge_limits::{EDGE_EXCHANGE_PAUSE, EDGE_HEARING_WAIT_MAX, EDGE_SWEEP_INTERVAL};
use crate::store::{KeyStore, StoreError};
use crate::telemetry::edge_metrics::{change_reached_edge, claim_refused};

/// What is known of the edges of one feed, in this process.
#[derive(derive_more::Debug)]
#[debug("EdgeRegister {{ ledger: {ledger:?}, .. }}")]
pub(crate) struct EdgeRegister {
    pub(super) store: KeyStore,
    pub(super) clock: Arc<dyn Clock>,
    ledger: Mutex<EdgeLedger>,
    /// Counts up whenever the ledger has news.
    news: watch::Sender<u64>,
    recent: Arc<Mutex<RecentChanges>>,
    changes: watch::Receiver<Cursor>,
    /// Where the feed was when this process began: when that was reached is not known.
    begun_at: Cursor,
    reports: Mutex<EdgeReports>,
    /// The requests that wait for rows to be durable.
    writing: Mutex<Vec<Writer>>,
    to_write: Arc<Notify>,
    /// How many reads of other replicas' rows were started, and which is the last one whose rows are in the
    /// ledger.
    readings_begun: Mutex<u64>,
    pub(super) reading_asked: Arc<Notify>,
    readings_done: watch::Sender<u64>,
}

impl EdgeRegister {
    /// The register of a store, from within a runtime of tokio. Its tasks end with it.
    pub(super) fn begin(
        store: KeyStore,
        rules: EdgeRules,
        clock: Arc<dyn Clock>,
        recent: Arc<Mutex<RecentChanges>>,
    ) -> Arc<Self> {
        let mut ledger = EdgeLedger::new(store.epoch(), rules);
        ledger.merge(store.edges().at_opening().clone(), clock.moment());
        let changes = store.changes();
        let begun_at = *changes.borrow();
        let register = Arc::new(Self {
            store,
            clock,
            ledger: Mutex::new(ledger),
            news: watch::Sender::new(0),
            recent,
            changes,
            begun_at,
            reports: Mutex::default(),
            writing: Mutex::default(),
            to_write: Arc::default(),
            readings_begun: Mutex::default(),
            reading_asked: Arc::default(),
            readings_done: watch::Sender::new(0),
        });
        tokio::spawn(keep_writing(Arc::downgrade(&register), Arc::clone(&register.to_write)));
        tokio::spawn(keep_sweeping(Arc::downgrade(&register)));
        register
    }

    /// Admits the request of an edge, if it may ask under its name, and makes durable that it may admit after
    /// the answer, which it gets within `wait`.
    pub(super) async fn admit(&self, asking: &EdgeRequest, wait: Duration) -> Result<(), FeedRefusal> {
        if let Err(refusal) = self.claim(asking) {
            self.settle(asking, refusal).await?;
        }
        let update = self.note_request(asking.clone(), whole_millis(wait));
        if update.needs_row
            && let Err(error) = self.written().await
        {
            if update.before.is_none() {
                return Err(error.into());
            }
            // An edge that learns of revocations, and that a crash of this process would forget, is better
            // than one that does not learn of them.
            tracing::warn!(error = &error as &dyn std::error::Error, "an edge could not be noted");
        }
        Ok(())
    }

    /// Notes what an edge has said to this replica.
    pub(super) fn note_request(&self, request: EdgeRequest, answered_in_ms: u64) -> LedgerUpdate {
        let (acknowledged, id) = (request.acknowledged, request.id.clone());
        let update = self.ledger().note_request(request, answered_in_ms, self.now());
        if update.took_back {
            tracing::warn!(
                edge = id.name.as_str(),
                "an edge took back what it had acknowledged: do two processes share its name and credential?"
            );
        }
        if update.before == Some(Cursor(0)) && acknowledged != Cursor(0) {
            self.to_write.notify_one();
        }
        self.time_changes(&id, &update, acknowledged);
        if update.is_news(acknowledged) {
            self.tell_news();
        }
        update
    }

    /// Notes the acknowledgement of an edge that gets no new page.
    pub(super) fn note_acknowledgement(&self, acknowledgement: &EdgeRequest) {
        self.ledger().note_acknowledgement(&acknowledgement.id, acknowledgement.acknowledged, self.now());
        self.tell_news();
    }

    /// An edge says goodbye. Returns whether it was believed.
    pub(super) async fn leave(&self, id: &EdgeId, holder: &Holder) -> Result<bool, StoreError> {
        let has_left = self.ledger().leave(id, holder, self.now());
        if has_left {
            self.tell_news();
            self.written().await?;
        }
        Ok(has_left)
    }

    /// Forgets instances that an operator says are gone.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it may not be durable.
    pub(crate) async fn forget(&self, forgetting: &Forgetting) -> Result<Forgotten, StoreError> {
        // An instance that asks another replica counts as asking.
        self.hear_others().await;
        let holders = self.ledger().holders_of(forgetting);
        let ended = self.ended_of(holders).await?;
        let forgotten = self.ledger().forget(forgetting, &ended, self.now());
        if !forgotten.forgotten.is_empty() {
            self.tell_news();
            self.written().await?;
        }
        Ok(forgotten)
    }

    /// The receiver is woken when an edge is new or has acknowledged more, at any replica.
    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    pub(super) fn tell_news(&self) {
        self.news.send_modify(|news| *news = news.wrapping_add(1));
    }

    /// The ledger, for the present epoch of the store. It is usable after a panic of its holder, because each
    /// entry is written whole.
    pub(super) fn ledger(&self) -> MutexGuard<'_, EdgeLedger> {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.turn_to(&self.store.epoch());
        ledger
    }

    /// What edges say of themselves. It is whole after a panic of its holder.
    pub(super) fn reports(&self) -> MutexGuard<'_, EdgeReports> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Moment {
        self.clock.moment()
    }

    /// Reads what other replicas have written by now. Returns whether that was done in time.
    pub(super) async fn hear_others(&self) -> bool {
        if !self.store.may_have_replicas() {
            return true;
        }
        let wanted = *self.begun_readings() + 1;
        let mut done = self.readings_done.subscribe();
        self.reading_asked.notify_one();
        timeout(EDGE_HEARING_WAIT_MAX, done.wait_for(|done| *done >= wanted)).await.is_ok()
    }

    /// Begins to read what others have written. Give the number back once the rows are in the ledger.
    pub(super) fn begin_reading(&self) -> u64 {
        let mut begun = self.begun_readings();
        *begun += 1;
        *begun
    }

    pub(super) fn end_reading(&self, number: u64) {
        self.readings_done.send_replace(number);
    }

    fn begun_readings(&self) -> MutexGuard<'_, u64> {
        self.readings_begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claim(&self, asking: &EdgeRequest) -> Result<(), ClaimRefusal> {
        self.ledger().claim(asking, self.now())
    }

    /// A name is free once the keys of its holders have ended. Only this function tells the ledger so.
    async fn settle(&self, asking: &EdgeRequest, refusal: ClaimRefusal) -> Result<(), FeedRefusal> {
        let outcome = match refusal {
            ClaimRefusal::NameTaken { holders, name } => {
                let ended = self.ended_of(holders).await?;
                self.ledger().note_ended(&name, &ended);
                self.claim(asking)
            }
            refusal => Err(refusal),
        };
        if let Err(refusal) = &outcome {
            claim_refused(refusal.into());
            self.log_refusal(asking, refusal);
        }
        Ok(outcome?)
    }

    /// Logs the credential that has as many instances as it may: it may be stolen.
    fn log_refusal(&self, asking: &EdgeRequest, refusal: &ClaimRefusal) {
        let EdgeRequest { id, holder, .. } = asking;
        let ClaimRefusal::TooManyOfHolder(instances_max) = refusal else { return };
        if self.ledger().tells_log_of(holder, self.now()) {
            tracing::warn!(
                key = holder.key.as_ref().map(KeyId::as_str),
                owner = holder.username,
                realm = holder.realm,
                edge = id.name.as_str(),
                instances_max,
                "an edge was refused: its credential has as many instances as edges.instances_per_key lets it"
            );
        }
    }

    /// Has rows written soon that no request waits for.
    pub(super) fn write_soon(&self) {
        if self.ledger().has_unwritten() {
            self.to_write.notify_one();
        }
    }

    /// Those of these holders whose keys have ended. A user holder never counts as ended.
    async fn ended_of(&self, holders: Vec<Holder>) -> Result<Vec<Holder>, StoreError> {
        let now = self.clock.now();
        let mut ended = Vec::new();
        for holder in holders {
            let Some(key) = &holder.key else { continue };
            let found = self.store.find_entry(key.as_str()).await?;
            let lives = found.is_some_and(|key| {
                key.invalidation.is_none() && key.expiration.is_none_or(|expiration| expiration > now)
            });
            if !lives {
                ended.push(holder);
            }
        }
        Ok(ended)
    }

    /// Waits until what the ledger has to keep is durable.
    async fn written(&self) -> Result<(), StoreError> {
        let (sender, written) = oneshot::channel();
        self.writers().push(sender);
        self.to_write.notify_one();
        let outcome = written.await.map_err(|gone| StoreError::Unavailable(gone.into()))?;
        outcome.map_err(|error| StoreError::of_shared(&error))
    }

    fn writers(&self) -> MutexGuard<'_, Vec<Writer>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what has to be written, for all requests that wait for it.
    async fn write(&self) {
        let waiting = std::mem::take(&mut *self.writers());
        let now = self.now();
        let evicted = self.ledger().evicted();
        if !evicted.is_empty() {
            match self.store.edges().mark_gone(&evicted).await {
                Ok(()) => self.ledger().note_marked_gone(evicted, self.store.may_have_replicas()),
                // Until that is written the instance only counts for longer than it must.
                Err(error) => {
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "could not note that edges are gone"
                    );
                }
            }
        }
        let rows = self.ledger().take_unstored(now);
        let outcome = if rows.is_empty() { Ok(()) } else { self.store.edges().keep(&rows).await };
        let outcome = match outcome {
            Ok(()) => {
                self.ledger().note_stored(&rows, now);
                Ok(())
            }
            Err(error) => {
                self.ledger().put_back(rows);
                tracing::debug!(error = &error as &dyn std::error::Error, "could not keep edges");
                Err(Arc::new(error))
            }
        };
        for sender in waiting {
            // The receiver is gone, so the answer is not needed.
            let _ = sender.send(outcome.clone());
        }
    }

    async fn sweep(&self) {
        self.ledger().sweep(self.now());
        self.forget_reports();
        // First what is to be kept is written.
        if self.written().await.is_err() {
            return;
        }
        if let Err(error) = self.tidy_store().await {
            tracing::debug!(error = &error as &dyn std::error::Error, "could not drop edges");
        }
    }

    /// Reduces the rows of the store to what is still needed.
    async fn tidy_store(&self) -> Result<(), StoreError> {
        let now = self.now();
        let times = self.ledger().take_times_to_shorten(now);
        if !times.is_empty() {
            self.store.edges().shorten_times(&times).await?;
        }
        let over = self.ledger().unknown_that_are_over(now);
        if let Some(begun) = over {
            self.store.edges().know_all(begun).await?;
            self.ledger().note_known_again(begun);
        }
        // A clock that was set must not drop instances that count.
        let counting = self.ledger().earliest_row_that_counts(now);
        let ended_by = now.wall.minus(EDGE_ROW_LIFE).min(counting);
        self.store.edges().drop_gone(now.wall.minus(EDGE_LEFT_LIFE), ended_by).await
    }

    /// The first acknowledgement of an edge follows a load, which says nothing about how long a change takes.
    fn time_changes(&self, id: &EdgeId, update: &LedgerUpdate, acknowledged: Cursor) {
        let Some(before) = update.before.filter(|before| *before != Cursor(0)) else { return };
        let (mut recent, now) = (self.recent(), Instant::now());
        recent.taken(before, acknowledged, now).for_each(change_reached_edge);
        recent.note_reached(id, before, acknowledged, now);
    }

    /// The latest changes, of which the last is heard of at the latest now. It is usable after a panic of its
    /// holder: what is missing then is only not timed.
    pub(super) fn recent(&self) -> MutexGuard<'_, RecentChanges> {
        let latest = *self.changes.borrow();
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if latest > self.begun_at {
            recent.hear(latest, Instant::now(), self.clock.now());
        }
        recent
    }
}

/// A request that waits for a write, and gets its outcome.
type Writer = oneshot::Sender<Result<(), Arc<StoreError>>>;

async fn keep_writing(register: Weak<EdgeRegister>, to_write: Arc<Notify>) {
    loop {
        let asked = timeout(EDGE_SWEEP_INTERVAL, to_write.notified()).await;
        let Some(register) = register.upgrade() else { return };
        if asked.is_ok() {
            register.write().await;
        }
        drop(register);
        sleep(EDGE_EXCHANGE_PAUSE).await;
    }
}

async fn keep_sweeping(register: Weak<EdgeRegister>) {
    let mut ticks = interval_at(Instant::now() + EDGE_SWEEP_INTERVAL, EDGE_SWEEP_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(register) = register.upgrade() else { return };
        register.sweep().await;
    }
}
