//! Eviction: how many instances of each credential are kept, and which of them are evicted first.
//!
//! An instance that can admit no more is kept for a day, so that it is listed. It counts like the others:
//! otherwise the holder of one stolen key could fill the ledger with instances of a short `refuse_after`. But
//! it is evicted first. A credential that has as many instances as it may loses its own oldest one, and a
//! full ledger loses the oldest of all, before any request is refused. An evicted instance is marked as gone
//! in the store, because its row there may still say that it admits: that time is written ahead.

use std::collections::BTreeSet;

use latchkey_key_feed::{MonotonicMillis, UnixMillis};

use super::claim::ClaimRefusal;
use super::{EdgeLedger, EdgeProgress};
use crate::edge_id::{EdgeId, Holder};
use crate::edge_row::{EdgeRow, GoneEdge};
use crate::limits::{EDGE_REFUSAL_LOG_INTERVAL, EDGES_DROPPED_AT_ONCE_MAX, EDGES_MAX};
use crate::moment::Moment;

/// What is remembered of one credential.
#[derive(Debug, Default)]
pub(super) struct HolderInstances {
    ids: BTreeSet<EdgeId>,
    /// None of its instances can be evicted before then.
    none_gone_before: MonotonicMillis,
    /// Until then the log does not repeat that it has as many as it may.
    logged_until: MonotonicMillis,
}

impl EdgeLedger {
    /// Makes room for one more instance of a credential.
    pub(super) fn make_room(&mut self, holder: &Holder, now: Moment) -> Result<(), ClaimRefusal> {
        if !self.make_room_of(holder, now) {
            return Err(ClaimRefusal::TooManyOfHolder(self.rules.instances_per_key_max));
        }
        if self.make_room_of_all(now) { Ok(()) } else { Err(ClaimRefusal::TooMany) }
    }

    /// Makes room for an instance that another replica has written. One that may admit is kept even if its
    /// credential has too many: without it answers about edges would be wrong.
    pub(super) fn make_room_for_row(&mut self, row: &EdgeRow, now: Moment) -> bool {
        if row.may_admit_for_ms() == 0 {
            return self.edges.len() < EDGES_MAX && self.remembered_of(&row.holder) < self.instances_max();
        }
        self.make_room_of(&row.holder, now);
        self.make_room_of_all(now)
    }

    /// Whether a row is of an instance that was just evicted, and has nothing newer.
    pub(super) fn was_evicted(&self, row: &EdgeRow) -> bool {
        let newer = |gone: &GoneEdge| row.may_admit_until > gone.may_admit_until || row.seen > gone.seen;
        let evicted = [&self.evicted].into_iter().chain(&self.evicted_before);
        evicted.filter_map(|gone| gone.get(&row.id)).any(|gone| !newer(gone))
    }

    /// The evicted instances, to be marked in the store. Call [`Self::note_marked_gone`] once that is done.
    #[must_use]
    pub fn evicted(&self) -> Vec<GoneEdge> {
        self.evicted.values().cloned().collect()
    }

    /// Notes that the store has these marked as gone. With other replicas, a read that has begun may still
    /// bring their old rows.
    pub fn note_marked_gone(&mut self, gone: Vec<GoneEdge>, are_rows_read: bool) {
        for gone in gone {
            if self.evicted.get(&gone.id) != Some(&gone) {
                continue;
            }
            self.evicted.remove(&gone.id);
            let [latest, _] = &mut self.evicted_before;
            if are_rows_read && latest.len() < EDGES_MAX {
                latest.insert(gone.id.clone(), gone);
            }
        }
    }

    /// Notes that the rows of other replicas were read: the next read begins after this one.
    pub(super) fn note_rows_taken_in(&mut self) {
        let [latest, before] = &mut self.evicted_before;
        *before = std::mem::take(latest);
    }

    /// Whether to log that a credential has as many instances as it may: once a minute for each credential.
    pub fn tells_log_of(&mut self, holder: &Holder, now: Moment) -> bool {
        let Some(instances) = self.by_holder.get_mut(holder) else { return true };
        let is_due = now.steady >= instances.logged_until;
        if is_due {
            instances.logged_until = now.steady.plus_millis(EDGE_REFUSAL_LOG_INTERVAL.as_secs() * 1_000);
        }
        is_due
    }

    /// Notes that an instance of this credential is kept.
    pub(super) fn count_in(&mut self, id: &EdgeId, holder: &Holder) {
        self.by_holder.entry(holder.clone()).or_default().ids.insert(id.clone());
        self.note_gone(holder);
    }

