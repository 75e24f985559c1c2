//! Writing what another store held, in one transaction.

use std::collections::{BTreeSet, HashSet};
use std::mem;

use latchkey_key_feed::{Cursor, Epoch, KeyId};

use crate::audit::ChangeEvent;
use crate::audit::directory_events::DirectoryEvent;
use crate::limits::{ENTRIES_IMPORTED_AT_ONCE_MAX, ENTRIES_IMPORTED_LEN_MAX};
use crate::model::key_usage::KeyUsage;
use crate::model::stored_key::StoredKey;
use crate::model::stored_user::{NativeUser, ReservedUser};
use crate::store::StoreError;
use crate::store::sql::application_rows::note_changes;
use crate::store::sql::directory_rows::{insert_application_privilege, rows_in, write_directory_event};
use crate::store::sql::edge_rows::begin_knowing_edges;
use crate::store::sql::key_rows::{INSERT_KEYS, key_values};
use crate::store::sql::opaque_key_rows::settle;
use crate::store::sql::query::Query;
use crate::store::sql::row::{Row, cursor, json_text};
use crate::store::sql::transaction::Transaction;
use crate::store::sql::usage_rows::write_imported;
use crate::store::sql::{ChangeLock, SqlStore, take_seqs, write_event};
use crate::store::transfer::{Entry, ImportError, WhenThere, name_of_key};

/// A transaction that adds entries. Nobody else changes keys meanwhile.
pub(in crate::store) struct Import {
    change: Transaction,
    event: ChangeEvent,
    /// The statement that will write the keys that wait for each other.
    statement: Query,
    /// Those keys.
    waiting: Vec<WaitingKey>,
    /// The last sequence number that was used.
    seq: i64,
    added: u64,
    live: i64,
    /// The applications of which privileges were added.
    applications: BTreeSet<String>,
}

/// A key whose statement was not run yet.
struct WaitingKey {
    id: KeyId,
    lives: bool,
    usage: KeyUsage,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Added {
    Yes,
    /// Keys are written together, once [`Import::is_due`].
    Later,
    AlreadyThere,
}

/// Begins an import. `event` is what the audit log says of its keys, without their ids.
pub(in crate::store) async fn begin_import(
    database: &SqlStore,
    event: ChangeEvent,
) -> Result<Import, StoreError> {
    let mut change = database.begin_change(ChangeLock::Keys).await?;
    let seq = take_seqs(&mut change, 0, 0).await?;
    let statement = Query::new(INSERT_KEYS);
    let applications = BTreeSet::new();
    Ok(Import { change, event, statement, waiting: Vec::new(), seq, added: 0, live: 0, applications })
}

/// Makes the import durable, and tells the position of the feed after it and how many keys were added.
pub(in crate::store) async fn commit_import(
    database: &SqlStore,
    Import { mut change, seq, added, live, applications, .. }: Import,
) -> Result<(Cursor, u64), StoreError> {
    let before = take_seqs(&mut change, 0, 0).await?;
    let latest = cursor(take_seqs(&mut change, seq - before, live).await?)?;
    let latest = note_changes(&mut change, &applications).await?.unwrap_or(latest);
    database.commit(change).await?;
    Ok((latest, added))
}

/// Gives the feed another name. That counts as a change, so that followers who wait are answered.
pub(in crate::store) async fn begin_epoch(
    database: &SqlStore,
    epoch: &Epoch,
    event: &ChangeEvent,
) -> Result<Cursor, StoreError> {
    let change = database.begin_change(ChangeLock::Keys).await?;
    begin_epoch_in(database, change, epoch, event).await
}

/// The same, unless the feed has another name than that already. `None` if it has.
pub(in crate::store) async fn begin_epoch_after(
    database: &SqlStore,
    before: &Epoch,
    epoch: &Epoch,
    event: &ChangeEvent,
) -> Result<Option<Cursor>, StoreError> {
    let mut change = database.begin_change(ChangeLock::Keys).await?;
    let present: String = change.fetch_one(Query::new("select epoch from feed_state")).await?.scalar()?;
    if present != before.as_str() {
        return Ok(None);
    }
    begin_epoch_in(database, change, epoch, event).await.map(Some)
}

async fn begin_epoch_in(
    database: &SqlStore,
    mut change: Transaction,
    epoch: &Epoch,
    event: &ChangeEvent,
) -> Result<Cursor, StoreError> {
    change.execute(Query::new("update feed_state set epoch = ?").bind(epoch.as_str())).await?;
    // A store that was restored has forgotten the edges that came since it was copied.
    begin_knowing_edges(&mut change, event.at).await?;
    let latest = take_seqs(&mut change, 1, 0).await?;
    write_event(&mut change, event).await?;
    database.commit(change).await?;
    cursor(latest)
}

impl Import {
    /// Adds an entry, unless one of its name is there.
    pub(in crate::store) async fn add(&mut self, entry: &Entry) -> Result<Added, StoreError> {
        let mut statement = match entry {
            Entry::ApiKey(key) => return self.add_key(key),
            Entry::OpaqueKeyPepper(pepper) => {
                settle(&mut self.change, pepper).await?;
                return Ok(Added::Yes);
            }
            Entry::ApplicationPrivilege(privilege) => insert_application_privilege(privilege)?,
            Entry::ReservedUser(username, user) => insert_reserved_user(username, user),
            Entry::Role(name, role) => Query::new("insert into native_role (name, descriptor) values (?, ?)")
                .bind(name)
                .bind(json_text(role)?),
            Entry::User(user) => insert_user(user)?,
        };
        statement.push(" on conflict do nothing");
        let rows = self.change.execute(statement).await?;
        if let (1.., Entry::ApplicationPrivilege(privilege)) = (rows, entry) {
            self.applications.insert(privilege.application.clone());
        }
        Ok(if rows > 0 { Added::Yes } else { Added::AlreadyThere })
    }

