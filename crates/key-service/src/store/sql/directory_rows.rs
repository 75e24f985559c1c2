//! The tables of users, roles and application privileges.

mod owned_keys;
pub(in crate::store) mod suspension;
pub(in crate::store) mod users;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use latchkey_privileges::application_privilege::ApplicationPrivilege;
use latchkey_privileges::role_descriptor::{RoleDescriptor, RoleDescriptors};

use crate::audit::directory_events::DirectoryEvent;
use crate::limits::work_limits::LONG_TEXTS_LEN;
use crate::limits::{APPLICATION_PRIVILEGES_MAX, NATIVE_ROLES_MAX};
use crate::store::StoreError;
use crate::store::directory::{PutPrivileges, Recorded, Written};
use crate::store::sql::bulk_insert::upsert_rows;
use crate::store::sql::precondition_check::begin_change_by;
use crate::store::sql::query::{Parameter, Query};
use crate::store::sql::row::{Row, json_text, millis};
use crate::store::sql::transaction::Transaction;
use crate::store::sql::{ChangeLock, SqlStore, application_rows};

/// The outcome of a change, and its event if it changed something.
type DirectoryChange<T> = Result<(T, Option<Recorded>), StoreError>;

/// Roles as the database has them: what is JSON in them is still text.
#[derive(derive_more::Debug)]
#[debug("UnreadRoles")]
pub struct UnreadRoles {
    rows: Vec<Row>,
    len: usize,
}

impl UnreadRoles {
    /// The bytes of their texts.
    #[must_use]
    pub fn texts_len(&self) -> usize {
        self.len
    }

    /// Reads them, which takes as long as they are.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when one is not readable.
    pub fn read(self) -> Result<RoleDescriptors, StoreError> {
        read_roles(&self.rows)
    }
}

fn read_roles(rows: &[Row]) -> Result<RoleDescriptors, StoreError> {
    rows.iter().map(|row| Ok((row.get("name")?, row.json("descriptor")?))).collect()
}

pub(in crate::store) async fn native_roles(
    database: &SqlStore,
    names: &[String],
) -> Result<Option<RoleDescriptors>, StoreError> {
    let mut query = Query::new(
        "select name, case when (select sum(octet_length(descriptor)) from native_role where name ",
    );
    query.push_in_texts(names)?.push(") < ").push_bind(LONG_TEXTS_LEN as i64);
    query.push(" then descriptor end as descriptor from native_role where name ").push_in_texts(names)?;
    let rows = database.fetch_all(query).await?;
    for row in &rows {
        if row.get::<Option<&str>>("descriptor")?.is_none() {
            return Ok(None);
        }
    }
    read_roles(&rows).map(Some)
}

pub(in crate::store) async fn unread_roles(
    database: &SqlStore,
    names: &[String],
) -> Result<UnreadRoles, StoreError> {
    let mut query = Query::new("select name, descriptor from native_role where name ");
    query.push_in_texts(names)?;
    let rows = database.fetch_all(query).await?;
    let mut len = 0;
    for row in &rows {
        len += row.texts_len(&["descriptor"])?;
    }
    Ok(UnreadRoles { rows, len })
}

pub(in crate::store) async fn put_role(
    database: &SqlStore,
    name: &str,
    role: &RoleDescriptor,
    event: DirectoryEvent,
) -> DirectoryChange<Option<Written>> {
    let mut change =
        begin_change_by(database, ChangeLock::Keys, event.action.into(), &event.actor, event.at).await?;
    let exists = "select exists (select 1 from native_role where name = ?)";
    let exists: bool = change.fetch_one(Query::new(exists).bind(name)).await?.scalar()?;
    if !exists && rows_in(&mut change, "native_role").await? >= NATIVE_ROLES_MAX {
        return Ok((None, None));
    }
    let statement = Query::new(
        "insert into native_role (name, descriptor) values (?, ?)
         on conflict (name) do update set descriptor = excluded.descriptor",
    );
    change.execute(statement.bind(name).bind(json_text(role)?)).await?;
    let written = if exists { Written::Updated } else { Written::Created };
    Ok((Some(written), Some(commit(change, event).await?)))
}

pub(in crate::store) async fn delete_role(
    database: &SqlStore,
    name: &str,
    event: DirectoryEvent,
) -> DirectoryChange<bool> {
    delete_one(database, "delete from native_role where name = ?", name, event).await
}

pub(in crate::store) async fn put_application_privileges(
    database: &SqlStore,
    privileges: &[ApplicationPrivilege],
    event: DirectoryEvent,
) -> DirectoryChange<PutPrivileges> {
    // All that can be made ready before is, because others wait for the change.
    let latest: BTreeMap<PrivilegeName, &ApplicationPrivilege> =
        privileges.iter().map(|privilege| (name_of(privilege), privilege)).collect();
    let rows = latest.values().map(|privilege| privilege_values(privilege)).collect::<Result<_, _>>()?;
    let mut change =
        begin_change_by(database, ChangeLock::Keys, event.action.into(), &event.actor, event.at).await?;
    let mut known = known_beside(&mut change, &latest).await?;
    let new = i64::try_from(latest.keys().filter(|name| !known.contains(*name)).count());
    let before = rows_in(&mut change, "application_privilege").await?;
    if before.saturating_add(new.unwrap_or(i64::MAX)) > APPLICATION_PRIVILEGES_MAX {
        return Ok((PutPrivileges::TooMany, None));
    }
    let conflict = " on conflict (application, name) do update
        set actions = excluded.actions, metadata = excluded.metadata";
    upsert_rows(&mut change, INSERT_PRIVILEGES, rows, conflict).await?;
    let applications = latest.keys().map(|(application, _)| application.clone()).collect();
    if let Some(too_long) = application_rows::too_long_of(&mut change, &applications).await? {
        return Ok((PutPrivileges::TooLong(too_long), None));
    }
    let created = privileges.iter().map(|privilege| known.insert(name_of(privilege))).collect();
    let done = commit_applications(database, change, &applications, event).await?;
    Ok((PutPrivileges::Done(created), Some(done)))
}