    /// Notes that an instance asks with another credential than before.
    pub(super) fn count_as(&mut self, id: &EdgeId, before: &Holder, holder: &Holder) {
        if before != holder {
            self.count_out(id, before);
            self.count_in(id, holder);
        }
    }

    /// Notes that an instance of this credential may be gone.
    pub(super) fn note_gone(&mut self, holder: &Holder) {
        self.none_gone_before = MonotonicMillis(0);
        if let Some(instances) = self.by_holder.get_mut(holder) {
            instances.none_gone_before = MonotonicMillis(0);
        }
    }

    /// Removes an instance.
    pub(super) fn remove(&mut self, id: &EdgeId) -> Option<EdgeProgress> {
        let progress = self.edges.remove(id)?;
        self.unstored.remove(id);
        self.count_out(id, &progress.holder);
        Some(progress)
    }

    fn count_out(&mut self, id: &EdgeId, holder: &Holder) {
        let Some(instances) = self.by_holder.get_mut(holder) else { return };
        instances.ids.remove(id);
        if instances.ids.is_empty() {
            self.by_holder.remove(holder);
        }
    }

    /// The number of instances of the credential that has the most.
    pub(super) fn most_of_one_holder(&self) -> usize {
        self.by_holder.values().map(|instances| instances.ids.len()).max().unwrap_or_default()
    }

    fn instances_max(&self) -> usize {
        self.rules.instances_per_key_max
    }

    fn remembered_of(&self, holder: &Holder) -> usize {
        self.by_holder.get(holder).map_or(0, |instances| instances.ids.len())
    }

    /// A refused edge asks again and again, which must not cost a search each time. So the time is kept at
    /// which the next instance can be evicted.
    fn make_room_of(&mut self, holder: &Holder, now: Moment) -> bool {
        let instances_max = self.instances_max();
        let Some(instances) = self.by_holder.get_mut(holder) else { return true };
        let Some(excess) = (instances.ids.len() + 1).checked_sub(instances_max).filter(|excess| *excess > 0)
        else {
            return true;
        };
        if now.steady < instances.none_gone_before {
            return false;
        }
        let known = instances.ids.iter().filter_map(|id| self.edges.get_key_value(id));
        let (gone, next) = oldest_gone(known, excess, now);
        instances.none_gone_before = next;
        self.evict(&gone) == excess
    }

    fn make_room_of_all(&mut self, now: Moment) -> bool {
        if self.edges.len() < EDGES_MAX {
            return true;
        }
        if now.steady < self.none_gone_before {
            return false;
        }
        let (gone, next) = oldest_gone(self.edges.iter(), EDGES_DROPPED_AT_ONCE_MAX, now);
        self.none_gone_before = next;
        self.evict(&gone);
        self.edges.len() < EDGES_MAX
    }

    /// How many of these were evicted: what has to be written to the store is bounded too.
    fn evict(&mut self, ids: &[EdgeId]) -> usize {
        let mut count = 0;
        for id in ids {
            if self.evicted.len() >= EDGES_MAX {
                break;
            }
            let Some(progress) = self.remove(id) else { continue };
            let may_admit_until = progress.stored.told_until;
            let gone = GoneEdge { id: id.clone(), seen: progress.seen, may_admit_until };
            self.evicted.insert(id.clone(), gone);
            count += 1;
        }
        count
    }
}

/// At most so many of the instances that can admit no more, the oldest first; and the time before which no
/// other one will be gone.
fn oldest_gone<'a>(
    known: impl Iterator<Item = (&'a EdgeId, &'a EdgeProgress)>,
    count_max: usize,
    now: Moment,
) -> (Vec<EdgeId>, MonotonicMillis) {
    let mut next = MonotonicMillis(u64::MAX);
    let mut gone: Vec<(MonotonicMillis, &EdgeId)> = Vec::new();
    for (id, progress) in known {
        if progress.may_admit(now) {
            next = next.min(progress.until);
        } else {
            gone.push((progress.live_until, id));
        }
    }
    gone.sort_unstable();
    if gone.len() > count_max {
        next = MonotonicMillis(0);
    }
    (gone.into_iter().take(count_max).map(|(_, id)| id.clone()).collect(), next)
}

/// The time to note for an instance that asks or leaves: always later than the time noted before, even if the
/// wall clock was set back. So of a goodbye and a return it is known which came last.
pub(super) fn noted_after(seen: UnixMillis, now: Moment) -> UnixMillis {
    seen.plus_millis(1).max(now.wall)
}
