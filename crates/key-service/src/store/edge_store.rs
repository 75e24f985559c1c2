//! What is durable of the edges, and what replicas tell each other of them through the database.
//!
//! It has to be durable that an instance exists and until when it may admit, so that it is never forgotten.
//! What an instance has acknowledged need not be durable: a live edge acknowledges again, and until then it
//! counts as missing. It is enough that other replicas learn of an acknowledgement within milliseconds.

use latchkey_edge_ledger::{EdgeRow, EdgeTime, GoneEdge, KnownEdges};

use crate::store::sql::edge_rows;
use crate::store::{KeyStore, StoreError};
use latchkey_key_feed::UnixMillis;

pub(crate) use crate::store::sql::EdgeAnnouncements;

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
