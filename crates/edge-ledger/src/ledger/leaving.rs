//! Edges that are gone: they have said goodbye, or an operator says so.

use latchkey_key_feed::EdgeName;

use super::EdgeLedger;
use super::eviction::noted_after;
use crate::edge_id::{EdgeId, Holder};
use crate::moment::Moment;

/// Which instances are to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forgetting {
    /// Those of this name.
    Name(EdgeName),
    /// Those that ask with the key of this id.
    Key(String),
}

/// What became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Instances that were forgotten.
    pub forgotten: Vec<EdgeId>,
    /// Instances that were kept, because they still ask with a valid key.
    pub live: usize,
}

impl EdgeLedger {
    /// An instance says goodbye: nothing of it admits any more. Returns whether it was believed: only its own
    /// credential can say so.
    pub fn leave(&mut self, id: &EdgeId, holder: &Holder, now: Moment) -> bool {
        let Some(progress) = self.edges.get_mut(id).filter(|progress| progress.holder == *holder) else {
            return false;
        };
        progress.seen = noted_after(progress.seen, now);
        self.let_go(id);
        true
    }

    /// The credentials of the selected instances, to check whether their keys have ended.
    #[must_use]
    pub fn holders_of(&self, forgetting: &Forgetting) -> Vec<Holder> {
        let mut holders: Vec<Holder> = Vec::new();
        for (id, progress) in &self.edges {
            if forgetting.means(id, &progress.holder) && !holders.contains(&progress.holder) {
                holders.push(progress.holder.clone());
            }
        }
        holders
    }

    /// Forgets the selected instances, except for live ones whose key is not among the `ended`.
    pub fn forget(&mut self, forgetting: &Forgetting, ended: &[Holder], now: Moment) -> Forgotten {
        let mut outcome = Forgotten::default();
        for (id, progress) in &mut self.edges {
            if progress.has_left || !forgetting.means(id, &progress.holder) {
                continue;
            }
            if progress.is_live(now) && !ended.contains(&progress.holder) {
                outcome.live += 1;
            } else {
                progress.seen = noted_after(progress.seen, now);
                outcome.forgotten.push(id.clone());
            }
        }
        for id in &outcome.forgotten {
            self.let_go(id);
        }
        outcome
    }

    /// From now on the instance admits nothing. That has to be written to the store.
    fn let_go(&mut self, id: &EdgeId) {
        if let Some(progress) = self.edges.get_mut(id) {
            progress.has_left = true;
            progress.stored.is_right = false;
            self.unstored.insert(id.clone());
            let holder = progress.holder.clone();
            self.note_gone(&holder);
        }
        self.tell_waiting_of_end(id);
    }
}

impl Forgetting {
    fn means(&self, id: &EdgeId, holder: &Holder) -> bool {
        match self {
            Self::Name(name) => id.name == *name,
            Self::Key(key) => holder.key.as_ref().is_some_and(|id| id.as_str() == key),
        }
    }
}
