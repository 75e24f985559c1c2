//! Replicas tell each other of the edges that they hear.
//!
//! An edge asks one replica at a time, and its promise counts at all of them. What this replica has heard is written to the store at
//! once when it is news, and now and then to say that an edge still lives; what the others have heard is read when they
//! announce it, and now and then in case an announcement was missed. While one writing or reading is under way, more news
//! gathers for the next.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::clock::Clock;
use crate::feed::Feed;
use crate::feed::edge_name::EdgeName;
use crate::feed::edges::EdgeSighting;
use crate::limits::{EDGE_EXCHANGE_PAUSE, EDGE_ROW_LIFE, EDGE_SIGHT_INTERVAL, STORE_LOOK_INTERVAL};
use crate::store::StoreError;
use crate::store::edges::{EdgeAnnouncements, EdgeRow};

/// How long a replica that could not hear of the others' edges doubts that it knows all: until it has surely tried again.
const EDGE_DOUBT_MS: u64 = 2 * EDGE_SIGHT_INTERVAL.as_secs() * 1_000;

/// Begins the exchange, from within a runtime of tokio. It ends with the feed. A store that nobody else uses needs none.
pub fn begin(feed: &Arc<Feed>, clock: Arc<dyn Clock>, edges_live_for: Duration) {
    if feed.store.may_have_replicas() {
        tokio::spawn(keep_telling(Arc::downgrade(feed)));
        tokio::spawn(keep_hearing(Arc::downgrade(feed), Arc::clone(&clock)));
        tokio::spawn(keep_forgetting(Arc::downgrade(feed), clock, edges_live_for.max(EDGE_ROW_LIFE)));
    }
}

async fn keep_telling(feed: Weak<Feed>) {
    let Some(mut news) = feed.upgrade().map(|feed| feed.edge_news()) else { return };
    let mut told = 0;
    loop {
        // Without news there is still something to say: who is alive.
        let _ = timeout(EDGE_SIGHT_INTERVAL, news.changed()).await;
        news.borrow_and_update();
        let Some(feed) = feed.upgrade() else { return };
        // Before what is told: a promise about an older epoch must not be told as one about this.
        let epoch = feed.store.epoch();
        let (version, sightings) = feed.own_sightings_since(told);
        if !sightings.is_empty() {
            let rows: Vec<EdgeRow> = sightings.into_iter().map(row).collect();
            match feed.store.tell_of_edges(&epoch, &rows).await {
                Ok(()) => told = version,
                Err(error) => complain("could not tell of edges", &error),
            }
        }
        drop(feed);
        sleep(EDGE_EXCHANGE_PAUSE).await;
    }
}

async fn keep_hearing(feed: Weak<Feed>, clock: Arc<dyn Clock>) {
    let mut announcements = None;
    loop {
        let Some(feed) = feed.upgrade() else { return };
        if announcements.is_none() {
            announcements = feed.store.edge_announcements().await.unwrap_or_default();
        }
        let epoch = feed.store.epoch();
        match feed.store.edges_told_of(&epoch).await {
            Ok(rows) => feed.merge_sightings(&epoch, rows.into_iter().filter_map(sighting).collect()),
            Err(error) => {
                feed.doubt_edges_until(clock.now().plus_millis(EDGE_DOUBT_MS));
                complain("could not hear of edges", &error);
            }
        }
        drop(feed);
        sleep(EDGE_EXCHANGE_PAUSE).await;
        announcements = announced(announcements).await;
    }
}

/// Waits for an announcement, or for the time after which one looks anyway. Announcements whose connection is lost are given up.
async fn announced(announcements: Option<EdgeAnnouncements>) -> Option<EdgeAnnouncements> {
    let Some(mut announcements) = announcements else {
        sleep(STORE_LOOK_INTERVAL).await;
        return None;
    };
    match timeout(STORE_LOOK_INTERVAL, announcements.next()).await {
        Ok(Err(_)) => None,
        Ok(Ok(())) | Err(_) => Some(announcements),
    }
}

async fn keep_forgetting(feed: Weak<Feed>, clock: Arc<dyn Clock>, life: Duration) {
    let mut ticks = interval(EDGE_ROW_LIFE / 24);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(feed) = feed.upgrade() else { return };
        let unseen_since = clock.now().minus(life);
        if let Err(error) = feed.store.forget_edges(unseen_since).await {
            complain("could not forget edges", &error);
        }
    }
}

/// Nothing is lost but time: it is tried again.
fn complain(what: &'static str, error: &StoreError) {
    tracing::debug!(error = error as &dyn std::error::Error, "{what}");
}

fn row(EdgeSighting { name, acknowledged, seen }: EdgeSighting) -> EdgeRow {
    EdgeRow { name: name.as_str().to_owned(), acknowledged, seen }
}

fn sighting(EdgeRow { name, acknowledged, seen }: EdgeRow) -> Option<EdgeSighting> {
    Some(EdgeSighting { name: EdgeName::try_from(name).ok()?, acknowledged, seen })
}

#[cfg(test)]
mod tests;
