//! Listening on a channel of the database, at the server where the database is.

use sqlx::postgres::{PgListener, PgNotification};
use tokio::sync::watch;

use crate::store::StoreError;
use crate::store::sql::postgres::servers::Chosen;
use crate::store::sql::{Connections, SqlStore};

/// The announcements on one channel.
#[derive(Debug)]
pub(in crate::store::sql) struct Listener {
    listener: PgListener,
    turns: watch::Receiver<Chosen>,
}

impl Listener {
    /// `None` when the database makes no announcements.
    pub(in crate::store::sql) async fn begin(
        database: &SqlStore,
        channel: &str,
    ) -> Result<Option<Self>, StoreError> {
        let SqlStore::Postgres { connections: Connections { readers, .. }, servers, notifies: true } =
            database
        else {
            return Ok(None);
        };
        let turns = servers.turns();
        let mut listener = PgListener::connect_with(readers).await?;
        // A lost connection is told, so that a gap is known.
        listener.eager_reconnect(false);
        listener.listen(channel).await?;
        Ok(Some(Self { listener, turns }))
    }

    /// The next one; `None` when some may have been missed. After an error there are no more. A server that
    /// hangs would let its listeners wait for ever, so they end when another server is chosen.
    pub(in crate::store::sql) async fn next(&mut self) -> Result<Option<PgNotification>, StoreError> {
        tokio::select! {
            received = self.listener.try_recv() => Ok(received?),
            _ = self.turns.changed() => Err(StoreError::Unavailable("the database is at another server now".into())),
        }
    }

    /// One that has come already.
    pub(in crate::store::sql) fn next_buffered(&mut self) -> Option<PgNotification> {
        self.listener.next_buffered()
    }
}
