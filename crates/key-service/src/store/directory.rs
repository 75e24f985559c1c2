//! Users, roles and application privileges that are managed over the REST interface.
//!
//! Together they are called the directory. As with keys, a change is one transaction with its audit event. Whoever
//! authenticates or authorizes reads the directory anew, so that a change counts from the next request on.

use std::collections::BTreeMap;

use latchkey_key_feed::UnixMillis;
use serde_json::{Map, Value};
use tracing::Instrument as _;

use crate::audit::Actor;
use crate::audit::directory::{self, DirectoryAction, DirectoryEvent};
use crate::security::application_privilege::ApplicationPrivilege;
use crate::security::password::PasswordHash;
use crate::security::role_descriptor::{RoleDescriptor, RoleDescriptors};
use crate::store::sql::SqlStore;
use crate::store::{KeyStore, StoreError};
use crate::telemetry;

/// A user of the native realm, as stored.
#[derive(Clone, Debug)]
pub struct NativeUser {
    /// The name within the realm.
    pub username: String,
    /// What is kept of the password.
    pub password: PasswordHash,
    /// What else is known.
    pub profile: UserProfile,
}

/// What is known of a native user besides name and password.
#[derive(Clone, Debug, PartialEq)]
pub struct UserProfile {
    /// The names of the roles.
    pub roles: Vec<String>,
    /// The full name, if there is one.
    pub full_name: Option<String>,
    /// The email address, if there is one.
    pub email: Option<String>,
    /// Whatever was attached to the user.
    pub metadata: Map<String, Value>,
    /// Whether the user is let in.
    pub enabled: bool,
}

/// What was changed of a user who belongs to the service itself.
#[derive(Clone, Debug)]
pub struct ReservedUser {
    /// The password, when it was changed.
    pub password: Option<PasswordHash>,
    /// Whether the user is let in.
    pub enabled: bool,
}

/// Which of the two kinds of users a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserKind {
    /// Of the native realm. Changing one who does not exist changes nothing.
    Native,
    /// Belongs to the service, so always exists.
    Reserved,
}

/// What came of writing an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// There was none of this name.
    Created,
    /// There was one, which was replaced.
    Updated,
    /// There was none, and there are as many as there may be. Nothing was written.
    Full,
    /// There was none, and a user cannot be made without a password. Nothing was written.
    PasswordRequired,
}

/// Which application privileges are meant: those that pass every condition that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrivilegeFilter {
    /// Of one of these applications.
    pub applications: Option<Vec<String>>,
    /// With one of these names.
    pub names: Option<Vec<String>>,
}

