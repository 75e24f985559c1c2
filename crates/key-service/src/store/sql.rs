//! The store in a database: SQLite or PostgreSQL.
//!
//! Everything is written once, in the SQL that both understand. What differs is how connections are opened
//! (`sqlite`, `postgres`), how a parameter is spelt (`query`), and the types of columns (the migrations).

mod application_rows;
pub(super) mod audit_rows;
mod bulk_insert;
pub(super) mod directory_rows;
pub(super) mod edge_rows;
pub(super) mod export;
mod feed_batches;
pub(super) mod feed_reader;
mod feed_rows;
pub(super) mod group;
pub(super) mod import;
mod key_conditions;
pub(super) mod key_pages;
mod key_positions;
pub(super) mod key_rows;
mod migrations;
pub(super) mod opaque_key_rows;
pub(super) mod postgres;
mod precondition_check;
mod query;
mod reader;
pub(super) mod removal_rows;
mod row;
pub(super) mod scan;
pub(super) mod searched_key;
mod sql_error;
mod sqlite;
#[cfg(test)]
mod testing;
pub(super) mod token_rows;
mod transaction;
pub(super) mod update_rows;
pub(super) mod usage_rows;
mod vouching_backfill;

use futures_util::TryStreamExt as _;
use latchkey_key_feed::Epoch;
use sqlx::{Pool, Postgres, Sqlite};

use crate::audit::{Actor, ChangeEvent};
use crate::store::StoreError;
use crate::store::change::Done;
use crate::store::location::StoreLocation;
use crate::store::sql::bulk_insert::insert_rows;
use crate::store::sql::postgres::servers::Servers;
use crate::store::sql::query::{Parameter, Query};
use crate::store::sql::row::{Row, json_text, millis};
use crate::store::sql::transaction::{Rows, Transaction, in_time};

pub(crate) use directory_rows::UnreadRoles;
pub(crate) use edge_rows::EdgeAnnouncements;
pub(crate) use key_rows::UnreadKey;

/// The connections to the database. Clones share them.
#[derive(Clone, derive_more::Debug)]
pub(super) enum SqlStore {
    #[debug("PostgreSQL")]
    Postgres {
        connections: Connections<Postgres>,
        servers: Servers,
        /// Whether the database can tell other replicas of a change.
        notifies: bool,
    },
    #[debug("SQLite")]
    Sqlite(Connections<Sqlite>),
}

/// Two sets of connections to one database.
pub(super) struct Connections<DB: sqlx::Database> {
    writer: Pool<DB>,
    readers: Pool<DB>,
}

/// Which changes have to come one after the other.
#[derive(Clone, Copy, Debug)]
enum ChangeLock {
    /// Those of keys and of the directory.
    Keys,
    /// Those of tokens.
    Tokens,
}

impl SqlStore {
    pub(super) async fn open(location: &StoreLocation, epoch: &Epoch) -> Result<Self, StoreError> {
        let store = match location {
            StoreLocation::File(file) => Self::Sqlite(sqlite::open(file).await?),
            StoreLocation::Postgres(database) => {
                let servers = Servers::new(database.servers());
                let connections = postgres::open(&servers).await?;
                let notifies = postgres::announcements::are_possible(&connections).await?;
                Self::Postgres { connections, servers, notifies }
            }
        };
        let first = "insert into feed_state (singleton, epoch, seq, purged_through, keys_live)
                     values (1, ?, 1, 0, 0) on conflict do nothing";
        store.write(Query::new(first).bind(epoch.as_str())).await?;
        vouching_backfill::decide_vouching(&store).await?;
        key_positions::renew(&store).await;
        Ok(store)
    }

    /// Opens the store that is there, to be read only.
    pub(super) async fn open_to_read(location: &StoreLocation) -> Result<Self, StoreError> {
        let store = match location {
            StoreLocation::File(file) => Self::Sqlite(sqlite::open_to_read(file)),
            StoreLocation::Postgres(database) => {
                let servers = Servers::new(database.servers());
                Self::Postgres {
                    connections: postgres::open_to_read(&servers).await?,
                    servers,
                    notifies: false,
                }
            }
        };
        let known = match store {
            Self::Postgres { .. } => migrations::postgres(),
            Self::Sqlite(_) => migrations::sqlite(),
        };
        let applied =
            store.fetch_all(Query::new(migrations::APPLIED)).await.map_err(StoreError::not_a_store)?;
        migrations::refuse_another_version(&applied, &known)?;
        Ok(store)
    }

