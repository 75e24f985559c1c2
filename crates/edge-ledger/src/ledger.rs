//! Which edges follow the feed, what each has acknowledged, and until when each may admit by its table.
//!
//! The ledger counts instances, which are the tables of processes ([`EdgeId`]). Two processes of one name are
//! two instances, and so are two tables of one process.
//!
//! An acknowledgement holds for all VMs that read one table. Within one epoch it stays true, because
//! tables only move forward. So the cursor of an instance only rises, and it does not matter in which order,
//! how often, or by which replica an acknowledgement is received.
//!
//! After an answer, an instance may admit by its table for as long as it says itself
//! (`staleness.refuse_after`). The answer may arrive as late as the edge waits for one. Until then the
//! instance counts, whether it asks again or not. This time is measured by a monotonic clock. Such a clock
//! does not outlive a process, and a wall clock can be wrong. So the store keeps a length of time: for how
//! long an instance may admit from when that was written. A reader counts it from the moment of reading. If
//! two times are known for one instance, the later one counts.

pub(crate) mod claim;
mod eviction;
pub(crate) mod leaving;
pub(crate) mod listing;
pub(crate) mod missing;
mod shortening;
mod stored;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Weak;

use latchkey_key_feed::{Cursor, Epoch, MonotonicMillis, UnixMillis};

use crate::edge_id::{EdgeId, Holder};
use crate::edge_row::GoneEdge;
use crate::limits::{EDGE_ANSWER_MARGIN, EDGE_SIGHT_INTERVAL};
use crate::moment::Moment;

use eviction::{HolderInstances, noted_after};
use missing::Missing;

/// What is known of each instance; at most [`crate::limits::EDGES_MAX`] of them.
#[derive(Debug)]
pub struct EdgeLedger {
    epoch: Epoch,
    edges: BTreeMap<EdgeId, EdgeProgress>,
    rules: EdgeRules,
    /// Until then an edge may admit that is not in this ledger.
    unsure_until: MonotonicMillis,
    /// Edges that asked before then may be missing in this ledger, according to the store.
    known_since: UnixMillis,
    /// The latest such moment for which the store has noted that it does not matter any more.
    known_again: UnixMillis,
    /// How many times an edge asked this replica.
    heard: u64,
    /// What is remembered of each credential.
    by_holder: BTreeMap<Holder, HolderInstances>,
    /// No instance can be evicted for another before then.
    none_gone_before: MonotonicMillis,
    /// Instances that were evicted, which has to be written to the store.
    evicted: BTreeMap<EdgeId, GoneEdge>,
    /// Instances whose rows were written since the rows of other replicas were last read, and before that: a
    /// read that is under way may have older rows.
    evicted_before: [BTreeMap<EdgeId, GoneEdge>; 2],
    /// The value of `heard` when the rows of other replicas were last read, and the time before that.
    heard_at_merges: [u64; 2],
    /// The instances whose rows have to be written.
    unstored: BTreeSet<EdgeId>,
    /// The cursors that requests wait for.
    missing: Vec<Weak<Missing>>,
}

/// What the operator chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdgeRules {
    /// How long after its last request an instance counts as live.
    pub live_for_ms: u64,
    /// How long an instance may admit that does not say so.
    pub refuse_after_ms: u64,
    /// How many instances of one credential are remembered.
    pub instances_per_key_max: usize,
}

/// A request of an instance to this replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeRequest {
    /// Which.
    pub id: EdgeId,
    /// Whose credential it asked with.
    pub holder: Holder,
    /// For how long after an answer it may admit, in milliseconds.
    pub refuse_after_ms: u64,
    /// It has applied every change up to here; 0 when it acknowledged nothing.
    pub acknowledged: Cursor,
}

/// What was learned from a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerUpdate {
    /// What the instance had acknowledged before; `None` when it was not known.
    pub before: Option<Cursor>,
    /// Whether its cursor went back, for the first time. A single table never goes back, so two tables share
    /// an identity.
    pub took_back: bool,
    /// Whether its row has to be written before it is answered.
    pub needs_row: bool,
}

/// How an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeState {
    /// It was seen within the live window.
    Live,
    /// It was not seen within the live window, and may admit until then.
    Silent {
        /// In wall-clock time.
        until: UnixMillis,
    },
    /// It admits nothing any more.
    Gone,
}

