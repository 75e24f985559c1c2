//! The instances that have not applied a change.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use latchkey_key_feed::{Cursor, KeyId, UnixMillis};

use super::EdgeLedger;
use crate::edge_id::EdgeId;
use crate::moment::Moment;

/// Which instances a change has to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// All that may admit by what was before, also silent ones.
    ForAll,
    /// The live ones. A silent one refuses a key that it does not know, so a new key need not reach it.
    ForLive,
}

/// The instances that have not applied a change since a request began to wait for it. An acknowledgement
/// removes one instance, and costs the same however many there are.
#[derive(Debug)]
pub struct Missing {
    change: Cursor,
    /// Each instance, and whether the request waits for it: a silent one is only named.
    edges: Mutex<BTreeMap<EdgeId, bool>>,
}

/// An instance that may admit by what was before a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MayAdmit {
    /// Which.
    pub id: EdgeId,
    /// The API key that it asks with; `None` when that is a user.
    pub key: Option<KeyId>,
    /// When it last asked.
    pub seen: UnixMillis,
    /// Until when it may, if it is not heard of again.
    pub until: UnixMillis,
}

impl EdgeLedger {
    /// Begins to wait for a change: how many instances it has to reach, and those of them that have not
    /// applied it.
    #[must_use]
    pub fn wait_for(&mut self, change: Cursor, waiting: Waiting, now: Moment) -> (usize, Arc<Missing>) {
        let mut total = 0;
        let mut missing = BTreeMap::new();
        for (id, progress) in &self.edges {
            let is_live = progress.is_live(now);
            let is_meant = match waiting {
                Waiting::ForAll => progress.may_admit(now),
                Waiting::ForLive => is_live && !progress.has_ended,
            };
            if !is_meant {
                continue;
            }
            total += 1;
            if progress.acknowledged < change {
                missing.insert(id.clone(), is_live && !progress.has_ended);
            }
        }
        let missing = Arc::new(Missing { change, edges: Mutex::new(missing) });
        self.missing.push(Arc::downgrade(&missing));
        (total, missing)
    }

    /// Those that are still missing, with what is known of them. Instances that can admit no more are
    /// removed.
    #[must_use]
    pub fn still_missing(&self, missing: &Missing, now: Moment) -> Vec<MayAdmit> {
        let mut named = Vec::new();
        missing.edges().retain(|id, _| {
            let progress = self.edges.get(id).filter(|progress| progress.may_admit(now));
            named.extend(progress.map(|progress| MayAdmit {
                id: id.clone(),
                key: progress.holder.key.clone(),
                seen: progress.seen,
                until: progress.until(now),
            }));
            progress.is_some()
        });
        named
    }

    /// Whether a request waits for a change.
    #[must_use]
    pub fn is_anybody_waiting(&self) -> bool {
        self.missing.iter().any(|missing| missing.strong_count() > 0)
    }

    /// Notes that an instance was given its last page. The request does not wait for it any more.
    pub fn note_last_page(&mut self, id: &EdgeId) {
        if let Some(progress) = self.edges.get_mut(id) {
            progress.has_ended = true;
        }
        for missing in self.missing.iter().filter_map(std::sync::Weak::upgrade) {
            if let Some(is_waited_for) = missing.edges().get_mut(id) {
                *is_waited_for = false;
            }
        }
    }

    pub(super) fn tell_waiting(&mut self, id: &EdgeId, acknowledged: Cursor) {
        self.missing.retain(|missing| {
            let missing = missing.upgrade();
            if let Some(missing) = missing.as_ref().filter(|missing| acknowledged >= missing.change) {
                missing.edges().remove(id);
            }
            missing.is_some()
        });
    }

    pub(super) fn tell_waiting_of_end(&mut self, id: &EdgeId) {
        self.tell_waiting(id, Cursor(u64::MAX));
    }
}

impl Missing {
    /// Whether the wait is over. Silent instances may still be missing.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !self.edges().values().any(|is_waited_for| *is_waited_for)
    }

    fn edges(&self) -> MutexGuard<'_, BTreeMap<EdgeId, bool>> {
        self.edges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
