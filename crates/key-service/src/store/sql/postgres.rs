//! The connections to one PostgreSQL database, which several replicas of the service may share.
//!
//! A change begins by locking the row that holds the counter, so changes of all replicas come one after the
//! other, and sequence numbers become visible in the order in which they were taken. No replica can keep that
//! lock for ever: the database ends a transaction of an idle session.

pub(in crate::store) mod announcements;
pub(in crate::store::sql) mod listener;
pub(in crate::store) mod servers;

use latchkey_key_feed::UnixMillis;
use sqlx::postgres::{PgConnection, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, Postgres};

use crate::limits::work_limits::WORK_WAIT_MAX;
use crate::limits::{
    DATABASE_CONNECTION_WAIT_MAX, STORE_LOCK_WAIT_MAX, STORE_LOOK_INTERVAL, STORE_READERS_MAX,
    STORE_SILENCE_MAX, STORE_STATEMENT_WAIT_MAX, STORE_WRITERS_MAX,
};
use crate::store::StoreError;
use crate::store::sql::postgres::servers::{Servers, Turn};
use crate::store::sql::query::Query;
use crate::store::sql::{Connections, SqlStore, migrations};

/// Begins reading what belongs together.
pub(super) const BEGIN_SNAPSHOT: &str = "begin isolation level repeatable read, read only";

/// Lets the commit of a change take as long as it takes. A commit waits for its synchronous standby. If the
/// time of a statement ended that wait, PostgreSQL would say that the change is committed, and a failover
/// would lose it.
pub(super) const WITHOUT_TIME_LIMIT: &str = "set local statement_timeout = 0";

/// Prepares the tables and opens the connections.
pub(super) async fn open(servers: &Servers) -> Result<Connections<Postgres>, StoreError> {
    // Where there is one server only, it may be slow to begin.
    let wait = if servers.are_several() { DATABASE_CONNECTION_WAIT_MAX } else { STORE_STATEMENT_WAIT_MAX };
    let primary = servers.primary(wait).await?;
    let options = servers.begin_with(&primary)?;
    migrate(primary.connection).await?;
    let writers = pool(STORE_WRITERS_MAX, servers);
    let to_be_primary = servers.clone();
    let writers = writers.after_connect(move |connection, _| {
        let servers = to_be_primary.clone();
        Box::pin(async move {
            servers.await_primary(connection).await?;
            connection.execute(writing()).await.map(|_| ())
        })
    });
    // Two more, for those who listen.
    let readers = pool(STORE_READERS_MAX + 2, servers);
    let to_be_primary = servers.clone();
    let readers = readers.after_connect(move |connection, _| {
        let servers = to_be_primary.clone();
        Box::pin(async move {
            servers.await_primary(connection).await?;
            begin_reading(connection).await
        })
    });
    Ok(Connections {
        writer: writers.connect_lazy_with(options.clone()),
        readers: readers.connect_lazy_with(options),
    })
}

/// Connections that cannot write. Reading a large store may take long, so slow statements are not logged.
pub(super) async fn open_to_read(servers: &Servers) -> Result<Connections<Postgres>, StoreError> {
    let options = servers.any(STORE_STATEMENT_WAIT_MAX).await?;
    let options = options.options([("default_transaction_read_only", "on")]).disable_statement_logging();
    let readers = PgPoolOptions::new()
        .max_connections(STORE_READERS_MAX)
        .acquire_timeout(DATABASE_CONNECTION_WAIT_MAX)
        .connect_lazy_with(options);
    Ok(Connections { writer: readers.clone(), readers })
}

/// Looks for the primary once the database does not answer, and has the connections go there.
///
/// # Errors
///
/// [`StoreError`] that says what each server answers, when none of them is.
pub(in crate::store) async fn turn_to_primary(database: &SqlStore) -> Result<Turn, StoreError> {
    let SqlStore::Postgres { connections, servers, .. } = database else { return Ok(Turn::Stayed) };
    let primary = servers.primary(DATABASE_CONNECTION_WAIT_MAX).await?;
    let turn = servers.turn_to(&primary, connections)?;
    primary.connection.close().await?;
    Ok(turn)
}

/// The time by the database's clock.
pub(in crate::store) async fn now(database: &SqlStore) -> Result<UnixMillis, StoreError> {
    let now = "select cast(extract(epoch from clock_timestamp()) * 1000 as bigint) as now";
    let row = database.fetch_optional(Query::new(now)).await?.ok_or(StoreError::Corrupt("time"))?;
    row.moment("now")
}

/// Connections to the present server. One that is handed out was opened there, and answers.
fn pool(connections_max: u32, servers: &Servers) -> PgPoolOptions {
    let servers = servers.clone();
    PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(DATABASE_CONNECTION_WAIT_MAX)
        .test_before_acquire(false)
        .before_acquire(move |connection, meta| {
            let is_of_use = servers.opened_since_turn(meta.age);
            Box::pin(async move { Ok(is_of_use && connection.ping().await.is_ok()) })
        })
}

/// On a connection of its own: a migration of a large table may take longer than any change, and waits while
/// another replica migrates.
async fn migrate(mut connection: PgConnection) -> Result<(), StoreError> {
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
