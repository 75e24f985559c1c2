//! How replicas learn at once of each other's changes: `NOTIFY` and `LISTEN`.
//!
//! An announcement is sent with the commit. It only saves time: if it is lost, or the database has none, the
//! others find the change at their next look.

use latchkey_key_feed::{Cursor, Epoch};
use sqlx::Postgres;
use sqlx::postgres::{PgListener, PgNotification};

use crate::store::StoreError;
use crate::store::sql::query::Query;
use crate::store::sql::{Connections, SqlStore};

/// What PostgreSQL calls the announcements of every feed in a database.
const CHANNEL: &str = "latchkey_changes";

/// The announcements of every feed in a database, which may hold several in schemas of their own.
pub(in crate::store) struct Announcements {
    listener: PgListener,
}

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) enum Announced {
    /// The feed with this epoch has reached this position.
    Change { epoch: Epoch, cursor: Cursor },
    /// Something may have been missed.
    Gap,
}

/// Announces the position of the feed once the transaction commits.
pub(in crate::store::sql) fn announcement() -> Query {
    Query::new(format!("select pg_notify('{CHANNEL}', epoch || ' ' || seq) from feed_state"))
}

/// Whether the database makes announcements. Without them the others find a change later, at their next look.
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
    /// The announcements of changes; `None` when this database makes none.
    pub(in crate::store) async fn announcements(&self) -> Result<Option<Announcements>, StoreError> {
        let Self::Postgres { connections: Connections { readers, .. }, notifies: true } = self else {
            return Ok(None);
        };
        let mut listener = PgListener::connect_with(readers).await?;
        // A lost connection is told, so that a gap is known.
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok(Some(Announcements { listener }))
    }
}

impl Announcements {
    /// The next one. After an error the connection may be lost.
    pub(in crate::store) async fn next(&mut self) -> Result<Announced, StoreError> {
        loop {
            let Some(notification) = self.listener.try_recv().await? else { return Ok(Announced::Gap) };
            if let Some(change) = change(&notification) {
                return Ok(change);
            }
        }
    }
}

/// What a notification says. The trial of [`are_possible`] says nothing.
fn change(notification: &PgNotification) -> Option<Announced> {
    let (epoch, seq) = notification.payload().split_once(' ')?;
    let epoch = Epoch::try_from(epoch.to_owned()).ok()?;
    Some(Announced::Change { epoch, cursor: Cursor(seq.parse().ok()?) })
}
