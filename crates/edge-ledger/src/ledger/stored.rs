//! The ledger's rows in the store, and the rows that other replicas have written.
//!
//! A row is written when an instance is new, when this replica answers it and had not done so lately, when
//! its credential or its `refuse_after` changes, when it acknowledges for the first time, and when it leaves.
//! The time until which it may admit is written [`EDGE_ROW_WINDOW`] ahead, and again once half of that has
//! passed. So most requests write nothing.
//!
//! A row is read as a length of time. So when the machine starts with a wrong clock, no instance is evicted
//! and none counts for longer.

use latchkey_key_feed::{Cursor, Epoch, UnixMillis};

use super::eviction::noted_after;
use super::{ANSWER_MARGIN_MS, EdgeLedger, EdgeProgress, Stored};
use crate::edge_id::EdgeId;
use crate::edge_row::{EdgeRow, KnownEdges};
use crate::limits::FEED_WAIT_MAX;
use crate::limits::{EDGE_LEFT_LIFE, EDGE_ROW_LIFE, EDGE_ROW_WINDOW};
use crate::moment::Moment;

/// Milliseconds of [`EDGE_ROW_WINDOW`].
const WINDOW_MS: u64 = EDGE_ROW_WINDOW.as_secs() * 1_000;

/// Milliseconds of [`FEED_WAIT_MAX`].
const WAIT_MS_MAX: u64 = FEED_WAIT_MAX.as_secs() * 1_000;

impl EdgeLedger {
    /// Reads the rows of the store into the ledger, and returns whether any of them was news.
    pub fn merge(&mut self, known: KnownEdges, now: Moment) -> bool {
        if known.begun != self.known_since {
            self.known_since = known.begun;
            if known.begun != UnixMillis(0) {
                let unknown_for = self.rules.refuse_after_ms + ANSWER_MARGIN_MS;
                self.doubt_until(now.steady.plus_millis(unknown_for));
            }
        }
        let mut is_news = false;
        for row in known.rows {
            is_news |= self.merge_row(row, now);
        }
        self.heard_at_merges = [self.heard_at_merges[1], self.heard];
        self.note_rows_taken_in();
        is_news
    }

    /// What this replica itself has learned since `version`, and the version for the next call; 0 is the
    /// beginning.
    #[must_use]
    pub fn changed_since(&self, version: u64, now: Moment) -> (u64, Vec<EdgeRow>) {
        let changed =
            self.edges.iter().filter(|(_, progress)| progress.heard > version && progress.stored.is_right);
        (self.heard, changed.map(|(id, progress)| self.row(id, progress, now)).collect())
    }

    /// The rows that have to be written. If that fails, give them back with [`Self::put_back`].
    pub fn take_unstored(&mut self, now: Moment) -> Vec<EdgeRow> {
        let ids = std::mem::take(&mut self.unstored);
        let known = ids.iter().filter_map(|id| self.edges.get_key_value(id));
        let rows: Vec<EdgeRow> = known.map(|(id, progress)| self.row(id, progress, now)).collect();
        for row in &rows {
            if let Some(progress) = self.edges.get_mut(&row.id) {
                progress.stored.told_until = progress.stored.told_until.max(row.may_admit_until);
            }
        }
        rows
    }

    /// Whether there is anything to write.
    #[must_use]
    pub fn has_unwritten(&self) -> bool {
        !self.unstored.is_empty() || !self.evicted.is_empty()
    }

    /// Notes that rows are to be written all the same.
    pub fn put_back(&mut self, rows: Vec<EdgeRow>) {
        self.unstored.extend(rows.into_iter().map(|row| row.id));
    }

    /// Notes that rows are durable.
    pub fn note_stored(&mut self, rows: &[EdgeRow], now: Moment) {
        for row in rows {
            let has_acknowledgement = row.acknowledged != Cursor(0) && row.epoch == self.epoch.as_str();
            let Some(progress) = self.edges.get_mut(&row.id) else { continue };
            progress.stored.raise(row, now);
            progress.stored.is_right = progress.holder == row.holder
                && progress.refuse_after_ms == row.refuse_after_ms
                && progress.has_left == row.has_left;
            progress.stored.has_acknowledgement |= has_acknowledgement;
        }
    }

    /// Finds the rows that have to be written again soon, and drops instances that are gone for long.
    pub fn sweep(&mut self, now: Moment) {
        let life_ms = |life: std::time::Duration| life.as_secs() * 1_000;
        let is_over = |progress: &EdgeProgress| {
            let life = if progress.has_left { life_ms(EDGE_LEFT_LIFE) } else { life_ms(EDGE_ROW_LIFE) };
            let end = if progress.has_left { progress.live_until } else { progress.until };
            end.plus_millis(life) <= now.steady
        };
        let over = self.edges.iter().filter(|(_, progress)| is_over(progress));
        let over: Vec<EdgeId> = over.map(|(id, _)| id.clone()).collect();
        for id in &over {
            self.remove(id);
        }
        for (id, progress) in &self.edges {
            // This replica may answer an instance again that it has answered; of other instances it only
            // keeps what is known.
            let is_noted = if progress.is_answered(now) {
                let ahead = progress.refuse_after_ms + ANSWER_MARGIN_MS + WAIT_MS_MAX + WINDOW_MS / 2;
                progress.is_stored_until(ahead, now)
            } else {
                progress.is_remembered_for(progress.remaining(now), now)
            };
            if progress.may_admit(now) && !is_noted {
                self.unstored.insert(id.clone());
            }
        }
    }

