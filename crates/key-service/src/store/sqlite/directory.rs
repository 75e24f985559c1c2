//! The tables of users, roles and application privileges.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite, Transaction};

use crate::audit::directory::DirectoryEvent;
use crate::limits::{APPLICATION_PRIVILEGES_MAX, NATIVE_ROLES_MAX, NATIVE_USERS_MAX};
use crate::security::application_privilege::ApplicationPrivilege;
use crate::security::password::PasswordHash;
use crate::security::role_descriptor::{RoleDescriptor, RoleDescriptors};
use crate::store::StoreError;
use crate::store::directory::{NativeUser, PrivilegeFilter, ReservedUser, UserKind, UserProfile, Written};
use crate::store::sqlite::rows::{json, json_text, millis};
use crate::store::sqlite::{SqliteStore, actor_columns};

/// What a change came to, and its event if it changed something.
type Change<T> = Result<(T, Option<DirectoryEvent>), StoreError>;

impl SqliteStore {
    pub(in crate::store) async fn native_user(
        &self,
        username: &str,
    ) -> Result<Option<NativeUser>, StoreError> {
        let row = sqlx::query("select * from native_user where username = ?")
            .bind(username)
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(native_user).transpose()
    }

    pub(in crate::store) async fn native_users(
        &self,
        names: Option<&[String]>,
    ) -> Result<Vec<NativeUser>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new("select * from native_user");
        if let Some(names) = names {
            query.push(" where username in (select value from json_each(").push_bind(json_text(&names)?);
            query.push("))");
        }
        let rows = query.push(" order by username").build().fetch_all(&self.readers).await?;
        rows.iter().map(native_user).collect()
    }

    pub(in crate::store) async fn reserved_user(
        &self,
        username: &str,
    ) -> Result<Option<ReservedUser>, StoreError> {
        let row = sqlx::query("select password_hash, enabled from reserved_user where username = ?")
            .bind(username)
            .fetch_optional(&self.readers)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let password = row.try_get::<Option<&str>, _>("password_hash")?.map(password_hash).transpose()?;
        Ok(Some(ReservedUser { password, enabled: row.try_get("enabled")? }))
    }

    pub(in crate::store) async fn put_user(
        &self,
        username: &str,
        profile: &UserProfile,
        password: Option<&PasswordHash>,
        event: DirectoryEvent,
    ) -> Change<Written> {
        let mut change = self.begin_change().await?;
        let exists: bool = sqlx::query_scalar("select exists (select 1 from native_user where username = ?)")
            .bind(username)
            .fetch_one(&mut *change)
            .await?;
        if !exists && password.is_none() {
            return Ok((Written::PasswordRequired, None));
        }
        if !exists && rows_in(&mut change, "native_user").await? >= NATIVE_USERS_MAX {
            return Ok((Written::Full, None));
        }
        let statement = if exists {
            // Without a new password the old one stays.
            "update native_user set password_hash = coalesce(?1, password_hash), roles = ?2, full_name = ?3,
               email = ?4, metadata = ?5, enabled = ?6 where username = ?7"
        } else {
            "insert into native_user (password_hash, roles, full_name, email, metadata, enabled, username)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
        };
        sqlx::query(statement)
            .bind(password.map(ToString::to_string))
            .bind(json_text(&profile.roles)?)
            .bind(&profile.full_name)
            .bind(&profile.email)
            .bind(json_text(&profile.metadata)?)
            .bind(profile.enabled)
            .bind(username)
            .execute(&mut *change)
            .await?;
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
            UserKind::Native => "update native_user set password_hash = ?2 where username = ?1",
            UserKind::Reserved => {
                "insert into reserved_user (username, password_hash, enabled) values (?1, ?2, 1)
                 on conflict do update set password_hash = excluded.password_hash"
            }
        };
        let mut change = self.begin_change().await?;
        let done = sqlx::query(statement)
            .bind(username)
            .bind(password.to_string())
            .execute(&mut *change)
            .await?
            .rows_affected();
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
            UserKind::Native => "update native_user set enabled = ?2 where username = ?1",
            UserKind::Reserved => {
                "insert into reserved_user (username, password_hash, enabled) values (?1, null, ?2)
                 on conflict do update set enabled = excluded.enabled"
            }
        };
        let mut change = self.begin_change().await?;
        let done =
            sqlx::query(statement).bind(username).bind(enabled).execute(&mut *change).await?.rows_affected();
        commit_if(done > 0, change, event).await
    }

    pub(in crate::store) async fn native_roles(
        &self,
        names: Option<&[String]>,
    ) -> Result<RoleDescriptors, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new("select name, descriptor from native_role");
        if let Some(names) = names {
            query.push(" where name in (select value from json_each(").push_bind(json_text(&names)?);
            query.push("))");
        }
        let rows = query.build().fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok((row.try_get("name")?, json(row, "descriptor")?))).collect()
    }

    pub(in crate::store) async fn put_role(
        &self,
        name: &str,
        role: &RoleDescriptor,
        event: DirectoryEvent,
    ) -> Change<Written> {
        let mut change = self.begin_change().await?;
        let exists: bool = sqlx::query_scalar("select exists (select 1 from native_role where name = ?)")
            .bind(name)
            .fetch_one(&mut *change)
            .await?;
        if !exists && rows_in(&mut change, "native_role").await? >= NATIVE_ROLES_MAX {
            return Ok((Written::Full, None));
        }
        sqlx::query(
            "insert into native_role (name, descriptor) values (?, ?)
             on conflict do update set descriptor = excluded.descriptor",
        )
        .bind(name)
        .bind(json_text(role)?)
        .execute(&mut *change)
        .await?;
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
        let mut query = QueryBuilder::<Sqlite>::new(
            "select application, name, actions, metadata from application_privilege where true",
        );
        if let Some(applications) = &filter.applications {
            query.push(" and application in (select value from json_each(");
            query.push_bind(json_text(applications)?).push("))");
        }
        if let Some(names) = &filter.names {
            query.push(" and name in (select value from json_each(").push_bind(json_text(names)?).push("))");
        }
        query.push(" order by application, name");
        let rows = query.build().fetch_all(&self.readers).await?;
        rows.iter().map(application_privilege).collect()
    }

    pub(in crate::store) async fn put_application_privileges(
        &self,
        privileges: &[ApplicationPrivilege],
        event: DirectoryEvent,
    ) -> Change<Option<Vec<bool>>> {
        let mut change = self.begin_change().await?;
        let mut created = Vec::new();
        for privilege in privileges {
            let exists: bool = sqlx::query_scalar(
                "select exists (select 1 from application_privilege where application = ? and name = ?)",
            )
            .bind(&privilege.application)
            .bind(&privilege.name)
            .fetch_one(&mut *change)
            .await?;
            created.push(!exists);
            sqlx::query(
                "insert into application_privilege (application, name, actions, metadata) values (?, ?, ?, ?)
                 on conflict do update set actions = excluded.actions, metadata = excluded.metadata",
            )
            .bind(&privilege.application)
            .bind(&privilege.name)
            .bind(json_text(&privilege.actions)?)
            .bind(json_text(&privilege.metadata)?)
            .execute(&mut *change)
            .await?;
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
        let mut change = self.begin_change().await?;
        let mut found = BTreeMap::new();
        for name in names {
            let removed = sqlx::query("delete from application_privilege where application = ? and name = ?")
                .bind(application)
                .bind(&name)
                .execute(&mut *change)
                .await?
                .rows_affected();
            found.entry(name).and_modify(|before| *before |= removed > 0).or_insert(removed > 0);
        }
        let (_, event) = commit_if(found.values().any(|found| *found), change, event).await?;
        Ok((found, event))
    }

    async fn delete_one(&self, statement: &'static str, name: &str, event: DirectoryEvent) -> Change<bool> {
        let mut change = self.begin_change().await?;
        let removed = sqlx::query(statement).bind(name).execute(&mut *change).await?.rows_affected();
        commit_if(removed > 0, change, event).await
    }
}

