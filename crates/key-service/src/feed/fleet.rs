//! What a feed knows of its edges, for whoever asks, and for the other replicas.
//!
//! An edge asks one replica at a time, and a promise counts at all of them. So replicas exchange what they hear: each hands its own
//! sightings out with [`Feed::own_sightings_since`] whenever [`Feed::edge_news`] has changed, and now and then without news, so that
//! the others know who lives; and it takes in those of the others with [`Feed::merge_sightings`]. Nothing that was taken in is
//! handed out again.

use std::sync::PoisonError;

use latchkey_key_feed::{Cursor, Epoch, UnixMillis};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::feed::Feed;
use crate::feed::edges::{EdgeCounts, EdgeSighting, EdgeStatus, Heard};
use crate::store::StoreError;
use crate::telemetry::edges::change_reached_edge;

/// All edges at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fleet {
    /// Which feed the cursors are of.
    pub epoch: Epoch,
    /// The position of the latest change.
    pub latest: Cursor,
    /// Whether every live edge is among them. It is not sure for one live window after the start.
    pub is_complete: bool,
    /// The edges in numbers.
    pub counts: EdgeCounts,
    /// Sorted by name; at most [`crate::limits::EDGES_MAX`].
    pub edges: Vec<EdgeStatus>,
}

impl Feed {
    /// The edges as they are now.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell its latest change.
    pub async fn fleet(&self, now: UnixMillis) -> Result<Fleet, StoreError> {
        let latest = self.store.latest().await?;
        let ledger = self.ledger();
        Ok(Fleet {
            epoch: self.store.epoch(),
            latest,
            is_complete: ledger.is_complete(now),
            counts: ledger.counts(latest, now),
            edges: ledger.list(latest, now),
        })
    }

    /// The edges in numbers, where `latest` is the position of the latest change.
    #[must_use]
    pub fn edge_counts(&self, latest: Cursor, now: UnixMillis) -> EdgeCounts {
        self.ledger().counts(latest, now)
    }

    /// Whoever holds this is woken when an edge is new or has come further, whoever heard of it.
    #[must_use]
    pub fn edge_news(&self) -> watch::Receiver<u64> {
        self.edge_news.subscribe()
    }

    /// What this replica has heard from edges since `version`, and the version to ask with next time; 0 is the beginning.
    #[must_use]
    pub fn own_sightings_since(&self, version: u64) -> (u64, Vec<EdgeSighting>) {
        self.ledger().changed_since(version)
    }

    /// Takes in what other replicas have heard about the feed of this epoch, if it is still the store's.
    pub fn merge_sightings(&self, epoch: &Epoch, sightings: Vec<EdgeSighting>) {
        let mut ledger = self.ledger();
        let is_news = ledger.epoch() == epoch && ledger.merge(sightings);
        drop(ledger);
        if is_news {
            self.tell_edge_news();
        }
    }

    /// Notes that until then other replicas may know of live edges that this one does not know of.
    pub fn doubt_edges_until(&self, moment: UnixMillis) {
        self.ledger().doubt_until(moment);
    }

    /// Takes in what an edge has said to this replica.
    pub(super) fn see(&self, sighting: EdgeSighting) {
        let acknowledged = sighting.acknowledged;
        let name = sighting.name.clone();
        let heard = self.ledger().see(sighting);
        if heard.took_back {
            tracing::warn!(
                edge = name.as_str(),
                "an edge took back what it had acknowledged: do two processes share its name?"
            );
        }
        if heard.crowded_out {
            tracing::warn!(
                edge = name.as_str(),
                "a live edge was forgotten for this one: there are too many"
            );
        }
        self.time_changes(&heard, acknowledged);
        if heard.is_news(acknowledged) {
            self.tell_edge_news();
        }
    }

    /// An edge that had acknowledged nothing before has loaded, which says nothing of how long a change takes.
    fn time_changes(&self, heard: &Heard, acknowledged: Cursor) {
        let Some(before) = heard.before.filter(|before| *before != Cursor(0)) else { return };
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.taken(before, acknowledged, Instant::now()).for_each(change_reached_edge);
    }

    fn tell_edge_news(&self) {
        self.edge_news.send_modify(|news| *news = news.wrapping_add(1));
    }
}
