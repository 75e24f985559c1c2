//! The connections to one PostgreSQL database, which several replicas of the service may share.
//!
//! A change begins by locking the row that holds the counter, so changes of all replicas come one after the
//! other, and sequence numbers become visible in the order in which they were taken. No replica can keep that
//! lock for ever: the database ends a transaction of an idle session.

pub(in crate::store) mod announcements;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, Postgres};

use crate::limits::work_limits::WORK_WAIT_MAX;
use crate::limits::{
    DATABASE_CONNECTION_WAIT_MAX, STORE_LOCK_WAIT_MAX, STORE_LOOK_INTERVAL, STORE_READERS_MAX,
    STORE_SILENCE_MAX, STORE_STATEMENT_WAIT_MAX, STORE_WRITERS_MAX,
};
use crate::store::StoreError;
use crate::store::sql::transaction::in_time;
use crate::store::sql::{Connections, migrations};

/// Begins reading what belongs together.
pub(super) const BEGIN_SNAPSHOT: &str = "begin isolation level repeatable read, read only";

/// Prepares the tables and opens the connections.
pub(super) async fn open(options: PgConnectOptions) -> Result<Connections<Postgres>, StoreError> {
    migrate(&options).await?;
    let pool = |connections_max| {
        PgPoolOptions::new().max_connections(connections_max).acquire_timeout(DATABASE_CONNECTION_WAIT_MAX)
    };
    let writer = pool(STORE_WRITERS_MAX)
        .after_connect(|connection, _| Box::pin(async { connection.execute(writing()).await.map(|_| ()) }))
        .connect_lazy_with(options.clone());
    // Two more, for those who listen.
    let readers = pool(STORE_READERS_MAX + 2)
        .after_connect(|connection, _| Box::pin(begin_reading(connection)))
        .connect_lazy_with(options);
    Ok(Connections { writer, readers })
}

/// Connections that cannot write. Reading a large store may take long, so slow statements are not logged.
pub(super) fn open_to_read(options: PgConnectOptions) -> Connections<Postgres> {
    let options = options.options([("default_transaction_read_only", "on")]).disable_statement_logging();
    let readers = PgPoolOptions::new()
        .max_connections(STORE_READERS_MAX)
        .acquire_timeout(DATABASE_CONNECTION_WAIT_MAX)
        .connect_lazy_with(options);
    Connections { writer: readers.clone(), readers }
}

/// On a connection of its own: a migration of a large table may take longer than any change, and waits while
/// another replica migrates.
async fn migrate(options: &PgConnectOptions) -> Result<(), StoreError> {
    let mut connection = in_time(async { Ok(PgConnection::connect_with(options).await?) }).await?;
    migrations::postgres().run(&mut connection).await?;
    Ok(connection.close().await?)
}

/// Sets a session that reads: no statement of it outlasts the work that it is for, nor for long the connection
/// over which it was asked for.
async fn begin_reading(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let time = sqlx::AssertSqlSafe(format!("set statement_timeout = {}", WORK_WAIT_MAX.as_millis()));
    connection.execute(time).await?;
    let look = format!("set client_connection_check_interval = {}", STORE_LOOK_INTERVAL.as_millis());
    // PostgreSQL has it since version 14, and not on every system. Without it a statement that sends nothing
    // goes on until its time is over.
    let _ = connection.execute(sqlx::AssertSqlSafe(look)).await;
    Ok(())
}

/// How a session that writes is set. A commit is on disk before it is answered, whatever the database does
/// for others.
fn writing() -> sqlx::SqlStr {
    use sqlx::SqlSafeStr as _;
    let session = format!(
        "set synchronous_commit = on; set lock_timeout = {}; set statement_timeout = {};
         set idle_in_transaction_session_timeout = {}",
        STORE_LOCK_WAIT_MAX.as_millis(),
        STORE_STATEMENT_WAIT_MAX.as_millis(),
        STORE_SILENCE_MAX.as_millis(),
    );
    sqlx::AssertSqlSafe(session).into_sql_str()
}
