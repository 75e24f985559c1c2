//! A connection of its own for what is read row by row, and may be given up before its last row.
//!
//! PostgreSQL sends all rows of a statement whether or not somebody wants them, and the driver has to read
//! them before the connection is of use again. So a connection that is given up is closed, which ends the
//! statement. In SQLite a statement ends by itself at its next row.

use futures_util::TryStreamExt as _;
use sqlx::pool::PoolConnection;
use sqlx::{Postgres, Sqlite};

use crate::store::StoreError;
use crate::store::sql::SqlStore;
use crate::store::sql::query::Query;
use crate::store::sql::row::Row;
use crate::store::sql::transaction::{Rows, in_time};

/// A connection that reads. Dropped before [`Self::has_read_all`], it ends what it reads.
pub(super) struct Reader {
    connection: Connection,
    is_done: bool,
}

enum Connection {
    Postgres(PoolConnection<Postgres>),
    Sqlite(PoolConnection<Sqlite>),
}

impl Reader {
    /// A connection to this store.
    pub(super) async fn of(database: &SqlStore) -> Result<Self, StoreError> {
        let connection = in_time(async {
            Ok(match database {
                SqlStore::Postgres { connections, .. } => {
                    Connection::Postgres(connections.readers.acquire().await?)
                }
                SqlStore::Sqlite(connections) => Connection::Sqlite(connections.readers.acquire().await?),
            })
        })
        .await?;
        Ok(Self { connection, is_done: false })
    }

    /// The rows one after the other. Whoever reads them bounds the time.
    pub(super) fn fetch(&mut self, query: Query) -> Result<Rows<'_>, StoreError> {
        Ok(match &mut self.connection {
            Connection::Postgres(open) => {
                Box::pin(query.into_postgres()?.fetch(&mut **open).map_ok(Row::Postgres).err_into())
            }
            Connection::Sqlite(open) => {
                Box::pin(query.into_sqlite()?.fetch(&mut **open).map_ok(Row::Sqlite).err_into())
            }
        })
    }

    /// The last row was read, so others can use the connection.
    pub(super) fn has_read_all(mut self) {
        self.is_done = true;
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Connection::Postgres(open) = &mut self.connection
            && !self.is_done
        {
            open.close_on_drop();
        }
    }
}
