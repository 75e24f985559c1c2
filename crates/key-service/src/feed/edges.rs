//! Which edges follow the feed, and how far each has come.
//!
//! An acknowledgement is a promise about all workers of a process, and within one epoch it stays true: tables only move forward,
//! and a process that starts again begins with a table at least as new. So what is known of an edge only rises, and it does not
//! matter in which order, how often, or by which replica a promise is heard.
//!
//! An edge is live while it was seen within the live window. One that is not may still admit by an old table, for as long as its
//! configuration lets a table serve (`staleness.refuse_after`).

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use latchkey_key_feed::{Cursor, Epoch, UnixMillis};

use crate::feed::edge_name::EdgeName;
use crate::limits::EDGES_MAX;

/// What is known of each edge; at most [`EDGES_MAX`] of them.
#[derive(Debug)]
pub struct EdgeLedger {
    epoch: Epoch,
    edges: BTreeMap<EdgeName, EdgeProgress>,
    live_for_ms: u64,
    /// Until then an edge may be live that is not in here.
    incomplete_until: UnixMillis,
    /// How many times an edge asked this replica.
    heard: u64,
    /// What is waited for, as long as somebody does.
    missing: Vec<Weak<Missing>>,
}

/// The edges that were live when somebody began to wait for a change, and have not applied it since. News of one edge takes that one out,
/// however many there are.
#[derive(Debug)]
pub struct Missing {
    change: Cursor,
    edges: Mutex<BTreeSet<EdgeName>>,
}

/// What somebody heard of an edge at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeSighting {
    /// Which edge.
    pub name: EdgeName,
    /// It has applied every change up to here; 0 when it said nothing of that.
    pub acknowledged: Cursor,
    /// When it asked, by the clock of whom it asked.
    pub seen: UnixMillis,
}

/// What a sighting has told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// What the edge had acknowledged before; `None` when it was not known.
    pub before: Option<Cursor>,
    /// Whether it took back, for the first time, what it had promised. No single process does: two share a name.
    pub took_back: bool,
    /// Whether a live edge had to be forgotten for it, since there are more than [`EDGES_MAX`].
    pub crowded_out: bool,
}

/// An edge for whoever looks after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeStatus {
    /// The edge, how far it has come, and when it last asked.
    pub sighting: EdgeSighting,
    /// How many changes it has yet to apply.
    pub lag: u64,
    /// Whether it was seen within the live window.
    pub is_live: bool,
}

/// The ledger in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EdgeCounts {
    /// Edges that are remembered.
    pub known: usize,
    /// Those of them that are live.
    pub live: usize,
    /// Live ones that have acknowledged every change.
    pub current: usize,
    /// The changes that the last of the live ones has yet to apply.
    pub lag_max: u64,
}

#[derive(Debug)]
struct EdgeProgress {
    acknowledged: Cursor,
    seen: UnixMillis,
    /// The value of `heard` when it last asked this replica; 0 when it never did.
    heard: u64,
    took_back: bool,
}

impl EdgeLedger {
    /// An empty ledger of promises about the feed of this epoch. Edges are live for `live_for` after each request; until `incomplete_until`, some may not have asked yet.
    #[must_use]
    pub fn new(epoch: Epoch, live_for: Duration, incomplete_until: UnixMillis) -> Self {
        let live_for_ms = u64::try_from(live_for.as_millis()).unwrap_or(u64::MAX);
        let (edges, missing) = (BTreeMap::new(), Vec::new());
        Self { epoch, edges, live_for_ms, incomplete_until, heard: 0, missing }
    }

    /// Of which feed the promises are.
    #[must_use]
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// Turns to the feed of another epoch, if it is another. The edges live on; what they have promised was about the one before.
    pub fn turn_to(&mut self, epoch: &Epoch) {
        if self.epoch == *epoch {
            return;
        }
        self.epoch = epoch.clone();
        for progress in self.edges.values_mut() {
            progress.acknowledged = Cursor(0);
            progress.took_back = false;
        }
    }

    /// Notes that until then there may be live edges of which only others know.
    pub fn doubt_until(&mut self, moment: UnixMillis) {
        self.incomplete_until = self.incomplete_until.max(moment);
    }

    /// Notes that an edge asked this replica.
    pub fn see(&mut self, sighting: EdgeSighting) -> Heard {
        self.heard += 1;
        let heard = self.heard;
        self.add(sighting, heard)
    }

    /// Notes what others have heard, and says whether any of it was news.
    pub fn merge(&mut self, sightings: impl IntoIterator<Item = EdgeSighting>) -> bool {
        let mut is_news = false;
        for sighting in sightings {
            let acknowledged = sighting.acknowledged;
            is_news |= self.add(sighting, 0).is_news(acknowledged);
        }
        is_news
    }

    /// What this replica itself has heard since `version`, and the version to ask with next time; 0 is the beginning.
    #[must_use]
    pub fn changed_since(&self, version: u64) -> (u64, Vec<EdgeSighting>) {
        let changed = self.edges.iter().filter(|(_, progress)| progress.heard > version);
        (self.heard, changed.map(sighting).collect())
    }