    /// Whether so many keys wait that they should be written.
    pub(in crate::store) fn is_due(&self) -> bool {
        self.waiting.len() >= ENTRIES_IMPORTED_AT_ONCE_MAX
            || self.statement.values_len() >= ENTRIES_IMPORTED_LEN_MAX
    }

    /// Writes the keys that wait, and their event.
    pub(in crate::store) async fn write_keys<E>(
        &mut self,
        when_there: WhenThere,
    ) -> Result<(), ImportError<E>> {
        let waiting = mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return Ok(());
        }
        let mut statement = mem::replace(&mut self.statement, Query::new(INSERT_KEYS));
        statement.push(" on conflict (id) do nothing returning id");
        let rows = self.change.fetch_all(statement).await?;
        let mut added = rows.iter().map(Row::key_id).collect::<Result<HashSet<KeyId>, _>>()?;
        self.event.key_ids.clear();
        let mut used = Vec::new();
        for WaitingKey { id, lives, usage } in waiting {
            if added.remove(&id) {
                self.added += 1;
                self.live += i64::from(lives);
                if !usage.is_empty() {
                    used.push((id.clone(), usage));
                }
                self.event.key_ids.push(id);
            } else if when_there == WhenThere::Refuse {
                return Err(ImportError::AlreadyThere(name_of_key(&id)));
            }
        }
        write_imported(&mut self.change, &used).await?;
        if !self.event.key_ids.is_empty() {
            write_event(&mut self.change, &self.event).await?;
        }
        Ok(())
    }

    pub(in crate::store) async fn write_directory_event(
        &mut self,
        event: &DirectoryEvent,
    ) -> Result<(), StoreError> {
        write_directory_event(&mut self.change, event).await
    }

    pub(in crate::store) async fn rows_in(&mut self, table: &'static str) -> Result<i64, StoreError> {
        rows_in(&mut self.change, table).await
    }

    fn add_key(&mut self, key: &StoredKey) -> Result<Added, StoreError> {
        if matches!(self.change, Transaction::Postgres(_)) && holds_nul(key) {
            return Err(StoreError::NulInText);
        }
        self.seq += 1;
        if !self.waiting.is_empty() {
            self.statement.push(", ");
        }
        self.statement.push_values(key_values(key, self.seq)?);
        let (id, lives, usage) = (key.id.clone(), key.invalidation.is_none(), key.usage.clone());
        self.waiting.push(WaitingKey { id, lives, usage });
        Ok(Added::Later)
    }
}

/// Whether PostgreSQL could not keep it. In JSON the character is escaped.
fn holds_nul(StoredKey { name, owner, .. }: &StoredKey) -> bool {
    let optional = [&owner.realm_type, &owner.full_name, &owner.email];
    let mut texts = [name, &owner.username, &owner.realm].into_iter().chain(optional.into_iter().flatten());
    texts.any(|text| text.contains('\0'))
}

fn insert_user(user: &NativeUser) -> Result<Query, StoreError> {
    let NativeUser { username, password, suspended_realm, profile } = user;
    let insert =
        "insert into native_user (username, password_hash, roles, full_name, email, metadata, enabled, suspended_realm)
         values (?, ?, ?, ?, ?, ?, ?, ?)";
    Ok(Query::new(insert)
        .bind(username)
        .bind(password.as_ref().map(ToString::to_string))
        .bind(json_text(&profile.roles)?)
        .bind(&profile.full_name)
        .bind(&profile.email)
        .bind(json_text(&profile.metadata)?)
        .bind(profile.enabled)
        .bind(suspended_realm))
}

fn insert_reserved_user(username: &String, user: &ReservedUser) -> Query {
    Query::new("insert into reserved_user (username, password_hash, enabled) values (?, ?, ?)")
        .bind(username)
        .bind(user.password.as_ref().map(ToString::to_string))
        .bind(user.enabled)
}
