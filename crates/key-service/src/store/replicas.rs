//! Learning of the changes that other replicas make to the same store, and of changes that it has lost.
//!
//! An announcement of the database (`NOTIFY`) arrives within a millisecond. In addition, the position of the
//! feed is read every [`STORE_LOOK_INTERVAL`], because an announcement can be lost with its connection, and
//! some databases make none.

mod heard_feed;

use std::sync::Arc;

use latchkey_key_feed::{Cursor, Epoch};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::limits::STORE_LOOK_INTERVAL;
use crate::store::StoreError;
use crate::store::sql::postgres::announcements::{self, Announced};
use crate::store::sql::postgres::servers::Turn;
use crate::store::sql::{SqlStore, postgres};

pub(super) use heard_feed::HeardFeed;

/// The tasks that learn of the others' changes. They end when this value is dropped.
#[derive(Debug)]
pub(super) struct Hearing {
    tasks: [JoinHandle<()>; 2],
    feed: HeardFeed,
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
    /// `None` when no other process can change the store. `spare` is a name that no feed has: those of feeds
    /// that begin when changes were lost begin with it.
    pub(super) fn begin(
        database: &SqlStore,
        epoch: &Arc<watch::Sender<Epoch>>,
        changes: &Arc<watch::Sender<Cursor>>,
        spare: Epoch,
    ) -> Option<Self> {
        if !database.may_have_replicas() {
            return None;
        }
        let feed = HeardFeed::new(Arc::clone(epoch), Arc::clone(changes), spare);
        let looking = tokio::spawn(keep_looking(database.clone(), feed.clone()));
        let listening = tokio::spawn(keep_listening(database.clone(), feed.clone()));
        Some(Self { tasks: [looking, listening], feed })
    }

    pub(super) fn feed(&self) -> HeardFeed {
        self.feed.clone()
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn keep_looking(database: SqlStore, feed: HeardFeed) {
    let mut ticks = interval(STORE_LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_away = false;
    loop {
        ticks.tick().await;
        let looked = feed.look(&database).await;
        is_away = see_to_connections(&database, looked, is_away).await;
    }
}

/// Looks for another server once a look at the feed has failed. The beginning and the end of an outage are a
/// line of the log each, which says what every server answers. Returns whether there is an outage.
async fn see_to_connections(database: &SqlStore, looked: Result<(), StoreError>, is_away: bool) -> bool {
    let Err(error) = looked else {
        if is_away {
            tracing::info!("the database answers again");
        }
        return false;
    };
    // The service stops.
    if database.is_closed() {
        return is_away;
    }
    let cause = match postgres::turn_to_primary(database).await {
        Ok(Turn::To(server)) => {
            tracing::warn!(server, "the database is at another server now");
            return is_away;
        }
        Ok(Turn::Stayed) => error,
        Err(no_primary) => no_primary,
    };
    if !is_away {
        tracing::error!(error = &cause as &dyn std::error::Error, "the database does not answer");
    }
    true
}

async fn keep_listening(database: SqlStore, feed: HeardFeed) {
    loop {
        match listen(&feed, &database).await {
            // The database has no announcements; reading the position at intervals must do.
            Ok(()) => return,
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "announcements were interrupted");
                sleep(STORE_LOOK_INTERVAL).await;
            }
        }
    }
}

async fn listen(feed: &HeardFeed, database: &SqlStore) -> Result<(), StoreError> {
    let Some(mut announcements) = announcements::listen(database).await? else { return Ok(()) };
    // What happened before this task listened.
    feed.look(database).await?;
    loop {
        match announcements.next().await? {
            // It may come after a look that found the change, so it says nothing of changes that were lost.
            Announced::Change { epoch, cursor } if feed.is_of(&epoch) => feed.note(epoch, cursor),
            // Of another feed in the same database, or ours has begun a new epoch.
            Announced::Change { .. } | Announced::Gap => feed.look(database).await?,
        }
    }
}

/// Puts a value in place of another, and tells whether it differs.
pub(super) fn replaced<T: PartialEq>(known: &mut T, found: T) -> bool {
    let is_news = *known != found;
    *known = found;
    is_news
}