    /// Whether others may change the store at the same time.
    pub(super) const fn may_have_replicas(&self) -> bool {
        matches!(self, Self::Postgres { .. })
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Postgres { connections: Connections { writer, readers }, .. } => {
                readers.close().await;
                writer.close().await;
            }
            Self::Sqlite(Connections { writer, readers }) => {
                readers.close().await;
                writer.close().await;
            }
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Postgres { connections, .. } => connections.readers.is_closed(),
            Self::Sqlite(connections) => connections.readers.is_closed(),
        }
    }

    /// A transaction with a lock on what it changes. It waits for the lock first, so that everything it reads
    /// stays as it is until it commits.
    async fn begin_change(&self, lock: ChangeLock) -> Result<Transaction, StoreError> {
        match self {
            Self::Postgres { connections, .. } => {
                let open = in_time(async { Ok(connections.writer.begin_with(lock.begin()).await?) });
                Ok(Transaction::Postgres(open.await?))
            }
            // The one writing connection of the one process.
            Self::Sqlite(connections) => {
                let open = in_time(async { Ok(connections.writer.begin_with(sqlite::BEGIN_CHANGE).await?) });
                Ok(Transaction::Sqlite(open.await?))
            }
        }
    }

    /// A transaction that does not wait for changes of keys, except in SQLite, which has one writer.
    async fn begin_beside(&self) -> Result<Transaction, StoreError> {
        in_time(async {
            Ok(match self {
                Self::Postgres { connections, .. } => {
                    Transaction::Postgres(connections.writer.begin().await?)
                }
                Self::Sqlite(connections) => {
                    Transaction::Sqlite(connections.writer.begin_with(sqlite::BEGIN_CHANGE).await?)
                }
            })
        })
        .await
    }

    /// A transaction that reads what was true at one moment.
    async fn begin_snapshot(&self) -> Result<Transaction, StoreError> {
        in_time(async {
            Ok(match self {
                Self::Postgres { connections, .. } => {
                    Transaction::Postgres(connections.readers.begin_with(postgres::BEGIN_SNAPSHOT).await?)
                }
                Self::Sqlite(connections) => Transaction::Sqlite(connections.readers.begin().await?),
            })
        })
        .await
    }

    /// Makes a change of the feed durable, and tells the other replicas of it in the same moment.
    async fn commit(&self, mut change: Transaction) -> Result<(), StoreError> {
        if let Self::Postgres { notifies: true, .. } = self {
            change.execute(postgres::announcements::announcement()).await?;
        }
        change.commit().await
    }

    /// Runs one statement that changes something, as a change of its own.
    async fn write(&self, query: Query) -> Result<u64, StoreError> {
        in_time(async {
            Ok(match self {
                Self::Postgres { connections, .. } => {
                    query.into_postgres()?.execute(&connections.writer).await?.rows_affected()
                }
                Self::Sqlite(connections) => {
                    query.into_sqlite()?.execute(&connections.writer).await?.rows_affected()
                }
            })
        })
        .await
    }

    /// Makes an empty change, to see whether changes can be made.
    pub(super) async fn try_a_change(&self) -> Result<(), StoreError> {
        let mut change = self.begin_change(ChangeLock::Keys).await?;
        change.execute(Query::new("update feed_state set keys_live = keys_live")).await?;
        change.commit().await
    }

    async fn fetch_optional(&self, query: Query) -> Result<Option<Row>, StoreError> {
        in_time(async {
            Ok(match self {
                Self::Postgres { connections, .. } => {
                    query.into_postgres()?.fetch_optional(&connections.readers).await?.map(Row::Postgres)
                }
                Self::Sqlite(connections) => {
                    query.into_sqlite()?.fetch_optional(&connections.readers).await?.map(Row::Sqlite)
                }
            })
        })
        .await
    }

    async fn fetch_all(&self, query: Query) -> Result<Vec<Row>, StoreError> {
        in_time(self.fetch(query)?.try_collect()).await
    }

    /// The rows one after the other. The reader bounds the time.
    fn fetch(&self, query: Query) -> Result<Rows<'_>, StoreError> {
        Ok(match self {
            Self::Postgres { connections, .. } => {
                Box::pin(query.into_postgres()?.fetch(&connections.readers).map_ok(Row::Postgres).err_into())
            }
            Self::Sqlite(connections) => {
                Box::pin(query.into_sqlite()?.fetch(&connections.readers).map_ok(Row::Sqlite).err_into())
            }
        })
    }
}

