//! How a change that one replica makes is heard of by the others, at once: `NOTIFY` and `LISTEN`.
//!
//! An announcement leaves with the commit. It only saves time: where it is lost, or where the database has no such thing,
//! the others find the change when they next look.

use latchkey_key_feed::Cursor;
use sqlx::Postgres;
use sqlx::postgres::{PgListener, PgNotification};

use crate::store::StoreError;
use crate::store::sql::query::Query;
use crate::store::sql::{Connections, SqlStore};

/// What PostgreSQL calls the announcements of every feed in a database.
const CHANNEL: &str = "latchkey_changes";

/// The announcements of one feed, as they come.
pub(in crate::store) struct Announcements {
    listener: PgListener,
    epoch: String,
}

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Announced {
    /// The feed has come to here.
    Change(Cursor),
    /// Something may have been missed.
    Gap,
}

/// Announces the position of the feed once the transaction commits.
pub(in crate::store::sql) fn announcement() -> Query {
    Query::new(format!("select pg_notify('{CHANNEL}', epoch || ' ' || seq) from feed_state"))
}

/// Whether the database makes announcements. One without them is as good, only slower: the others find a change when they next look.
pub(in crate::store::sql) async fn are_possible(
    connections: &Connections<Postgres>,
) -> Result<bool, StoreError> {
    let trial = Query::new(format!("select pg_notify('{CHANNEL}', '')"));
    match trial.into_postgres()?.execute(&connections.writer).await {
        Ok(_) => Ok(true),
        Err(sqlx::Error::Database(error)) => {
            tracing::warn!(%error, "the database announces no changes; other replicas find them when they next look");
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

impl SqlStore {
    /// The announcements of the feed; `None` when this database makes none.
    pub(in crate::store) async fn announcements(
        &self,
        epoch: &str,
    ) -> Result<Option<Announcements>, StoreError> {
        let Self::Postgres { connections: Connections { readers, .. }, notifies: true } = self else {
            return Ok(None);
        };
        let mut listener = PgListener::connect_with(readers).await?;
        // A lost connection is told, so that a gap is known.
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok(Some(Announcements { listener, epoch: epoch.to_owned() }))
    }
}

impl Announcements {
    /// The next one. After an error the connection may be lost.
    pub(in crate::store) async fn next(&mut self) -> Result<Announced, StoreError> {
        loop {
            let Some(notification) = self.listener.try_recv().await? else { return Ok(Announced::Gap) };
            if let Some(cursor) = self.read(&notification) {
                return Ok(Announced::Change(cursor));
            }
        }
    }

    /// Where the feed has come to, if it is ours: a database may hold several in schemas of their own.
    fn read(&self, notification: &PgNotification) -> Option<Cursor> {
        let (epoch, seq) = notification.payload().split_once(' ')?;
        if epoch != self.epoch {
            return None;
        }
        seq.parse().ok().map(Cursor)
    }
}
