//! What is durable of the edges, and what replicas tell each other of them through the database.
//!
//! It has to be durable that an instance exists and until when it may admit, so that it is never forgotten.
//! What an instance has acknowledged need not be durable: a live edge acknowledges again, and until then it
//! counts as missing. It is enough that other replicas learn of an acknowledgement within milliseconds.

use latchkey_key_feed::{Cursor, UnixMillis};

use crate::feed::edge_id::{EdgeId, Holder};
use crate::store::{KeyStore, StoreError};

pub use crate::store::sql::EdgeAnnouncements;

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
    /// It may admit until then at most.
    pub may_admit_until: UnixMillis,
    /// Whether it has said goodbye or was forgotten since.
    pub has_left: bool,
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
    /// Edges that asked before this moment, and not since, may be missing among the instances.
    pub begun: UnixMillis,
}

impl KeyStore {
    /// Whether there may be other replicas, to tell of edges and to hear of them from.
    #[must_use]
    pub fn may_have_replicas(&self) -> bool {
        self.database.may_have_replicas()
    }

    /// What was known of edges when the store was opened.
    #[must_use]
    pub fn edges_at_opening(&self) -> &KnownEdges {
        &self.edges_at_opening
    }

    /// Makes durable that these instances exist, until when each may admit, and whether it has left. A later
    /// time that another replica has written stays.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing is durable.
    pub async fn keep_edges(&self, edges: &[EdgeRow]) -> Result<(), StoreError> {
        self.database.keep_edges(edges).await
    }

    /// Makes durable that these instances have left, except for those about which another replica has written
    /// something later.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing is durable.
    pub async fn let_edges_go(&self, gone: &[GoneEdge]) -> Result<(), StoreError> {
        self.database.let_edges_go(gone).await
    }

    /// Tells other replicas what these instances have acknowledged and when they asked. It need not be durable.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nobody was told.
    pub async fn tell_of_edges(&self, edges: &[EdgeRow]) -> Result<(), StoreError> {
        self.database.tell_of_edges(edges).await
    }

    /// What all replicas have written about the edges. When there are too many, those that may admit for
    /// longest are returned.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn edges_told_of(&self) -> Result<KnownEdges, StoreError> {
        self.database.known_edges().await
    }

    /// Drops instances that left before the one moment, and those that could not admit any more at the other.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when none was dropped.
    pub async fn drop_edges(&self, left_by: UnixMillis, ended_by: UnixMillis) -> Result<(), StoreError> {
        self.database.drop_edges(left_by, ended_by).await
    }

    /// Announcements that a replica has written about edges; `None` when the database announces nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot be listened to now.
    pub async fn edge_announcements(&self) -> Result<Option<EdgeAnnouncements>, StoreError> {
        self.database.edge_announcements().await
    }
}
