//! How replicas learn at once of each other's changes: `NOTIFY` and `LISTEN`.
//!
//! An announcement is sent with the commit. It only saves time: if it is lost, or the database has none, the
//! others find the change at their next look.

use latchkey_key_feed::{Cursor, Epoch};
use sqlx::Postgres;

use crate::store::StoreError;
use crate::store::sql::postgres::listener::Listener;
use crate::store::sql::query::Query;
use crate::store::sql::{Connections, SqlStore};

/// What PostgreSQL calls the announcements of every feed in a database.
const CHANNEL: &str = "latchkey_changes";

/// The announcements of every feed in a database, which may hold several in schemas of their own.
pub(in crate::store) struct Announcements {
    listener: Listener,
    /// The schema of this store.
    schema: String,
}

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) enum Announced {
    /// The feed with this epoch has reached this position.
    Change { epoch: Epoch, cursor: Cursor },
    /// Something may have been missed.
    Gap,
}

/// Announces the position of the feed once the transaction commits. The schema says which of several stores
/// in one database it is: a store that was restored beside its original has the same epoch until it begins
/// another.
pub(in crate::store::sql) fn announcement() -> Query {
    Query::new(format!(
        "select pg_notify('{CHANNEL}', epoch || ' ' || seq || ' ' || current_schema()) from feed_state"
    ))
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

/// The announcements of changes; `None` when this database makes none.
pub(in crate::store) async fn listen(database: &SqlStore) -> Result<Option<Announcements>, StoreError> {
    let SqlStore::Postgres { connections: Connections { readers, .. }, notifies: true, .. } = database else {
        return Ok(None);
    };
    let schema: String = sqlx::query_scalar("select current_schema()").fetch_one(readers).await?;
    let listener = Listener::begin(database, CHANNEL).await?;
    Ok(listener.map(|listener| Announcements { listener, schema }))
}

impl Announcements {
    /// The next one. After an error the connection may be lost.
    pub(in crate::store) async fn next(&mut self) -> Result<Announced, StoreError> {
        loop {
            let Some(notification) = self.listener.next().await? else { return Ok(Announced::Gap) };
            if let Some(change) = change(notification.payload(), &self.schema) {
                return Ok(change);
            }
        }
    }
}

/// What a notification says to the store in this schema; `None` when it is about another store, or is the
/// trial of [`are_possible`]. Services of before do not name a schema.
fn change(payload: &str, schema: &str) -> Option<Announced> {
    let mut words = payload.splitn(3, ' ');
    let epoch = Epoch::try_from(words.next()?.to_owned()).ok()?;
    let cursor = Cursor(words.next()?.parse().ok()?);
    let is_ours = words.next().is_none_or(|named| named == schema);
    is_ours.then_some(Announced::Change { epoch, cursor })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_counts_for_the_store_that_it_names() {
        let epoch = Epoch::try_from("e".to_owned()).unwrap();
        let ours = Some(Announced::Change { epoch, cursor: Cursor(7) });
        assert_eq!(change("e 7 public", "public"), ours);
        assert_eq!(change("e 7", "public"), ours, "of a service of before");
        for other in ["e 7 other", "", "e", "e x public"] {
            assert_eq!(change(other, "public"), None, "{other}");
        }
    }
}
