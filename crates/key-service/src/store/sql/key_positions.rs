//! The places of keys that their uses know, so that a page of the last used keys is read along an index.
//!
//! SQLite gives the rows of a table other numbers where somebody makes a database of its dump, in the same order and without
//! the gaps that removed keys have left (SQLite, `VACUUM`: rowids of tables without an integer primary key). PostgreSQL keeps
//! them, for there they are a column like others.

use sqlx::Sqlite;

use crate::store::StoreError;
use crate::store::sql::query::Query;
use crate::store::sql::row::Row;
use crate::store::sql::{Connections, SqlStore};

/// The last key that was ever used, in the order of keys. If its number is the same, so are the numbers before it: rows that
/// are numbered anew only move towards the first.
const LAST_USED_KEY: &str =
    "select key_position is (select rowid from api_key where id = key_id) as is_right from key_usage
                             order by key_position desc limit 1";

const RENEW: &str = "update key_usage set key_position = (select rowid from api_key where id = key_id)";

/// Looks whether the rows have other numbers than when they were written down, and writes them down again. That may take as
/// long as a migration, so its time is not limited as that of a request. A store of which a page is damaged is opened all the
/// same: what is wrong then is the order of keys by their last use.
pub(super) async fn renew(database: &SqlStore) {
    let SqlStore::Sqlite(connections) = database else { return };
    match try_to_renew(connections).await {
        Ok(0) => {}
        Ok(keys) => {
            tracing::info!(keys, "the database was made of a dump: the uses of keys are in order again");
        }
        Err(error) => tracing::warn!(%error, "lists of keys by their last use may be in a wrong order"),
    }
}

async fn try_to_renew(connections: &Connections<Sqlite>) -> Result<u64, StoreError> {
    let last = Query::new(LAST_USED_KEY).into_sqlite()?.fetch_optional(&connections.writer).await?;
    let is_right = match last.map(Row::Sqlite) {
        Some(row) => row.get("is_right")?,
        None => true,
    };
    if is_right {
        return Ok(0);
    }
    Ok(Query::new(RENEW).into_sqlite()?.execute(&connections.writer).await?.rows_affected())
}

#[cfg(test)]
impl SqlStore {
    /// As if SQLite had given the rows of keys other numbers.
    pub(in crate::store) async fn number_keys_anew(&self) {
        self.write(Query::new("update api_key set rowid = rowid + 1000")).await.unwrap();
    }
}
