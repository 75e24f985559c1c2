//! The store in one SQLite file.
//!
//! Write-ahead logging lets readers go on while one connection writes; `synchronous=FULL` makes a commit wait for the disk,
//! because a revocation that a power cut forgets is a key that comes back. There is exactly one writing connection, and its
//! transactions begin by taking the write lock, so sequence numbers are taken and committed in one order.

mod directory;
mod feed;
mod keys;
mod removal;
mod rows;
mod scan;
mod tokens;
mod update;

use std::path::Path;

use latchkey_key_feed::Epoch;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{SqlSafeStr as _, Sqlite, Transaction};

use crate::audit::{Actor, ChangeEvent};
use crate::limits::{STORE_BUSY_WAIT_MAX, STORE_CONNECTION_WAIT_MAX, STORE_READERS_MAX};
use crate::store::StoreError;
use crate::store::sqlite::rows::{json_text, millis};

/// The two sets of connections to the file.
#[derive(Clone, Debug)]
pub(super) struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    pub(super) async fn open(file: &Path, epoch: &Epoch) -> Result<Self, StoreError> {
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
            .connect_with(options.clone())
            .await?;
        migrator().run(&writer).await?;
        sqlx::query(
            "insert into feed_state (singleton, epoch, seq, purged_through, keys_live)
             values (1, ?, 1, 0, 0) on conflict do nothing",
        )
        .bind(epoch.as_str())
        .execute(&writer)
        .await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(STORE_READERS_MAX)
            .acquire_timeout(STORE_CONNECTION_WAIT_MAX)
            .connect_with(options.read_only(true).create_if_missing(false))
            .await?;
        Ok(Self { writer, readers })
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// A transaction that has the write lock from its first moment, so that it cannot fail to get it half-way.
    async fn begin_change(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.writer.begin_with("begin immediate").await?)
    }
}

/// Takes the next `count` sequence numbers and returns the last of them, and counts `live` keys more or fewer.
async fn take_seqs(
    change: &mut Transaction<'static, Sqlite>,
    count: i64,
    live: i64,
) -> Result<i64, StoreError> {
    let seq =
        sqlx::query_scalar("update feed_state set seq = seq + ?, keys_live = keys_live + ? returning seq")
            .bind(count)
            .bind(live)
            .fetch_one(&mut **change)
            .await?;
    Ok(seq)
}

async fn write_event(
    change: &mut Transaction<'static, Sqlite>,
    event: &ChangeEvent,
) -> Result<(), StoreError> {
    let actor = actor_columns(&event.actor);
    sqlx::query(
        "insert into audit_event
           (at, action, actor_username, actor_realm, actor_api_key, actor_run_as, source_address, key_ids)
         values (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(millis(event.at))
    .bind(event.action.as_str())
    .bind(actor.username)
    .bind(actor.realm)
    .bind(actor.api_key)
    .bind(actor.run_as)
    .bind(actor.source)
    .bind(json_text(&event.key_ids)?)
    .execute(&mut **change)
    .await?;
    Ok(())
}

/// An actor as the trail keeps it.
struct ActorColumns<'a> {
    username: &'a str,
    realm: &'a str,
    api_key: Option<&'a str>,
    run_as: Option<&'a str>,
    source: Option<String>,
}

fn actor_columns(actor: &Actor) -> ActorColumns<'_> {
    ActorColumns {
        username: &actor.username,
        realm: &actor.realm,
        api_key: actor.api_key.as_ref().map(|id| id.as_str()),
        run_as: actor.run_as.as_deref(),
        source: actor.source.map(|source| source.to_string()),
    }
}

/// Migrations are only ever added. Their text is part of the binary, and its checksum is kept in the store, so an altered one
/// is refused.
fn migrator() -> Migrator {
    let migrations = [
        (1, "key store", include_str!("../../migrations/sqlite/0001_key_store.sql")),
        (2, "native realm", include_str!("../../migrations/sqlite/0002_native_realm.sql")),
        (3, "tokens", include_str!("../../migrations/sqlite/0003_tokens.sql")),
        (4, "key removal", include_str!("../../migrations/sqlite/0004_key_removal.sql")),
    ];
    let migrations = migrations.map(|(number, name, text)| {
        Migration::new(number, name.into(), MigrationType::Simple, text.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.into())
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(error.into())
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        Self::Unavailable(error.into())
    }
}

#[cfg(test)]
impl SqliteStore {
    /// The trail: action, username and key ids of each event.
    pub(super) async fn events(&self) -> Vec<(String, String, String)> {
        sqlx::query_as("select action, actor_username, key_ids from audit_event order by event_id")
            .fetch_all(&self.readers)
            .await
            .unwrap()
    }

    /// The trail: action and subjects of each event.
    pub(super) async fn directory_events(&self) -> Vec<(String, String)> {
        sqlx::query_as("select action, subjects from audit_event order by event_id")
            .fetch_all(&self.readers)
            .await
            .unwrap()
    }

    /// As if the rows up to here had been removed for good.
    pub(super) async fn set_purged_through(&self, seq: i64) {
        sqlx::query("update feed_state set purged_through = ?")
            .bind(seq)
            .execute(&self.writer)
            .await
            .unwrap();
    }
}
