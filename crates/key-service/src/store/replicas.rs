//! Learning of the changes that other replicas make to the same store.
//!
//! An announcement of the database (`NOTIFY`) arrives within a millisecond. In addition, the position of the
//! feed is read every [`STORE_LOOK_INTERVAL`], because an announcement can be lost with its connection, and
//! some databases make none.

use std::sync::Arc;

use latchkey_key_feed::{Cursor, Epoch};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::limits::STORE_LOOK_INTERVAL;
use crate::store::StoreError;
use crate::store::sql::postgres::announcements::{self, Announced};
use crate::store::sql::{SqlStore, feed_reader};

/// The tasks that learn of the others' changes. They end when this value is dropped.
#[derive(Debug)]
pub(super) struct Hearing {
    tasks: [JoinHandle<()>; 2],
}

/// Tells those who wait for changes how far the feed is.
pub(super) fn announce(changes: &watch::Sender<Cursor>, cursor: Cursor) {
    changes.send_if_modified(|latest| {
        let is_news = cursor > *latest;
        *latest = cursor.max(*latest);
        is_news
    });
}

impl Hearing {
    /// `None` when no other process can change the store.
    pub(super) fn begin(
        database: &SqlStore,
        epoch: &Arc<watch::Sender<Epoch>>,
        changes: &Arc<watch::Sender<Cursor>>,
    ) -> Option<Self> {
        if !database.may_have_replicas() {
            return None;
        }
        let feed = HeardFeed { epoch: Arc::clone(epoch), changes: Arc::clone(changes) };
        let looking = tokio::spawn(keep_looking(database.clone(), feed.clone()));
        let listening = tokio::spawn(keep_listening(database.clone(), feed));
        Some(Self { tasks: [looking, listening] })
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// What is known of the feed in this process.
#[derive(Clone)]
struct HeardFeed {
    epoch: Arc<watch::Sender<Epoch>>,
    changes: Arc<watch::Sender<Cursor>>,
}

async fn keep_looking(database: SqlStore, feed: HeardFeed) {
    let mut ticks = interval(STORE_LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        feed.look(&database).await;
    }
}

async fn keep_listening(database: SqlStore, feed: HeardFeed) {
    loop {
        match feed.listen(&database).await {
            // The database has no announcements; reading the position at intervals must do.
            Ok(()) => return,
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "announcements were interrupted");
                sleep(STORE_LOOK_INTERVAL).await;
            }
        }
    }
}

impl HeardFeed {
    /// Reads the epoch and position of the feed. A position that has gone back belongs to a store that was
    /// restored, and is announced too.
    async fn look(&self, database: &SqlStore) {
        match feed_reader::latest_state(database).await {
            Ok(state) => {
                self.epoch.send_if_modified(|epoch| replaced(epoch, state.epoch));
                self.changes.send_if_modified(|latest| replaced(latest, state.latest));
            }
            // A request that needs the store fails by itself; here only time is lost.
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "could not look for changes");
            }
        }
    }

    async fn listen(&self, database: &SqlStore) -> Result<(), StoreError> {
        let Some(mut announcements) = announcements::listen(database).await? else { return Ok(()) };
        // What happened before this task listened.
        self.look(database).await;
        loop {
            match announcements.next().await? {
                Announced::Change { epoch, cursor } if epoch == *self.epoch.borrow() => {
                    announce(&self.changes, cursor);
                }
                // Of another feed in the same database, or ours has begun a new epoch.
                Announced::Change { .. } | Announced::Gap => self.look(database).await,
            }
        }
    }
}

/// Puts a value in place of another, and tells whether it differs.
pub(super) fn replaced<T: PartialEq>(known: &mut T, found: T) -> bool {
    let is_news = *known != found;
    *known = found;
    is_news
}