async fn commit_if(
    changed: bool,
    change: Transaction<'static, Sqlite>,
    event: DirectoryEvent,
) -> Change<bool> {
    let event = if changed { Some(commit(change, event).await?) } else { None };
    Ok((changed, event))
}

/// Writes the event and makes both durable.
async fn commit(
    mut change: Transaction<'static, Sqlite>,
    event: DirectoryEvent,
) -> Result<DirectoryEvent, StoreError> {
    let actor = actor_columns(&event.actor);
    sqlx::query(
        "insert into audit_event
           (at, action, actor_username, actor_realm, actor_api_key, actor_run_as, source_address, key_ids, subjects)
         values (?, ?, ?, ?, ?, ?, ?, '[]', ?)",
    )
    .bind(millis(event.at))
    .bind(event.action.as_str())
    .bind(actor.username)
    .bind(actor.realm)
    .bind(actor.api_key)
    .bind(actor.run_as)
    .bind(actor.source)
    .bind(json_text(&event.subjects)?)
    .execute(&mut *change)
    .await?;
    change.commit().await?;
    Ok(event)
}

/// How many rows a table of the directory has.
async fn rows_in(change: &mut Transaction<'static, Sqlite>, table: &'static str) -> Result<i64, StoreError> {
    let mut query = QueryBuilder::<Sqlite>::new("select count(*) from ");
    Ok(query.push(table).build_query_scalar().fetch_one(&mut **change).await?)
}

fn native_user(row: &SqliteRow) -> Result<NativeUser, StoreError> {
    Ok(NativeUser {
        username: row.try_get("username")?,
        password: password_hash(row.try_get("password_hash")?)?,
        profile: UserProfile {
            roles: json(row, "roles")?,
            full_name: row.try_get("full_name")?,
            email: row.try_get("email")?,
            metadata: json(row, "metadata")?,
            enabled: row.try_get("enabled")?,
        },
    })
}

fn password_hash(stored: &str) -> Result<PasswordHash, StoreError> {
    PasswordHash::try_from(stored).map_err(|_| StoreError::Corrupt("password hash"))
}

fn application_privilege(row: &SqliteRow) -> Result<ApplicationPrivilege, StoreError> {
    Ok(ApplicationPrivilege {
        application: row.try_get("application")?,
        name: row.try_get("name")?,
        actions: json(row, "actions")?,
        metadata: json(row, "metadata")?,
    })
}