impl KeyStore {
    /// The native user with this name.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn native_user(&self, username: &str) -> Result<Option<NativeUser>, StoreError> {
        self.database.native_user(username).await
    }

    /// The native users with these names, or all of them, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn native_users(&self, names: Option<&[String]>) -> Result<Vec<NativeUser>, StoreError> {
        self.database.native_users(names).await
    }

    /// What was changed of a user who belongs to the service; `None` while nothing was.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn reserved_user(&self, username: &str) -> Result<Option<ReservedUser>, StoreError> {
        self.database.reserved_user(username).await
    }

    /// Makes a native user, or replaces all of one but, without a `password`, the password.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing was written.
    pub async fn put_user(
        &self,
        username: String,
        profile: UserProfile,
        password: Option<PasswordHash>,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<Written, StoreError> {
        let event = event(DirectoryAction::PutUser, vec![username.clone()], actor, now);
        self.write(event, move |database, event| async move {
            database.put_user(&username, &profile, password.as_ref(), event).await
        })
        .await
    }

    /// Removes a native user, and tells whether there was one.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing was removed.
    pub async fn delete_user(
        &self,
        username: String,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let event = event(DirectoryAction::DeleteUser, vec![username.clone()], actor, now);
        self.write(event, move |database, event| async move { database.delete_user(&username, event).await })
            .await
    }

    /// Gives a user another password, and tells whether there is such a user.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing was changed.
    pub async fn change_password(
        &self,
        username: String,
        kind: UserKind,
        password: PasswordHash,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let event = event(DirectoryAction::ChangePassword, vec![username.clone()], actor, now);
        self.write(event, move |database, event| async move {
            database.change_password(&username, kind, &password, event).await
        })
        .await
    }

    /// Lets a user in from now on, or no longer, and tells whether there is such a user.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing was changed.
    pub async fn set_enabled(
        &self,
        username: String,
        kind: UserKind,
        enabled: bool,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let action = if enabled { DirectoryAction::EnableUser } else { DirectoryAction::DisableUser };
        let event = event(action, vec![username.clone()], actor, now);
        self.write(event, move |database, event| async move {
            database.set_enabled(&username, kind, enabled, event).await
        })
        .await
    }

    /// Forgets what was changed of a user who belongs to the service.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing was forgotten.
    pub async fn reset_reserved_user(
        &self,
        username: String,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let event = event(DirectoryAction::ResetUser, vec![username.clone()], actor, now);
        self.write(event, move |database, event| async move {
            database.reset_reserved_user(&username, event).await
        })
        .await
    }

    /// The native roles with these names, or all of them, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn native_roles(&self, names: Option<&[String]>) -> Result<RoleDescriptors, StoreError> {
        self.database.native_roles(names).await
    }

    /// Makes a role, or replaces one.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing was written.
    pub async fn put_role(
        &self,
        name: String,
        role: RoleDescriptor,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<Written, StoreError> {
        let event = event(DirectoryAction::PutRole, vec![name.clone()], actor, now);
        self.write(event, move |database, event| async move { database.put_role(&name, &role, event).await })
            .await
    }

    /// Removes a role, and tells whether there was one.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing was removed.
    pub async fn delete_role(&self, name: String, actor: Actor, now: UnixMillis) -> Result<bool, StoreError> {
        let event = event(DirectoryAction::DeleteRole, vec![name.clone()], actor, now);
        self.write(event, move |database, event| async move { database.delete_role(&name, event).await })
            .await
    }

    /// The application privileges that pass the filter, in the order of application and name.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn application_privileges(
        &self,
        filter: &PrivilegeFilter,
    ) -> Result<Vec<ApplicationPrivilege>, StoreError> {
        self.database.application_privileges(filter).await
    }

    /// Makes or replaces application privileges, all or none, and tells of each whether it is new. `None` when there would
    /// be more than there may be.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing was written.
    pub async fn put_application_privileges(
        &self,
        privileges: Vec<ApplicationPrivilege>,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<Option<Vec<bool>>, StoreError> {
        let names = privileges.iter().map(ApplicationPrivilege::to_string).collect();
        let event = event(DirectoryAction::PutPrivileges, names, actor, now);
        self.write(event, move |database, event| async move {
            database.put_application_privileges(&privileges, event).await
        })
        .await
    }

    /// Removes privileges of an application, all that are there, and tells of each name whether it was.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing was removed.
    pub async fn delete_application_privileges(
        &self,
        application: String,
        names: Vec<String>,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<BTreeMap<String, bool>, StoreError> {
        let subjects = names.iter().map(|name| format!("{application}:{name}")).collect();
        let event = event(DirectoryAction::DeletePrivileges, subjects, actor, now);
        self.write(event, move |database, event| async move {
            database.delete_application_privileges(&application, names, event).await
        })
        .await
    }

    /// Runs a change to its end in a task of its own, and writes it to the log once it is durable. The verb gives the
    /// event back when it changed something.
    async fn write<T, F, Fut>(&self, event: DirectoryEvent, verb: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(SqlStore, DirectoryEvent) -> Fut,
        Fut: Future<Output = Result<(T, Option<DirectoryEvent>), StoreError>> + Send + 'static,
    {
        let store = self.clone();
        let verb = verb(self.database.clone(), event);
        let change = async move {
            let done = verb.await;
            store.health.note(&done);
            let (outcome, changed) = done?;
            if let Some(event) = changed {
                directory::record_change(&event);
                telemetry::directory_changed(event.action);
            }
            Ok(outcome)
        };
        tokio::spawn(change.in_current_span()).await.map_err(|error| StoreError::Unavailable(error.into()))?
    }
}

fn event(action: DirectoryAction, subjects: Vec<String>, actor: Actor, at: UnixMillis) -> DirectoryEvent {
    DirectoryEvent { at, action, actor, subjects }
}
