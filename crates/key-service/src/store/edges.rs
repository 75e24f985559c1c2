//! What replicas tell each other, through the database, of the edges that they have heard.
//!
//! Nothing of it has to be durable: an edge that lives is heard of again. What counts is that the others hear of a promise within
//! milliseconds.

use latchkey_key_feed::{Cursor, Epoch, UnixMillis};

use crate::store::{KeyStore, StoreError};

pub use crate::store::sql::EdgeAnnouncements;

/// What is known of one edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeRow {
    /// What it calls itself.
    pub name: String,
    /// It has applied every change up to here.
    pub acknowledged: Cursor,
    /// When it last asked.
    pub seen: UnixMillis,
}

impl KeyStore {
    /// Whether there may be other replicas, to tell of edges and to hear of them from.
    #[must_use]
    pub fn may_have_replicas(&self) -> bool {
        self.database.may_have_replicas()
    }

    /// Tells the others of these edges, and what they have promised about the feed of this epoch. What the others have heard that
    /// goes further stays.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nobody was told.
    pub async fn tell_of_edges(&self, epoch: &Epoch, edges: &[EdgeRow]) -> Result<(), StoreError> {
        self.database.write_edges(epoch.as_str(), edges).await
    }

    /// What all replicas have heard of the edges that follow the feed of this epoch; of those seen last when there are too many.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn edges_told_of(&self, epoch: &Epoch) -> Result<Vec<EdgeRow>, StoreError> {
        self.database.read_edges(epoch.as_str()).await
    }

    /// Forgets edges that nobody has seen since then.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when none was forgotten.
    pub async fn forget_edges(&self, unseen_since: UnixMillis) -> Result<(), StoreError> {
        self.database.delete_edges(unseen_since).await
    }

    /// What tells whenever a replica has told of edges; `None` when the database announces nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot be listened to now.
    pub async fn edge_announcements(&self) -> Result<Option<EdgeAnnouncements>, StoreError> {
        self.database.edge_announcements().await
    }
}
