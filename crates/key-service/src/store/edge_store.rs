//! What is durable of the edges, and what replicas tell each other of them through the database.
//!
//! It has to be durable that an instance exists and until when it may admit, so that it is never forgotten.
//! What an instance has acknowledged need not be durable: a live edge acknowledges again, and until then it
//! counts as missing. It is enough that other replicas learn of an acknowledgement within milliseconds.

use latchkey_key_feed::{Cursor, UnixMillis};

use crate::model::edge_id::{EdgeId, Holder};
use crate::store::sql::edge_rows;
use crate::store::{KeyStore, StoreError};

pub(crate) use crate::store::sql::EdgeAnnouncements;

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

/// What is stored of edges.
#[derive(Clone, Copy, Debug)]
pub struct Edges<'a>(pub(super) &'a KeyStore);

impl<'a> Edges<'a> {
    /// What was known of edges when the store was opened.
    #[must_use]
    pub fn at_opening(self) -> &'a KnownEdges {
        &self.0.edges_at_opening
    }

    /// Makes durable that these instances exist, until when each may admit, and whether it has left. A later
    /// time that another replica has written stays.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing is durable.
    pub async fn keep(self, edges: &[EdgeRow]) -> Result<(), StoreError> {
        edge_rows::keep_edges(&self.0.database, edges).await
    }

    /// Makes durable that these instances have left, except for those about which another replica has written
    /// something later.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing is durable.
    pub async fn mark_gone(self, gone: &[GoneEdge]) -> Result<(), StoreError> {
        edge_rows::mark_edges_gone(&self.0.database, gone).await
    }

    /// Makes durable for how long these instances may admit from now on, where that is shorter than the row,
    /// except for those about which another replica has written something later. If it is not durable, they
    /// only count for longer.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing is durable.
    pub async fn shorten_times(self, times: &[EdgeTime]) -> Result<(), StoreError> {
        edge_rows::shorten_edge_times(&self.0.database, times).await
    }

    /// Notes that edges that asked before the moment of [`KnownEdges::begun`], and not since, can admit no
    /// more.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it is not durable.
    pub async fn know_all(self, begun: UnixMillis) -> Result<(), StoreError> {
        edge_rows::know_all_edges(&self.0.database, begun).await
    }

    /// Tells other replicas what these instances have acknowledged and when they asked. It need not be
    /// durable.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it was not written.
    pub async fn tell_of(self, edges: &[EdgeRow]) -> Result<(), StoreError> {
        edge_rows::tell_of_edges(&self.0.database, edges).await
    }

    /// What all replicas have written about the edges. When there are too many, those that may admit for
    /// longest are returned.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn told_of(self) -> Result<KnownEdges, StoreError> {
        edge_rows::known_edges(&self.0.database).await
    }

    /// Drops instances that left before the one moment, and those that could not admit any more at the other.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when none was dropped.
    pub async fn drop_gone(self, left_by: UnixMillis, ended_by: UnixMillis) -> Result<(), StoreError> {
        edge_rows::drop_edges(&self.0.database, left_by, ended_by).await
    }

    /// Announcements that a replica has written about edges; `None` when the database announces nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot be listened to now.
    pub async fn announcements(self) -> Result<Option<EdgeAnnouncements>, StoreError> {
        edge_rows::edge_announcements(&self.0.database).await
    }
}