    /// How an instance is to be stored.
    fn row(&self, id: &EdgeId, progress: &EdgeProgress, now: Moment) -> EdgeRow {
        let may_admit_until = progress.written_until(now);
        EdgeRow {
            id: id.clone(),
            holder: progress.holder.clone(),
            refuse_after_ms: progress.refuse_after_ms,
            epoch: Epoch::as_str(&self.epoch).to_owned(),
            acknowledged: progress.acknowledged,
            seen: progress.seen,
            may_admit_until,
            noted: UnixMillis(may_admit_until.0.saturating_sub(progress.noted_for_ms(now))),
            told: progress.stored.until,
            has_left: progress.has_left,
        }
    }

    fn merge_row(&mut self, row: EdgeRow, now: Moment) -> bool {
        let acknowledged = if row.epoch == self.epoch.as_str() { row.acknowledged } else { Cursor(0) };
        let holder_before = self.edges.get(&row.id).map(|progress| progress.holder.clone());
        if holder_before.is_none() {
            // An unknown instance that has left is ignored.
            if row.has_left || self.was_evicted(&row) {
                return false;
            }
            if !self.make_room_for_row(&row, now) {
                // There are never more than the limit that may admit, unless clocks were set.
                self.doubt_until(now.steady.plus_millis(row.may_admit_for_ms()));
                return false;
            }
            self.count_in(&row.id, &row.holder);
        }
        self.tell_waiting(&row.id, acknowledged);
        let is_unstored = self.unstored.contains(&row.id);
        let own_since = self.heard_at_merges[0];
        let progress =
            self.edges.entry(row.id.clone()).or_insert_with(|| EdgeProgress::new(row.holder.clone()));
        let has_come_further = acknowledged > progress.acknowledged;
        progress.acknowledged = progress.acknowledged.max(acknowledged);
        progress.has_acknowledged |= row.acknowledged != Cursor(0);
        progress.stored.has_acknowledgement |= acknowledged != Cursor(0);
        let mut has_left_now = false;
        if !row.has_left {
            progress.take_in(&row, is_unstored, self.rules.live_for_ms, now);
        } else if !is_unstored && !progress.has_left {
            // The clock of the replica that wrote it may have been set back since, so that the time looks
            // later than it was.
            let is_in_doubt = progress.heard > own_since && row.seen > now.wall;
            has_left_now = row.seen > progress.seen && !is_in_doubt;
            progress.has_left = has_left_now;
            if !has_left_now && progress.answered_until > now.steady {
                // It has asked this replica since, which others have to know.
                progress.seen = noted_after(progress.seen.max(row.seen), now);
                progress.stored.is_right = false;
                self.unstored.insert(row.id.clone());
            }
        }
        let holder = progress.holder.clone();
        if let Some(before) = &holder_before {
            self.count_as(&row.id, before, &holder);
        }
        if has_left_now {
            self.note_gone(&holder);
            self.tell_waiting_of_end(&row.id);
        }
        holder_before.is_none() || has_come_further || has_left_now
    }
}

impl EdgeProgress {
    /// Merges a row of an instance that has not left, which another replica has written, or this one before a
    /// restart.
    fn take_in(&mut self, row: &EdgeRow, is_unstored: bool, live_for_ms: u64, now: Moment) {
        let is_newer = row.seen > self.seen || row.may_admit_until > self.stored.told_until;
        if self.has_left && (is_unstored || !is_newer) {
            // It was read before the goodbye was written.
            return;
        }
        if is_newer {
            self.seen = self.seen.max(row.seen);
            let age_ms = now.wall.millis_since(row.seen);
            if age_ms <= live_for_ms {
                self.live_until = self.live_until.max(now.steady.plus_millis(live_for_ms - age_ms));
            }
            // Its own time is not known here, but it is no longer than what was written.
            self.until = self.until.max(now.steady.plus_millis(row.may_admit_for_ms()));
        }
        // The row that this replica is about to write is right about the rest.
        if is_newer && !is_unstored {
            self.holder_ended &= self.holder == row.holder;
            self.holder = row.holder.clone();
            self.refuse_after_ms = row.refuse_after_ms;
        }
        if self.has_left {
            // No replica has written that it came back, so the next one that it asks must.
            (self.has_left, self.stored.is_right) = (false, false);
        } else if !is_unstored {
            self.stored.is_right |= self.holder == row.holder && self.refuse_after_ms == row.refuse_after_ms;
        }
        self.stored.told_until = self.stored.told_until.max(row.may_admit_until);
        if row.may_admit_until > self.stored.until {
            self.stored.raise(row, now);
        }
    }

    /// The time to write for which it may admit: ahead of what this replica has answered.
    pub(super) fn noted_for_ms(&self, now: Moment) -> u64 {
        let remaining = self.remaining(now);
        if !self.is_answered(now) {
            return remaining;
        }
        remaining.max(self.answered_until.millis_since(now.steady).saturating_add(WINDOW_MS + WAIT_MS_MAX))
    }

    /// The end of that time by the wall clock. For an instance that this replica answers it is later than
    /// everything that others have read, so that they read it too.
    fn written_until(&self, now: Moment) -> UnixMillis {
        let until = now.wall.plus_millis(self.noted_for_ms(now));
        if self.is_answered(now) { until.max(self.stored.told_until.plus_millis(1)) } else { until }
    }

    /// Whether this replica has answered it lately, and may answer it again any moment.
    fn is_answered(&self, now: Moment) -> bool {
        self.is_live(now) && self.answered_until > now.steady
    }
}

impl Stored {
    /// Merges the time of a row. The store keeps the longest time that was written.
    fn raise(&mut self, row: &EdgeRow, now: Moment) {
        self.until = self.until.max(row.may_admit_until);
        self.for_ms = self.for_ms.max(row.may_admit_for_ms());
        self.steady_until = self.steady_until.max(now.steady.plus_millis(row.may_admit_for_ms()));
    }
}