    /// Begins to wait for a change: how many edges are live, and those of them that have not applied it.
    #[must_use]
    pub fn wait_for(&mut self, change: Cursor, now: UnixMillis) -> (usize, Arc<Missing>) {
        let live = self.edges.iter().filter(|(_, progress)| self.is_live(progress, now));
        let (total, missing) = live.fold((0, BTreeSet::new()), |(total, mut missing), (name, progress)| {
            if progress.acknowledged < change {
                missing.insert(name.clone());
            }
            (total + 1, missing)
        });
        let missing = Arc::new(Missing { change, edges: Mutex::new(missing) });
        self.missing.push(Arc::downgrade(&missing));
        (total, missing)
    }

    /// Whether every edge that is live is known.
    #[must_use]
    pub fn is_complete(&self, now: UnixMillis) -> bool {
        now >= self.incomplete_until
    }

    /// All edges, sorted by name, where `latest` is the position of the latest change.
    #[must_use]
    pub fn list(&self, latest: Cursor, now: UnixMillis) -> Vec<EdgeStatus> {
        let status = |(name, progress): (&EdgeName, &EdgeProgress)| EdgeStatus {
            sighting: sighting((name, progress)),
            lag: progress.lag(latest),
            is_live: self.is_live(progress, now),
        };
        self.edges.iter().map(status).collect()
    }

    /// The ledger in numbers, where `latest` is the position of the latest change.
    #[must_use]
    pub fn counts(&self, latest: Cursor, now: UnixMillis) -> EdgeCounts {
        let mut counts = EdgeCounts { known: self.edges.len(), ..EdgeCounts::default() };
        for progress in self.edges.values().filter(|progress| self.is_live(progress, now)) {
            let lag = progress.lag(latest);
            counts.live += 1;
            counts.current += usize::from(lag == 0);
            counts.lag_max = counts.lag_max.max(lag);
        }
        counts
    }

    fn add(&mut self, EdgeSighting { name, acknowledged, seen }: EdgeSighting, heard: u64) -> Heard {
        self.missing
            .retain(|missing| missing.upgrade().is_some_and(|missing| missing.hear(&name, acknowledged)));
        let crowded_out =
            self.edges.len() >= EDGES_MAX && !self.edges.contains_key(&name) && { self.make_room(seen) };
        match self.edges.entry(name) {
            Entry::Vacant(place) => {
                place.insert(EdgeProgress { acknowledged, seen, heard, took_back: false });
                Heard { before: None, took_back: false, crowded_out }
            }
            Entry::Occupied(mut known) => {
                let progress = known.get_mut();
                let before = progress.acknowledged;
                let takes_back = acknowledged != Cursor(0) && acknowledged < before;
                let took_back = takes_back && !progress.took_back;
                progress.took_back |= takes_back;
                progress.acknowledged = before.max(acknowledged);
                progress.seen = progress.seen.max(seen);
                progress.heard = progress.heard.max(heard);
                Heard { before: Some(before), took_back, crowded_out }
            }
        }
    }

    /// Forgets the edge not seen for longest, and says whether it was live. Then the ledger is not complete for as long as that edge
    /// would have been live.
    fn make_room(&mut self, now: UnixMillis) -> bool {
        let unseen = self.edges.iter().min_by_key(|(_, progress)| progress.seen);
        let Some((name, progress)) = unseen.map(|(name, progress)| (name.clone(), progress)) else {
            return false;
        };
        let was_live = self.is_live(progress, now);
        if was_live {
            self.doubt_until(now.plus_millis(self.live_for_ms));
        }
        self.edges.remove(&name);
        was_live
    }

    /// One seen in the future, by another clock, is live.
    fn is_live(&self, progress: &EdgeProgress, now: UnixMillis) -> bool {
        now.0.saturating_sub(progress.seen.0) <= self.live_for_ms
    }
}

impl Missing {
    /// Whether every edge has applied the change.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.edges().is_empty()
    }

    /// The edges that have not applied it, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<EdgeName> {
        self.edges().iter().cloned().collect()
    }

    /// Takes out an edge that has come so far. Always true: there is somebody to take it out for.
    fn hear(&self, name: &EdgeName, acknowledged: Cursor) -> bool {
        if acknowledged >= self.change {
            self.edges().remove(name);
        }
        true
    }

    fn edges(&self) -> MutexGuard<'_, BTreeSet<EdgeName>> {
        self.edges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EdgeProgress {
    fn lag(&self, latest: Cursor) -> u64 {
        latest.0.saturating_sub(self.acknowledged.0)
    }
}

impl Heard {
    /// Whether the edge is new, or has come further, where `acknowledged` is what it said this time.
    #[must_use]
    pub fn is_news(&self, acknowledged: Cursor) -> bool {
        self.before.is_none_or(|before| acknowledged > before)
    }
}

fn sighting((name, progress): (&EdgeName, &EdgeProgress)) -> EdgeSighting {
    EdgeSighting { name: name.clone(), acknowledged: progress.acknowledged, seen: progress.seen }
}

#[cfg(test)]
mod tests;
