//! The rows of a store in memory: what its statements make of what replicas write.

use std::collections::BTreeMap;

use latchkey_key_feed::{Cursor, UnixMillis};

use crate::edge_id::EdgeId;
use crate::edge_row::{EdgeRow, EdgeTime, GoneEdge, KnownEdges};

/// The rows of all instances.
#[derive(Clone, Debug, Default)]
pub struct KeptRows {
    rows: BTreeMap<EdgeId, EdgeRow>,
    begun: UnixMillis,
}

impl KeptRows {
    /// Keeps these rows.
    pub fn keep(&mut self, rows: &[EdgeRow]) {
        for row in rows {
            let kept = kept(self.rows.get(&row.id), row);
            self.rows.insert(row.id.clone(), kept);
        }
    }

    /// Keeps what these instances have acknowledged, and when they asked.
    pub fn tell_of(&mut self, rows: &[EdgeRow]) {
        for row in rows {
            let told = match self.rows.get(&row.id) {
                None => row.clone(),
                Some(known) => {
                    let EdgeRow { epoch, acknowledged, seen, .. } = raised(known, row);
                    EdgeRow { epoch, acknowledged, seen, ..known.clone() }
                }
            };
            self.rows.insert(row.id.clone(), told);
        }
    }

    /// Notes how much less time these instances have, unless something later was written about them.
    pub fn shorten(&mut self, times: &[EdgeTime]) {
        for time in times {
            if let Some(row) = self.rows.get_mut(&time.id) {
                *row = shortened(row, time);
            }
        }
    }

    /// Notes that these instances are gone, unless something later was written about them.
    pub fn mark_gone(&mut self, gone: &[GoneEdge]) {
        for gone in gone {
            let Some(row) = self.rows.get_mut(&gone.id) else { continue };
            if row.seen <= gone.seen && row.may_admit_until <= gone.may_admit_until && !row.has_left {
                row.has_left = true;
                row.seen = row.seen.plus_millis(1);
            }
        }
    }

    /// Drops instances that left before the one moment, and those that could not admit any more at the other.
    pub fn drop_gone(&mut self, left_by: UnixMillis, ended_by: UnixMillis) {
        self.rows.retain(|_, row| !(row.has_left && row.seen < left_by) && row.may_admit_until >= ended_by);
    }

    /// Notes that edges which asked before this moment, and not since, may be missing.
    pub fn begin_knowing(&mut self, begun: UnixMillis) {
        self.begun = begun;
    }

    /// Notes that edges which asked before this moment can admit no more.
    pub fn know_all(&mut self, begun: UnixMillis) {
        if self.begun == begun {
            self.begun = UnixMillis(0);
        }
    }

    /// All that is known.
    #[must_use]
    pub fn known(&self) -> KnownEdges {
        KnownEdges { rows: self.rows.values().cloned().collect(), begun: self.begun }
    }

    /// The row of an instance.
    #[must_use]
    pub fn row(&self, id: &EdgeId) -> Option<&EdgeRow> {
        self.rows.get(id)
    }
}

/// What is kept of a row in the place of one that is there, if one is. The longer time counts, and is put before
/// the later end. A writer that had not read the end that is there goes beyond both.
#[must_use]
pub fn kept(known: Option<&EdgeRow>, row: &EdgeRow) -> EdgeRow {
    let Some(known) = known else { return row.clone() };
    let is_unread = known.may_admit_until > row.told;
    let until = known.may_admit_until.max(row.may_admit_until).plus_millis(u64::from(is_unread));
    let for_ms = known.may_admit_for_ms().max(row.may_admit_for_ms());
    let noted = UnixMillis(until.0.saturating_sub(for_ms));
    EdgeRow { may_admit_until: until, noted, ..raised(known, row) }
}

/// A row of which it is noted how much less time is left, unless something later was written about it.
#[must_use]
pub fn shortened(row: &EdgeRow, time: &EdgeTime) -> EdgeRow {
    let is_known = row.seen <= time.seen && row.may_admit_until <= time.may_admit_until && !row.has_left;
    let for_ms = row.may_admit_for_ms().min(time.may_admit_for_ms);
    let noted = UnixMillis(row.may_admit_until.0.saturating_sub(for_ms));
    EdgeRow { noted: if is_known { noted } else { row.noted }, ..row.clone() }
}

/// A row over one that is there. An acknowledgement of another epoch does not count in this one.
fn raised(known: &EdgeRow, row: &EdgeRow) -> EdgeRow {
    let before = if known.epoch == row.epoch { known.acknowledged } else { Cursor(0) };
    EdgeRow { acknowledged: row.acknowledged.max(before), seen: row.seen.max(known.seen), ..row.clone() }
}
