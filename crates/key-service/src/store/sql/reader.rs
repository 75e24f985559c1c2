//! A connection of its own for what is read row by row, and may be given up before its last row.
//!
//! PostgreSQL sends all rows of a statement whether or not somebody wants them, and the driver has to read
//! them before the connection is of use again. So a connection that is given up is closed, which ends the
//! statement. SQLite asks every so often whether it should go on: a statement that counts has no row at which it could
//! end. Its connection is closed too, so that nobody else's statement is ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::TryStreamExt as _;
use sqlx::pool::PoolConnection;
use sqlx::{Postgres, Sqlite};

use crate::store::StoreError;
use crate::store::sql::SqlStore;
use crate::store::sql::query::Query;
use crate::store::sql::row::Row;
use crate::store::sql::transaction::{Rows, in_time};

/// How many instructions of its machine SQLite makes before it asks whether it should go on: less than a millisecond.
const SQLITE_STEPS_UNTIL_ASKED: i32 = 10_000;

/// A connection that reads. Dropped before [`Self::has_read_all`], it ends what it reads.
pub(super) struct Reader {
    connection: Connection,
    is_done: bool,
}

enum Connection {
    Postgres(PoolConnection<Postgres>),
    Sqlite(PoolConnection<Sqlite>, GivenUp),
}

/// Whether nobody wants the rows of a statement any more.
#[derive(Clone, Default)]
struct GivenUp(Arc<AtomicBool>);

impl Reader {
    /// A connection to this store.
    pub(super) async fn of(database: &SqlStore) -> Result<Self, StoreError> {
        let connection = in_time(async {
            Ok(match database {
                SqlStore::Postgres { connections, .. } => {
                    Connection::Postgres(connections.readers.acquire().await?)
                }
                SqlStore::Sqlite(connections) => {
                    let mut open = connections.readers.acquire().await?;
                    let given_up = GivenUp::default();
                    let asked = given_up.clone();
                    let goes_on = move || !asked.0.load(Ordering::Relaxed);
                    open.lock_handle().await?.set_progress_handler(SQLITE_STEPS_UNTIL_ASKED, goes_on);
                    Connection::Sqlite(open, given_up)
                }
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
            Connection::Sqlite(open, _) => {
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
        if self.is_done {
            return;
        }
        match &mut self.connection {
            Connection::Postgres(open) => open.close_on_drop(),
            Connection::Sqlite(open, given_up) => {
                given_up.0.store(true, Ordering::Relaxed);
                open.close_on_drop();
            }
        }
    }
}
