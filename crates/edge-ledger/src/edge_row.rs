//! What is durable of an instance, and what replicas of the service tell each other of it.

use latchkey_key_feed::{Cursor, UnixMillis};

use crate::edge_id::{EdgeId, Holder};

/// What is known of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeRow {
    /// Which.
    pub id: EdgeId,
    /// Whose credential it asks with.
    pub holder: Holder,
    /// For how long after an answer it may admit, in milliseconds.
    pub refuse_after_ms: u64,
    /// The epoch of its acknowledgement.
    pub epoch: String,
    /// It has applied every change up to here.
    pub acknowledged: Cursor,
    /// When it last asked.
    pub seen: UnixMillis,
    /// It may admit until then at most, by the clock of the replica that wrote it.
    pub may_admit_until: UnixMillis,
    /// When that was written, by the same clock.
    pub noted: UnixMillis,
    /// The latest `may_admit_until` that the writer had read before.
    pub told: UnixMillis,
    /// Whether it has said goodbye or was forgotten since.
    pub has_left: bool,
}

/// For how long an instance may admit from now on, as far as the writer knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeTime {
    /// Which.
    pub id: EdgeId,
    /// When it was last known to have asked.
    pub seen: UnixMillis,
    /// The latest that was known to be written of when it may admit.
    pub may_admit_until: UnixMillis,
    /// For how long it may.
    pub may_admit_for_ms: u64,
}

/// An instance that can admit no more, as far as the replica knew that wrote this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoneEdge {
    /// Which.
    pub id: EdgeId,
    /// When it was last known to have asked.
    pub seen: UnixMillis,
    /// The latest that was known to be written of when it may admit.
    pub may_admit_until: UnixMillis,
}

/// What the store knows of edges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownEdges {
    /// The instances.
    pub rows: Vec<EdgeRow>,
    /// Edges that asked before this moment, and not since, may be missing among the instances; 0 when none
    /// can be missing.
    pub begun: UnixMillis,
}

impl EdgeRow {
    /// For how long it may admit from when that was noted. A length of time does not depend on the clocks of
    /// the writer and the reader.
    #[must_use]
    pub fn may_admit_for_ms(&self) -> u64 {
        self.may_admit_until.millis_since(self.noted)
    }
}