#[derive(Debug)]
struct EdgeProgress {
    holder: Holder,
    /// Whether the key of the holder is known to have ended.
    holder_ended: bool,
    refuse_after_ms: u64,
    acknowledged: Cursor,
    /// Whether it has ever acknowledged anything, in any epoch.
    has_acknowledged: bool,
    seen: UnixMillis,
    live_until: MonotonicMillis,
    /// It may admit until then.
    until: MonotonicMillis,
    /// It may admit until then by what this replica itself has answered.
    answered_until: MonotonicMillis,
    has_left: bool,
    /// Whether it was given its last page.
    has_ended: bool,
    /// The value of `heard` when it last asked this replica; 0 when it never did.
    heard: u64,
    took_back: bool,
    stored: Stored,
}

/// What the store's row of an instance says.
#[derive(Clone, Copy, Debug, Default)]
struct Stored {
    /// Whether there is a row, and its fields that do not only rise (holder, `refuse_after`) are right.
    is_right: bool,
    /// Until when the instance may admit according to the row: by the wall clock of the writer, and counted
    /// from when it was written or read.
    until: UnixMillis,
    steady_until: MonotonicMillis,
    /// For how long the instance may admit according to the row, counted from when it is read.
    for_ms: u64,
    /// Whether the row has an acknowledgement of this epoch.
    has_acknowledgement: bool,
    /// The latest `until` that this replica has written or read. A later one was written by another replica.
    told_until: UnixMillis,
}

impl EdgeLedger {
    /// An empty ledger for the feed of this epoch.
    #[must_use]
    pub fn new(epoch: Epoch, rules: EdgeRules) -> Self {
        Self {
            epoch,
            edges: BTreeMap::new(),
            rules,
            unsure_until: MonotonicMillis(0),
            known_since: UnixMillis(0),
            known_again: UnixMillis(0),
            heard: 0,
            by_holder: BTreeMap::new(),
            none_gone_before: MonotonicMillis(0),
            evicted: BTreeMap::new(),
            evicted_before: Default::default(),
            heard_at_merges: [0; 2],
            unstored: BTreeSet::new(),
            missing: Vec::new(),
        }
    }

    /// Switches to another epoch, if it is another one. The edges stay; their acknowledgements were about the
    /// old epoch.
    pub fn turn_to(&mut self, epoch: &Epoch) {
        if self.epoch == *epoch {
            return;
        }
        self.epoch = epoch.clone();
        for progress in self.edges.values_mut() {
            progress.acknowledged = Cursor(0);
            progress.took_back = false;
            progress.stored.has_acknowledgement = false;
        }
    }

    /// Notes that until then an edge may admit that is not in this ledger.
    pub fn doubt_until(&mut self, moment: MonotonicMillis) {
        self.unsure_until = self.unsure_until.max(moment);
    }

    /// Whether every edge that may admit is known.
    #[must_use]
    pub fn is_sure(&self, now: Moment) -> bool {
        now.steady >= self.unsure_until
    }

    /// Notes that an instance asked this replica, which will answer it within `answered_in_ms`.
    pub fn note_request(&mut self, request: EdgeRequest, answered_in_ms: u64, now: Moment) -> LedgerUpdate {
        let EdgeRequest { id, holder, refuse_after_ms, acknowledged } = request;
        self.tell_waiting(&id, acknowledged);
        self.heard += 1;
        let until =
            now.steady.plus_millis(answered_in_ms).plus_millis(ANSWER_MARGIN_MS).plus_millis(refuse_after_ms);
        let live_until = now.steady.plus_millis(self.rules.live_for_ms);
        let before = self.edges.get(&id).map(|progress| progress.acknowledged);
        match self.edges.get(&id).map(|progress| progress.holder.clone()) {
            Some(before) => self.count_as(&id, &before, &holder),
            None => self.count_in(&id, &holder),
        }
        self.evicted.remove(&id);
        let heard = self.heard;
        let progress = self.edges.entry(id.clone()).or_insert_with(|| EdgeProgress::new(holder.clone()));
        let is_other =
            progress.has_left || progress.holder != holder || progress.refuse_after_ms != refuse_after_ms;
        if is_other {
            progress.stored.is_right = false;
            progress.holder_ended &= progress.holder == holder;
        }
        progress.holder = holder;
        progress.refuse_after_ms = refuse_after_ms;
        progress.seen =
            if progress.has_left { noted_after(progress.seen, now) } else { progress.seen.max(now.wall) };
        progress.has_left = false;
        // A key that has ended never becomes valid again, so this request has another key.
        progress.has_ended = false;
        let known = progress.acknowledged;
        let takes_back = acknowledged != Cursor(0) && acknowledged < known;
        let took_back = takes_back && !progress.took_back;
        progress.took_back |= takes_back;
        progress.acknowledged = known.max(acknowledged);
        progress.has_acknowledged |= acknowledged != Cursor(0);
        progress.live_until = progress.live_until.max(live_until);
        progress.until = progress.until.max(until);
        progress.heard = heard;
        // The row that covers this answer may be another replica's. That replica takes the row as written
        // ahead for its own answers only, so it has to see that this replica answers too.
        let is_known_to_answer = progress.answered_until > now.steady.plus_millis(TOLD_MARGIN_MS);
        progress.answered_until = progress.answered_until.max(until);
        let needs_row = !is_known_to_answer || !progress.is_remembered_for(progress.remaining(now), now);
        let is_first_acknowledgement =
            progress.acknowledged != Cursor(0) && !progress.stored.has_acknowledgement;
        if needs_row || is_first_acknowledgement {
            self.unstored.insert(id);
        }
        LedgerUpdate { before, took_back, needs_row }
    }

