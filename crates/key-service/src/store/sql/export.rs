//! Reading everything as of one moment.

use std::path::Path;

use futures_util::TryStreamExt as _;
use latchkey_key_feed::Epoch;
use tokio::sync::mpsc::Sender;

use crate::store::StoreError;
use crate::store::sql::directory_rows::application_privilege;
use crate::store::sql::directory_rows::users::{native_user, reserved_user};
use crate::store::sql::query::Query;
use crate::store::sql::row::{Row, key_columns};
use crate::store::sql::transaction::{Transaction, in_time};
use crate::store::sql::usage_rows::KEYS_WITH_USAGE;
use crate::store::sql::{SqlStore, opaque_key_rows};
use crate::store::transfer::Entry;

/// A transaction that reads everything.
pub(in crate::store) struct Export {
    snapshot: Transaction,
}

pub(in crate::store) async fn begin_export(database: &SqlStore) -> Result<Export, StoreError> {
    Ok(Export { snapshot: database.begin_snapshot().await? })
}

/// Writes a copy into an empty file. There is no time limit, because no request waits for it.
pub(in crate::store) async fn copy_into(database: &SqlStore, file: &Path) -> Result<(), StoreError> {
    let SqlStore::Sqlite(connections) = database else {
        return Err(StoreError::Unavailable("only a store in SQLite is one file".into()));
    };
    let file = file.to_str().ok_or_else(|| StoreError::Unavailable("the name is not UTF-8".into()))?;
    let copy = Query::new("vacuum into ?").bind(file);
    copy.into_sqlite()?.execute(&connections.readers).await?;
    Ok(())
}

impl Export {
    pub(in crate::store) async fn epoch(&mut self) -> Result<Epoch, StoreError> {
        let row = self.snapshot.fetch_one(Query::new("select epoch from feed_state")).await?;
        Epoch::try_from(row.scalar::<String>()?).map_err(|_| StoreError::Corrupt("epoch"))
    }

    /// Sends everything. Ends early when the receiver is gone.
    pub(in crate::store) async fn send_entries(
        &mut self,
        entries: &Sender<Result<Entry, StoreError>>,
    ) -> Result<(), StoreError> {
        let user = |row: &Row| Ok(Entry::User(Box::new(native_user(row)?)));
        self.send("select * from native_user order by username", user, entries).await?;
        let reserved = "select username, password_hash, enabled from reserved_user order by username";
        self.send(reserved, reserved_entry, entries).await?;
        let role = |row: &Row| Ok(Entry::Role(row.get("name")?, Box::new(row.json("descriptor")?)));
        self.send("select name, descriptor from native_role order by name", role, entries).await?;
        let privileges = "select application, name, actions, metadata from application_privilege order by application, name";
        let privilege = |row: &Row| Ok(Entry::ApplicationPrivilege(application_privilege(row)?));
        self.send(privileges, privilege, entries).await?;
        let pepper = |row: &Row| {
            let pepper = opaque_key_rows::of_row(row)?.ok_or(StoreError::Corrupt("pepper of opaque keys"))?;
            Ok(Entry::OpaqueKeyPepper(pepper))
        };
        self.send(opaque_key_rows::PEPPER, pepper, entries).await?;
        let key = |row: &Row| Ok(Entry::ApiKey(Box::new(row.stored_key()?)));
        self.send(
            format!("select {} from {KEYS_WITH_USAGE} order by api_key.rowid", key_columns()),
            key,
            entries,
        )
        .await
    }

    async fn send(
        &mut self,
        query: impl Into<std::borrow::Cow<'static, str>>,
        read: impl Fn(&Row) -> Result<Entry, StoreError>,
        entries: &Sender<Result<Entry, StoreError>>,
    ) -> Result<(), StoreError> {
        let mut rows = self.snapshot.fetch(Query::new(query))?;
        while let Some(row) = in_time(rows.try_next()).await? {
            if entries.send(Ok(read(&row)?)).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// What the database finds wrong with its own file. PostgreSQL has no such check.
    pub(in crate::store) async fn problems(&mut self) -> Result<Vec<String>, StoreError> {
        if let Transaction::Postgres(_) = self.snapshot {
            return Ok(Vec::new());
        }
        let found: Vec<Row> =
            self.snapshot.fetch(Query::new("pragma integrity_check"))?.try_collect().await?;
        let found = found.iter().map(Row::scalar::<String>).collect::<Result<Vec<_>, _>>()?;
        Ok(if found == ["ok"] { Vec::new() } else { found })
    }

    /// The keys that are not readable, and what of them.
    pub(in crate::store) async fn unreadable_keys(&mut self) -> Result<Vec<String>, StoreError> {
        let mut rows = self.snapshot.fetch(Query::new(format!(
            "select {} from {KEYS_WITH_USAGE} order by api_key.rowid",
            key_columns()
        )))?;
        let mut found = Vec::new();
        while let Some(row) = in_time(rows.try_next()).await? {
            if let Err(error) = row.stored_key() {
                found.push(format!("the API key {}: {error}", row.get::<String>("id")?));
            }
        }
        Ok(found)
    }

    /// Contradictions between the position of the feed and the keys.
    pub(in crate::store) async fn miscounts(&mut self) -> Result<Vec<String>, StoreError> {
        let compared = "select
             feed_state.keys_live <> (select count(*) from api_key where invalidation is null) as miscounted,
             feed_state.seq < coalesce((select max(seq) from api_key), 0)
               or feed_state.seq < coalesce((select max(seq) from removed_key), 0)
               or feed_state.seq < coalesce((select max(seq) from application_change), 0) as behind
           from feed_state";
        let rows: Vec<Row> = self.snapshot.fetch(Query::new(compared))?.try_collect().await?;
        let row = rows.first().ok_or(StoreError::Corrupt("position of the feed"))?;
        let mut found = Vec::new();
        for (column, problem) in [
            ("miscounted", "the number of live keys is not the one that is kept"),
            ("behind", "a key or an application has a higher sequence number than the feed"),
        ] {
            if row.get::<bool>(column)? {
                found.push(problem.to_owned());
            }
        }
        Ok(found)
    }
}

fn reserved_entry(row: &Row) -> Result<Entry, StoreError> {
    Ok(Entry::ReservedUser(row.get("username")?, Box::new(reserved_user(row)?)))
}
