//! The tables of users, roles and application privileges.

use std::collections::BTreeMap;

use crate::audit::directory::DirectoryEvent;
use crate::limits::{APPLICATION_PRIVILEGES_MAX, NATIVE_ROLES_MAX, NATIVE_USERS_MAX};
use crate::security::application_privilege::ApplicationPrivilege;
use crate::security::password::PasswordHash;
use crate::security::role_descriptor::{RoleDescriptor, RoleDescriptors};
use crate::store::StoreError;
use crate::store::directory::{NativeUser, PrivilegeFilter, ReservedUser, UserKind, UserProfile, Written};
use crate::store::sql::query::Query;
use crate::store::sql::row::{Row, json_text, millis};
use crate::store::sql::transaction::Transaction;
use crate::store::sql::{SqlStore, Turn};

/// What a change came to, and its event if it changed something.
type Change<T> = Result<(T, Option<DirectoryEvent>), StoreError>;

impl SqlStore {
    pub(in crate::store) async fn native_user(
        &self,
        username: &str,
    ) -> Result<Option<NativeUser>, StoreError> {
        let query = Query::new("select * from native_user where username = ?").bind(username);
        self.fetch_optional(query).await?.as_ref().map(native_user).transpose()
    }

    pub(in crate::store) async fn native_users(
        &self,
        names: Option<&[String]>,
    ) -> Result<Vec<NativeUser>, StoreError> {
        let mut query = Query::new("select * from native_user");
        if let Some(names) = names {
            query.push(" where username ").push_in_texts(names)?;
        }
        query.push(" order by username");
        self.fetch_all(query).await?.iter().map(native_user).collect()
    }

    pub(in crate::store) async fn reserved_user(
        &self,
        username: &str,
    ) -> Result<Option<ReservedUser>, StoreError> {
        let query = Query::new("select password_hash, enabled from reserved_user where username = ?");
        self.fetch_optional(query.bind(username)).await?.as_ref().map(reserved_user).transpose()
    }

    pub(in crate::store) async fn put_user(
        &self,
        username: &str,
        profile: &UserProfile,
        password: Option<&PasswordHash>,
        event: DirectoryEvent,
    ) -> Change<Written> {
        let mut change = self.begin_change(Turn::Keys).await?;
        let exists = "select exists (select 1 from native_user where username = ?)";
        let exists: bool = change.fetch_one(Query::new(exists).bind(username)).await?.scalar()?;
        if !exists && password.is_none() {
            return Ok((Written::PasswordRequired, None));
        }
        if !exists && rows_in(&mut change, "native_user").await? >= NATIVE_USERS_MAX {
            return Ok((Written::Full, None));
        }
        let statement = if exists {
            // Without a new password the old one stays.
            "update native_user set password_hash = coalesce(?, password_hash), roles = ?, full_name = ?,
               email = ?, metadata = ?, enabled = ? where username = ?"
        } else {
            "insert into native_user (password_hash, roles, full_name, email, metadata, enabled, username)
             values (?, ?, ?, ?, ?, ?, ?)"
        };
        let statement = Query::new(statement)
            .bind(password.map(ToString::to_string))
            .bind(json_text(&profile.roles)?)
            .bind(&profile.full_name)
            .bind(&profile.email)
            .bind(json_text(&profile.metadata)?)
            .bind(profile.enabled)
            .bind(username);
        change.execute(statement).await?;
        let written = if exists { Written::Updated } else { Written::Created };
        Ok((written, Some(commit(change, event).await?)))
    }

    pub(in crate::store) async fn delete_user(&self, username: &str, event: DirectoryEvent) -> Change<bool> {
        self.delete_one("delete from native_user where username = ?", username, event).await
    }

    pub(in crate::store) async fn reset_reserved_user(
        &self,
        username: &str,
        event: DirectoryEvent,
    ) -> Change<bool> {
        self.delete_one("delete from reserved_user where username = ?", username, event).await
    }

    pub(in crate::store) async fn change_password(
        &self,
        username: &str,
        kind: UserKind,
        password: &PasswordHash,
        event: DirectoryEvent,
    ) -> Change<bool> {
        let statement = match kind {
            UserKind::Native => "update native_user set password_hash = ? where username = ?",
            UserKind::Reserved => {
                "insert into reserved_user (password_hash, username, enabled) values (?, ?, true)
                 on conflict (username) do update set password_hash = excluded.password_hash"
            }
        };
        let mut change = self.begin_change(Turn::Keys).await?;
        let statement = Query::new(statement).bind(password.to_string()).bind(username);
        let done = change.execute(statement).await?;
        commit_if(done > 0, change, event).await
    }

    pub(in crate::store) async fn set_enabled(
        &self,
        username: &str,
        kind: UserKind,
        enabled: bool,
        event: DirectoryEvent,
    ) -> Change<bool> {
        let statement = match kind {
            UserKind::Native => "update native_user set enabled = ? where username = ?",
            UserKind::Reserved => {
                "insert into reserved_user (enabled, username) values (?, ?)
                 on conflict (username) do update set enabled = excluded.enabled"
            }
        };
        let mut change = self.begin_change(Turn::Keys).await?;
        let done = change.execute(Query::new(statement).bind(enabled).bind(username)).await?;
        commit_if(done > 0, change, event).await
    }

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
        let mut change = self.begin_change(Turn::Keys).await?;
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
        let mut change = self.begin_change(Turn::Keys).await?;
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
        let mut change = self.begin_change(Turn::Keys).await?;
        let mut found = BTreeMap::new();
        for name in names {
            let removed = Query::new("delete from application_privilege where application = ? and name = ?");
            let removed = change.execute(removed.bind(application).bind(&name)).await?;
            found.entry(name).and_modify(|before| *before |= removed > 0).or_insert(removed > 0);
        }
        let (_, event) = commit_if(found.values().any(|found| *found), change, event).await?;
        Ok((found, event))
    }

    async fn delete_one(&self, statement: &'static str, name: &str, event: DirectoryEvent) -> Change<bool> {
        let mut change = self.begin_change(Turn::Keys).await?;
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
    let event = if changed { Some(commit(change, event).await?) } else { None };
    Ok((changed, event))
}

/// Writes the event and makes both durable.
async fn commit(mut change: Transaction, event: DirectoryEvent) -> Result<DirectoryEvent, StoreError> {
    write_directory_event(&mut change, &event).await?;
    change.commit().await?;
    Ok(event)
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

pub(super) fn native_user(row: &Row) -> Result<NativeUser, StoreError> {
    Ok(NativeUser {
        username: row.get("username")?,
        password: password_hash(row.get("password_hash")?)?,
        profile: UserProfile {
            roles: row.json("roles")?,
            full_name: row.get("full_name")?,
            email: row.get("email")?,
            metadata: row.json("metadata")?,
            enabled: row.get("enabled")?,
        },
    })
}

pub(super) fn reserved_user(row: &Row) -> Result<ReservedUser, StoreError> {
    let password = row.get::<Option<&str>>("password_hash")?.map(password_hash).transpose()?;
    Ok(ReservedUser { password, enabled: row.get("enabled")? })
}

fn password_hash(stored: &str) -> Result<PasswordHash, StoreError> {
    PasswordHash::try_from(stored).map_err(|_| StoreError::Corrupt("password hash"))
}

pub(super) fn application_privilege(row: &Row) -> Result<ApplicationPrivilege, StoreError> {
    Ok(ApplicationPrivilege {
        application: row.get("application")?,
        name: row.get("name")?,
        actions: row.json("actions")?,
        metadata: row.json("metadata")?,
    })
}