    /// Notes an acknowledgement of an instance that gets no new page: its table goes on to age.
    pub fn note_acknowledgement(&mut self, id: &EdgeId, acknowledged: Cursor, now: Moment) {
        self.tell_waiting(id, acknowledged);
        self.heard += 1;
        let live_until = now.steady.plus_millis(self.rules.live_for_ms);
        if let Some(progress) = self.edges.get_mut(id) {
            progress.acknowledged = progress.acknowledged.max(acknowledged);
            progress.seen = progress.seen.max(now.wall);
            progress.live_until = progress.live_until.max(live_until);
            progress.heard = self.heard;
        }
    }

    /// What an instance has acknowledged that asks with this credential; `None` when it is unknown, or asks
    /// with another credential.
    #[must_use]
    pub fn acknowledged_by(&self, id: &EdgeId, holder: &Holder) -> Option<Cursor> {
        let progress = self.edges.get(id).filter(|progress| progress.holder == *holder && !progress.has_left);
        progress.map(|progress| progress.acknowledged)
    }
}

/// How long before the end of what is written the row is written again: longer than it takes until other
/// replicas read it.
const TOLD_MARGIN_MS: u64 = 2 * EDGE_SIGHT_INTERVAL.as_secs() * 1_000;

/// Milliseconds of [`EDGE_ANSWER_MARGIN`].
const ANSWER_MARGIN_MS: u64 = EDGE_ANSWER_MARGIN.as_secs() * 1_000;

impl EdgeProgress {
    fn new(holder: Holder) -> Self {
        Self {
            holder,
            holder_ended: false,
            refuse_after_ms: 0,
            acknowledged: Cursor(0),
            has_acknowledged: false,
            seen: UnixMillis(0),
            live_until: MonotonicMillis(0),
            until: MonotonicMillis(0),
            answered_until: MonotonicMillis(0),
            has_left: false,
            has_ended: false,
            heard: 0,
            took_back: false,
            stored: Stored::default(),
        }
    }

    fn lag(&self, latest: Cursor) -> u64 {
        latest.0.saturating_sub(self.acknowledged.0)
    }

    /// Whether it may admit by its table.
    fn may_admit(&self, now: Moment) -> bool {
        !self.has_left && self.until > now.steady
    }

    fn is_live(&self, now: Moment) -> bool {
        !self.has_left && self.live_until >= now.steady
    }

    /// For how long it may admit, in milliseconds.
    fn remaining(&self, now: Moment) -> u64 {
        if self.has_left { 0 } else { self.until.millis_since(now.steady) }
    }

    /// Until when it may admit, in wall-clock time.
    fn until(&self, now: Moment) -> UnixMillis {
        now.wall.plus_millis(self.remaining(now))
    }

    fn state(&self, now: Moment) -> EdgeState {
        if self.is_live(now) {
            EdgeState::Live
        } else if self.may_admit(now) {
            EdgeState::Silent { until: self.until(now) }
        } else {
            EdgeState::Gone
        }
    }

    /// Whether the store's row covers this length of time.
    fn is_remembered_for(&self, ahead_ms: u64, now: Moment) -> bool {
        self.stored.is_right && self.stored.steady_until >= now.steady.plus_millis(ahead_ms)
    }

    /// Whether the row covers it also in wall-clock time, by which rows are sorted.
    fn is_stored_until(&self, ahead_ms: u64, now: Moment) -> bool {
        self.is_remembered_for(ahead_ms, now) && self.stored.until >= now.wall.plus_millis(ahead_ms)
    }
}

impl LedgerUpdate {
    /// Whether the instance is new, or has acknowledged more than before.
    #[must_use]
    pub fn is_news(&self, acknowledged: Cursor) -> bool {
        self.before.is_none_or(|before| acknowledged > before)
    }
}

#[cfg(test)]
mod tests;
