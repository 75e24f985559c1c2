//! The list of edges for operators.

use latchkey_key_feed::{Cursor, EdgeName, UnixMillis};

use super::{EdgeLedger, EdgeProgress, EdgeState};
use crate::edge_id::{EdgeId, Holder};
use crate::moment::Moment;

/// The edges in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EdgeCounts {
    /// Instances that are remembered.
    pub known: usize,
    /// Those of them that are live.
    pub live: usize,
    /// Live ones that have acknowledged every change.
    pub current: usize,
    /// Those that are silent: not live, but may still admit.
    pub silent: usize,
    /// The changes that the last of the live ones has yet to apply.
    pub lag_max: u64,
    /// The most that one credential has.
    pub of_key_max: usize,
}

/// An instance in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeStatus {
    /// Which.
    pub id: EdgeId,
    /// Whose credential it asks with.
    pub holder: Holder,
    /// It has applied every change up to here.
    pub acknowledged: Cursor,
    /// When it last asked.
    pub seen: UnixMillis,
    /// How many changes it has yet to apply.
    pub lag: u64,
    /// How it is.
    pub state: EdgeState,
    /// Until when it may admit by what it was told, if it asks no more.
    pub until: UnixMillis,
}

impl EdgeLedger {
    /// All instances, sorted, where `latest` is the position of the latest change.
    #[must_use]
    pub fn list(&self, latest: Cursor, now: Moment) -> Vec<EdgeStatus> {
        let status = |(id, progress): (&EdgeId, &EdgeProgress)| EdgeStatus {
            id: id.clone(),
            holder: progress.holder.clone(),
            acknowledged: progress.acknowledged,
            seen: progress.seen,
            lag: progress.lag(latest),
            state: progress.state(now),
            until: progress.until(now),
        };
        self.edges.iter().map(status).collect()
    }

    /// Whether this instance is remembered.
    #[must_use]
    pub fn knows(&self, edge: &EdgeId) -> bool {
        self.edges.contains_key(edge)
    }

    /// Whether this instance is remembered, and asks with a credential of the same owner.
    #[must_use]
    pub fn is_instance_of(&self, edge: &EdgeId, holder: &Holder) -> bool {
        self.edges.get(edge).is_some_and(|progress| progress.holder.has_owner_of(holder))
    }

    /// The instance of this name that asks with a credential of this owner and may admit; `None` if there are
    /// several.
    #[must_use]
    pub fn only_instance_of(&self, name: &EdgeName, holder: &Holder, now: Moment) -> Option<EdgeId> {
        let of_name = self.edges.range(EdgeId::first_of(name)..).take_while(|(id, _)| id.name == *name);
        let mut of_owner = of_name.filter(|(_, progress)| {
            progress.holder.has_owner_of(holder) && progress.state(now) != EdgeState::Gone
        });
        let (id, _) = of_owner.next()?;
        of_owner.next().is_none().then(|| id.clone())
    }

    /// The ledger in numbers, where `latest` is the position of the latest change.
    #[must_use]
    pub fn counts(&self, latest: Cursor, now: Moment) -> EdgeCounts {
        let (known, of_key_max) = (self.edges.len(), self.most_of_one_holder());
        let mut counts = EdgeCounts { known, of_key_max, ..EdgeCounts::default() };
        for progress in self.edges.values() {
            match progress.state(now) {
                EdgeState::Live => {
                    let lag = progress.lag(latest);
                    counts.live += 1;
                    counts.current += usize::from(lag == 0);
                    counts.lag_max = counts.lag_max.max(lag);
                }
                EdgeState::Silent { .. } => counts.silent += 1,
                EdgeState::Gone => {}
            }
        }
        counts
    }
}
