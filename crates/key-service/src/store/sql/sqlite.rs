//! The connections to one SQLite file.
//!
//! Write-ahead logging lets readers go on while one connection writes; `synchronous=FULL` makes a commit wait
//! for the disk, because a revocation that a power cut forgets is a key that comes back. There is exactly one
//! writing connection, and its transactions begin with the write lock, so sequence numbers are taken and
//! committed in one order.

use std::path::Path;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, Sqlite};

use crate::limits::{STORE_BUSY_WAIT_MAX, STORE_CONNECTION_WAIT_MAX, STORE_READERS_MAX};
use crate::store::StoreError;
use crate::store::sql::{Connections, migrations};

/// Begins a transaction that has the write lock from its first moment, so that it cannot fail later for lack
/// of it.
pub(super) const BEGIN_CHANGE: &str = "begin immediate";

pub(super) async fn open(file: &Path) -> Result<Connections<Sqlite>, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(STORE_BUSY_WAIT_MAX);
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(STORE_CONNECTION_WAIT_MAX)
        .after_release(|connection, _| Box::pin(is_of_use(connection)))
        .connect_with(options.clone())
        .await
        .map_err(|error| StoreError::from(error).not_a_store())?;
    migrations::sqlite().run(&writer).await?;
    let readers = readers().connect_with(options.read_only(true).create_if_missing(false)).await?;
    Ok(Connections { writer, readers })
}

/// Whether a connection that is given back can begin another transaction. When the disk is full, SQLite ends
/// a transaction by itself. The driver's own rollback then fails, and the driver believes that the
/// transaction goes on. Such a connection is closed, and another one opened.
async fn is_of_use(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // Waits for the end of a transaction that was dropped.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// Connections that cannot write. Others may use the file meanwhile. Reading a large store may take long, so
/// slow statements are not logged.
pub(super) fn open_to_read(file: &Path) -> Connections<Sqlite> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .disable_statement_logging()
        .busy_timeout(STORE_BUSY_WAIT_MAX);
    let readers = readers().connect_lazy_with(options);
    Connections { writer: readers.clone(), readers }
}

fn readers() -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(STORE_READERS_MAX).acquire_timeout(STORE_CONNECTION_WAIT_MAX)
}