pub(in crate::store) async fn delete_application_privileges(
    database: &SqlStore,
    application: &str,
    names: Vec<String>,
    event: DirectoryEvent,
) -> DirectoryChange<BTreeMap<String, bool>> {
    // No privilege has a name with a NUL, which PostgreSQL would refuse.
    let stored: Vec<String> = names.iter().filter(|name| !name.contains('\0')).cloned().collect();
    let mut removal = Query::new("delete from application_privilege where application = ?").bind(application);
    removal.push(" and name ").push_in_texts(&stored)?.push(" returning name");
    let mut change =
        begin_change_by(database, ChangeLock::Keys, event.action.into(), &event.actor, event.at).await?;
    let removed = change.fetch_all(removal).await?;
    let removed: HashSet<String> =
        removed.iter().map(|row| row.get("name")).collect::<Result<_, StoreError>>()?;
    let found: BTreeMap<String, bool> =
        names.into_iter().map(|name| (name.clone(), removed.contains(&name))).collect();
    if removed.is_empty() {
        return Ok((found, None));
    }
    let applications = BTreeSet::from([application.to_owned()]);
    let done = commit_applications(database, change, &applications, event).await?;
    Ok((found, Some(done)))
}

/// Makes a change of what these applications have registered durable, as a change of the feed.
async fn commit_applications(
    database: &SqlStore,
    mut change: Transaction,
    applications: &BTreeSet<String>,
    event: DirectoryEvent,
) -> Result<Recorded, StoreError> {
    let cursor = application_rows::note_changes(&mut change, applications).await?;
    write_directory_event(&mut change, &event).await?;
    database.commit(change).await?;
    Ok(Recorded { applications: cursor, ..event.into() })
}

async fn delete_one(
    database: &SqlStore,
    statement: &'static str,
    name: &str,
    event: DirectoryEvent,
) -> DirectoryChange<bool> {
    let mut change =
        begin_change_by(database, ChangeLock::Keys, event.action.into(), &event.actor, event.at).await?;
    let removed = change.execute(Query::new(statement).bind(name)).await?;
    commit_if(removed > 0, change, event).await
}

/// The application of a privilege, and its name.
type PrivilegeName = (String, String);

fn name_of(privilege: &ApplicationPrivilege) -> PrivilegeName {
    (privilege.application.clone(), privilege.name.clone())
}

/// The privileges of these applications that are there.
async fn known_beside(
    change: &mut Transaction,
    privileges: &BTreeMap<PrivilegeName, &ApplicationPrivilege>,
) -> Result<HashSet<PrivilegeName>, StoreError> {
    let mut applications: Vec<String> =
        privileges.keys().map(|(application, _)| application.clone()).collect();
    applications.dedup();
    let mut query = Query::new("select application, name from application_privilege where application ");
    query.push_in_texts(&applications)?;
    let rows = change.fetch_all(query).await?;
    rows.iter().map(|row| Ok((row.get("application")?, row.get("name")?))).collect()
}

/// The beginning of a statement that adds privileges.
const INSERT_PRIVILEGES: &str =
    "insert into application_privilege (application, name, actions, metadata) values ";

/// The values of one privilege, in the order of [`INSERT_PRIVILEGES`].
fn privilege_values(privilege: &ApplicationPrivilege) -> Result<[Parameter; 4], StoreError> {
    Ok([
        (&privilege.application).into(),
        (&privilege.name).into(),
        json_text(&privilege.actions)?.into(),
        json_text(&privilege.metadata)?.into(),
    ])
}

pub(super) fn insert_application_privilege(privilege: &ApplicationPrivilege) -> Result<Query, StoreError> {
    let mut statement = Query::new(INSERT_PRIVILEGES);
    statement.push_values(privilege_values(privilege)?);
    Ok(statement)
}

async fn commit_if(changed: bool, change: Transaction, event: DirectoryEvent) -> DirectoryChange<bool> {
    let done = if changed { Some(commit(change, event).await?) } else { None };
    Ok((changed, done))
}

/// Writes the event and makes both durable.
async fn commit(mut change: Transaction, event: DirectoryEvent) -> Result<Recorded, StoreError> {
    write_directory_event(&mut change, &event).await?;
    change.commit().await?;
    Ok(event.into())
}

pub(super) async fn write_directory_event(
    change: &mut Transaction,
    event: &DirectoryEvent,
) -> Result<(), StoreError> {
    let statement = Query::new(
        "insert into audit_event
           (actor_username, actor_realm, actor_api_key, actor_run_as, source_address, actor_via, at, action, key_ids,
            subjects)
         values (?, ?, ?, ?, ?, ?, ?, ?, '[]', ?)",
    )
    .bind_actor(&event.actor)
    .bind(millis(event.at))
    .bind(<&'static str>::from(event.action))
    .bind(json_text(&event.subjects)?);
    change.execute(statement).await.map(|_| ())
}

/// How many rows a table of the directory has.
pub(super) async fn rows_in(change: &mut Transaction, table: &'static str) -> Result<i64, StoreError> {
    let mut query = Query::new("select count(*) from ");
    query.push(table);
    change.fetch_one(query).await?.scalar()
}

pub(super) fn application_privilege(row: &Row) -> Result<ApplicationPrivilege, StoreError> {
    Ok(ApplicationPrivilege {
        application: row.get("application")?,
        name: row.get("name")?,
        actions: row.json("actions")?,
        metadata: row.json("metadata")?,
    })
}
