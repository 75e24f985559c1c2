//! Which credential may ask as which edge.
//!
//! An acknowledgement can only be trusted if its sender can. So a name belongs to the credential that uses
//! it:
//!
//! * Another credential may use the name once the key of the first has ended, or its instances can admit no
//!   more, or they were forgotten.
//! * A credential that has acknowledged nothing under the name does not block others. Both are counted, and
//!   neither can acknowledge for the other.
//! * Another credential of the same owner may use it as a further instance, so that an edge can be given a
//!   new key before the old one ends.
//! * An instance that has drawn its identity keeps it with a new key of the same owner, because nobody else
//!   knows it. In no other way can one credential acknowledge for an instance of another.
//!
//! So a stolen key can add instances, a bounded number, and can acknowledge only for those that it has added.

use latchkey_key_feed::EdgeName;

use super::{EdgeLedger, EdgeProgress, EdgeRequest};
use crate::edge_id::{EdgeId, Holder};
use crate::limits::{EDGE_NAME_HOLDERS_MAX, EDGES_MAX};
use crate::moment::Moment;

/// Why an edge is refused. Its name, in snake case, is in the metrics.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ClaimRefusal {
    /// Other credentials use the name, unless the keys of all these have ended.
    #[error(
        "the edge [{}] asks with another credential, of another owner: give this proxy a name of its own, or end \
         the other key, or forget the edge",
        name.as_str()
    )]
    NameTaken {
        /// The name.
        name: EdgeName,
        /// Those who use it.
        holders: Vec<Holder>,
    },
    /// The ledger is full.
    #[error("{EDGES_MAX} instances of edges are known already")]
    TooMany,
    /// The credential has as many instances as it may.
    #[error(
        "this credential has {0} instances of edges already, as many as edges.instances_per_key lets it: \
         give each proxy a key of its own; if this one was stolen, invalidate it and forget its edges"
    )]
    #[strum(serialize = "too_many_of_key")]
    TooManyOfHolder(usize),
}

impl EdgeLedger {
    /// Whether an edge may ask under this name. If so, there is room for it afterwards.
    ///
    /// # Errors
    ///
    /// [`ClaimRefusal`] when not.
    pub fn claim(&mut self, asking: &EdgeRequest, now: Moment) -> Result<(), ClaimRefusal> {
        let EdgeRequest { id, holder, .. } = asking;
        let taken = |holders: Vec<Holder>| ClaimRefusal::NameTaken { name: id.name.clone(), holders };
        if let Some(progress) = self.edges.get(id) {
            let is_its_own = progress.holder == *holder || progress.holder.has_owner_of(holder);
            let is_free = is_its_own || !progress.holds_its_name(now);
            return if is_free { Ok(()) } else { Err(taken(vec![progress.holder.clone()])) };
        }
        let mut holders: Vec<Holder> = Vec::new();
        for progress in self.of_name(&id.name).map(|(_, progress)| progress) {
            let is_held = progress.holds_its_name(now) && progress.has_acknowledged;
            let others = is_held && !progress.holder.has_owner_of(holder);
            if others && !holders.contains(&progress.holder) {
                holders.push(progress.holder.clone());
            }
            if holders.len() >= EDGE_NAME_HOLDERS_MAX {
                break;
            }
        }
        if !holders.is_empty() {
            return Err(taken(holders));
        }
        self.make_room(holder, now)
    }

    /// Notes that the keys of these holders have ended: their names are free.
    pub fn note_ended(&mut self, name: &EdgeName, ended: &[Holder]) {
        let ids: Vec<EdgeId> = self.of_name(name).map(|(id, _)| id.clone()).collect();
        for id in ids {
            if let Some(progress) = self.edges.get_mut(&id) {
                progress.holder_ended |= ended.contains(&progress.holder);
            }
        }
    }

    pub(super) fn of_name<'a>(
        &'a self,
        name: &'a EdgeName,
    ) -> impl Iterator<Item = (&'a EdgeId, &'a EdgeProgress)> {
        let first = EdgeId::first_of(name);
        self.edges.range(first..).take_while(move |(id, _)| id.name == *name)
    }
}

impl EdgeProgress {
    /// Whether only its holder may ask as this instance.
    fn holds_its_name(&self, now: Moment) -> bool {
        self.may_admit(now) && !self.holder_ended
    }
}