impl ChangeLock {
    /// Begins a change in PostgreSQL and waits for its lock, which is that of a row that always exists. Each
    /// later statement sees what was committed before it, and no other change can commit meanwhile.
    const fn begin(self) -> &'static str {
        match self {
            Self::Keys => "begin isolation level read committed; select seq from feed_state for update",
            Self::Tokens => "begin isolation level read committed; select used from token_state for update",
        }
    }

    /// Locks that row in a change that has begun.
    const fn row(self) -> &'static str {
        match self {
            Self::Keys => "select seq from feed_state for update",
            Self::Tokens => "select used from token_state for update",
        }
    }
}

/// Waits for a second lock, besides the one that the change began with. Only a change that began with the
/// lock of keys may take the lock of tokens, so that no two changes wait for each other for ever.
async fn also_lock(change: &mut Transaction, lock: ChangeLock) -> Result<(), StoreError> {
    match change {
        Transaction::Postgres(_) => change.fetch_one(Query::new(lock.row())).await.map(|_| ()),
        // SQLite's one writing connection has every lock.
        Transaction::Sqlite(_) => Ok(()),
    }
}

/// Takes the next `count` sequence numbers and returns the last of them, and counts `live` keys more or
/// fewer.
async fn take_seqs(change: &mut Transaction, count: i64, live: i64) -> Result<i64, StoreError> {
    let taken = "update feed_state set seq = seq + ?, keys_live = keys_live + ? returning seq";
    change.fetch_one(Query::new(taken).bind(count).bind(live)).await?.scalar()
}

/// Writes the events of what was changed.
async fn write_events(change: &mut Transaction, done: &[Done]) -> Result<(), StoreError> {
    let events = done.iter().filter_map(|done| done.change.as_ref());
    let rows = events.map(|(_, event)| event_values(event)).collect::<Result<_, _>>()?;
    insert_rows(change, INSERT_EVENTS, rows).await
}

async fn write_event(change: &mut Transaction, event: &ChangeEvent) -> Result<(), StoreError> {
    insert_rows(change, INSERT_EVENTS, vec![event_values(event)?]).await
}

/// The beginning of a statement that adds events of keys to the audit log.
const INSERT_EVENTS: &str = "insert into audit_event
     (actor_username, actor_realm, actor_api_key, actor_run_as, source_address, actor_via, at, action, key_ids)
   values ";

/// The values of one event, in the order of [`INSERT_EVENTS`].
fn event_values(event: &ChangeEvent) -> Result<[Parameter; 9], StoreError> {
    let [username, realm, api_key, run_as, source, via] = actor_values(&event.actor);
    let (at, action) = (millis(event.at), <&'static str>::from(event.action));
    Ok([
        username,
        realm,
        api_key,
        run_as,
        source,
        via,
        at.into(),
        action.into(),
        json_text(&event.key_ids)?.into(),
    ])
}

/// The actor as the audit log keeps it: username, realm, API key, run-as, source address, through what.
fn actor_values(actor: &Actor) -> [Parameter; 6] {
    [
        (&actor.username).into(),
        (&actor.realm).into(),
        actor.api_key.as_ref().map(|id| id.as_str()).into(),
        (&actor.run_as).into(),
        actor.source.map(|source| source.to_string()).into(),
        actor.via.map(<&'static str>::from).into(),
    ]
}

impl Query {
    /// Binds the next six `?` to what the audit log keeps of the actor.
    fn bind_actor(self, actor: &Actor) -> Self {
        actor_values(actor).into_iter().fold(self, Self::bind)
    }
}

// By hand, because a derived `Clone` would require it of the databases.
impl<DB: sqlx::Database> Clone for Connections<DB> {
    fn clone(&self) -> Self {
        Self { writer: self.writer.clone(), readers: self.readers.clone() }
    }
}
