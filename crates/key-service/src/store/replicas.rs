//! Hearing of the changes that other replicas make to the same store.
//!
//! An announcement of the database tells of a change in a millisecond. As a net below it, the position of the feed is looked
//! up every [`STORE_LOOK_INTERVAL`]: an announcement may be lost with its connection, and some databases make none.

use std::sync::Arc;

use latchkey_key_feed::{Cursor, Epoch};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::limits::STORE_LOOK_INTERVAL;
use crate::store::StoreError;
use crate::store::sql::{Announced, SqlStore};

/// The tasks that hear of the others' changes. They end with this value.
#[derive(Debug)]
pub(super) struct Hearing {
    tasks: [JoinHandle<()>; 2],
}

/// Tells whoever waits for changes that the feed has come to here.
pub(super) fn announce(changes: &watch::Sender<Cursor>, cursor: Cursor) {
    changes.send_if_modified(|latest| {
        let is_news = cursor > *latest;
        *latest = cursor.max(*latest);
        is_news
    });
}

impl Hearing {
    /// `None` when nobody else can change the store.
    pub(super) fn begin(
        database: &SqlStore,
        epoch: Epoch,
        changes: &Arc<watch::Sender<Cursor>>,
    ) -> Option<Self> {
        if !database.may_have_replicas() {
            return None;
        }
        let looking = tokio::spawn(keep_looking(database.clone(), Arc::clone(changes)));
        let listening = tokio::spawn(keep_listening(database.clone(), epoch, Arc::clone(changes)));
        Some(Self { tasks: [looking, listening] })
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn keep_looking(database: SqlStore, changes: Arc<watch::Sender<Cursor>>) {
    let mut ticks = interval(STORE_LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        look(&database, &changes).await;
    }
}

/// Looks the position of the feed up. One that has gone back belongs to a store that was restored, and is news too.
async fn look(database: &SqlStore, changes: &watch::Sender<Cursor>) {
    match database.feed_state().await {
        Ok(state) => {
            changes.send_if_modified(|latest| {
                let is_news = state.latest != *latest;
                *latest = state.latest;
                is_news
            });
        }
        // Whoever needs the store finds out by himself; here nothing is lost but time.
        Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "could not look for changes"),
    }
}

async fn keep_listening(database: SqlStore, epoch: Epoch, changes: Arc<watch::Sender<Cursor>>) {
    loop {
        match listen(&database, &epoch, &changes).await {
            // The database has no announcements; looking has to do.
            Ok(()) => return,
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "announcements were interrupted");
                sleep(STORE_LOOK_INTERVAL).await;
            }
        }
    }
}

async fn listen(
    database: &SqlStore,
    epoch: &Epoch,
    changes: &watch::Sender<Cursor>,
) -> Result<(), StoreError> {
    let Some(mut announcements) = database.announcements(epoch.as_str()).await? else { return Ok(()) };
    // What happened before anybody listened.
    look(database, changes).await;
    loop {
        match announcements.next().await? {
            Announced::Change(cursor) => announce(changes, cursor),
            Announced::Gap => look(database, changes).await,
        }
    }
}
