//! The tables of users, roles and application privileges.

pub(super) mod users;

use std::collections::BTreeMap;

use crate::audit::directory::DirectoryEvent;
use crate::limits::{APPLICATION_PRIVILEGES_MAX, NATIVE_ROLES_MAX};
use crate::security::application_privilege::ApplicationPrivilege;
use crate::security::role_descriptor::{RoleDescriptor, RoleDescriptors};
use crate::store::StoreError;
use crate::store::directory::{PrivilegeFilter, Recorded, Written};
use crate::store::sql::query::Query;
use crate::store::sql::row::{Row, json_text, millis};
use crate::store::sql::transaction::Transaction;
use crate::store::sql::{SqlStore, Turn};

/// What a change came to, and what was done if it changed something.
type Change<T> = Result<(T, Option<Recorded>), StoreError>;

impl SqlStore {
    pub(in crate::store) async fn native_roles(
        &self,
        names: Option<&[String]>,
    ) -> Result<RoleDescriptors, StoreError> {
        let mut query = Query::new("select name, descriptor from native_role");
        if let Some(names) = names {
            query.push(" where name ").push_in_texts(names)?;
        }
        let rows = self.fetch_all(query).await?;
        rows.iter().map(|row| Ok((row.get("name")?, row.json("descriptor")?))).collect()
    }

    pub(in crate::store) async fn put_role(
        &self,
        name: &str,
        role: &RoleDescriptor,
        event: DirectoryEvent,
    ) -> Change<Written> {
        let mut change = self.begin_change_by(Turn::Keys, event.action.as_str(), &event.actor).await?;
        let exists = "select exists (select 1 from native_role where name = ?)";
        let exists: bool = change.fetch_one(Query::new(exists).bind(name)).await?.scalar()?;
        if !exists && rows_in(&mut change, "native_role").await? >= NATIVE_ROLES_MAX {
            return Ok((Written::Full, None));
        }
        let statement = Query::new(
            "insert into native_role (name, descriptor) values (?, ?)
             on conflict (name) do update set descriptor = excluded.descriptor",
        );
        change.execute(statement.bind(name).bind(json_text(role)?)).await?;
        let written = if exists { Written::Updated } else { Written::Created };
        Ok((written, Some(commit(change, event).await?)))
    }

    pub(in crate::store) async fn delete_role(&self, name: &str, event: DirectoryEvent) -> Change<bool> {
        self.delete_one("delete from native_role where name = ?", name, event).await
    }

    pub(in crate::store) async fn application_privileges(
        &self,
        filter: &PrivilegeFilter,
    ) -> Result<Vec<ApplicationPrivilege>, StoreError> {
        let mut query =
            Query::new("select application, name, actions, metadata from application_privilege where true");
        if let Some(applications) = &filter.applications {
            query.push(" and application ").push_in_texts(applications)?;
        }
        if let Some(names) = &filter.names {
            query.push(" and name ").push_in_texts(names)?;
        }
        query.push(" order by application, name");
        self.fetch_all(query).await?.iter().map(application_privilege).collect()
    }

    pub(in crate::store) async fn put_application_privileges(
        &self,
        privileges: &[ApplicationPrivilege],
        event: DirectoryEvent,
    ) -> Change<Option<Vec<bool>>> {
        let mut change = self.begin_change_by(Turn::Keys, event.action.as_str(), &event.actor).await?;
        let mut created = Vec::new();
        for privilege in privileges {
            created.push(put_application_privilege(&mut change, privilege).await?);
        }
        if rows_in(&mut change, "application_privilege").await? > APPLICATION_PRIVILEGES_MAX {
            return Ok((None, None));
        }
        Ok((Some(created), Some(commit(change, event).await?)))
    }

    pub(in crate::store) async fn delete_application_privileges(
        &self,
        application: &str,
        names: Vec<String>,
        event: DirectoryEvent,
    ) -> Change<BTreeMap<String, bool>> {
        let mut change = self.begin_change_by(Turn::Keys, event.action.as_str(), &event.actor).await?;
        let mut found = BTreeMap::new();
        for name in names {
            let removed = Query::new("delete from application_privilege where application = ? and name = ?");
            let removed = change.execute(removed.bind(application).bind(&name)).await?;
            found.entry(name).and_modify(|before| *before |= removed > 0).or_insert(removed > 0);
        }
        let (_, done) = commit_if(found.values().any(|found| *found), change, event).await?;
        Ok((found, done))
    }

    async fn delete_one(&self, statement: &'static str, name: &str, event: DirectoryEvent) -> Change<bool> {
        let mut change = self.begin_change_by(Turn::Keys, event.action.as_str(), &event.actor).await?;
        let removed = change.execute(Query::new(statement).bind(name)).await?;
        commit_if(removed > 0, change, event).await
    }
}

/// Writes one privilege, and tells whether it is new.
async fn put_application_privilege(
    change: &mut Transaction,
    privilege: &ApplicationPrivilege,
) -> Result<bool, StoreError> {
    let exists =
        Query::new("select exists (select 1 from application_privilege where application = ? and name = ?)")
            .bind(&privilege.application)
            .bind(&privilege.name);
    let exists: bool = change.fetch_one(exists).await?.scalar()?;
    let mut statement = insert_application_privilege(privilege)?;
    statement.push(
        " on conflict (application, name) do update
            set actions = excluded.actions, metadata = excluded.metadata",
    );
    change.execute(statement).await?;
    Ok(!exists)
}

pub(super) fn insert_application_privilege(privilege: &ApplicationPrivilege) -> Result<Query, StoreError> {
    Ok(Query::new(
        "insert into application_privilege (application, name, actions, metadata) values (?, ?, ?, ?)",
    )
    .bind(&privilege.application)
    .bind(&privilege.name)
    .bind(json_text(&privilege.actions)?)
    .bind(json_text(&privilege.metadata)?))
}

async fn commit_if(changed: bool, change: Transaction, event: DirectoryEvent) -> Change<bool> {
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
           (actor_username, actor_realm, actor_api_key, actor_run_as, source_address, at, action, key_ids, subjects)
         values (?, ?, ?, ?, ?, ?, ?, '[]', ?)",
    )
    .bind_actor(&event.actor)
    .bind(millis(event.at))
    .bind(event.action.as_str())
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
