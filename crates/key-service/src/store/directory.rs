//! Users, roles and application privileges that are managed over the REST interface.
//!
//! Together they are called the directory. As with keys, a change is one transaction with its audit event.
//! Each authentication and authorization reads the directory anew, so that a change counts from the next
//! request on.

pub(crate) mod users;

use std::collections::BTreeMap;

use latchkey_budget::Cancellation;
use latchkey_key_feed::{Cursor, UnixMillis};
use latchkey_privileges::application_privilege::ApplicationPrivilege;
use latchkey_privileges::role_descriptor::{RoleDescriptor, RoleDescriptors};
use tracing::Instrument as _;

use crate::audit::directory_events::{self, DirectoryAction, DirectoryEvent};
use crate::audit::token_events::TokenEvent;
use crate::audit::{self, Actor};
use crate::store::change::Committed;
use crate::store::scan::Scan;
use crate::store::sql::scan::Selection;
use crate::store::sql::{SqlStore, directory_rows};
use crate::store::{KeyStore, StoreError, tokens};
use crate::telemetry;

pub(crate) use crate::store::sql::UnreadRoles;

/// What came of writing an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// An entry of this name did not exist, and was created.
    Created,
    /// An entry of this name existed, and was replaced.
    Updated,
}

/// Which application privileges are meant: those that pass every condition that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrivilegeFilter {
    /// Of one of these applications.
    pub applications: Option<Vec<String>>,
    /// With one of these names.
    pub names: Option<Vec<String>>,
}

/// A change that is durable, with all that was done in its transaction.
#[derive(Debug)]
pub(in crate::store) struct Recorded {
    /// What was done to the directory.
    pub(in crate::store) event: DirectoryEvent,
    /// The tokens that were ended with it, if there were any.
    pub(in crate::store) tokens: Option<TokenEvent>,
    /// The keys that were ended with it, if there were any.
    pub(in crate::store) keys: Option<Committed>,
    /// Where it left the feed, if it changed what applications have registered.
    pub(in crate::store) applications: Option<Cursor>,
}

/// What came of registering application privileges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutPrivileges {
    /// They are registered. Tells of each whether it is new.
    Done(Vec<bool>),
    /// One application would have more than an edge is sent.
    TooLong(TooLong),
    /// There would be more than there may be.
    TooMany,
}

/// An application whose privileges are too long together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// Its name.
    pub application: String,
    /// Bytes of its privileges as the feed sends them.
    pub len: i64,
}

/// The roles and the application privileges of a store.
#[derive(Clone, Copy, Debug)]
pub struct Directory<'a>(pub(super) &'a KeyStore);

impl Directory<'_> {
    /// The native roles with these names; `None` when their texts are long together, and have not been read.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn native_roles(self, names: &[String]) -> Result<Option<RoleDescriptors>, StoreError> {
        directory_rows::native_roles(&self.0.database, names).await
    }

    /// The same as the database has them, however long. What is JSON in them is still text.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn unread_roles(self, names: &[String]) -> Result<UnreadRoles, StoreError> {
        directory_rows::unread_roles(&self.0.database, names).await
    }

    /// Makes a role, or replaces one. `None` when there would be more than there may be.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing was written.
    pub async fn put_role(
        self,
        name: String,
        role: RoleDescriptor,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<Option<Written>, StoreError> {
        let event = event(DirectoryAction::PutRole, vec![name.clone()], actor, now);
        write(self.0, event, move |database, event| async move {
            directory_rows::put_role(&database, &name, &role, event).await
        })
        .await
    }

    /// Removes a role, and tells whether there was one.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing was removed.
    pub async fn delete_role(self, name: String, actor: Actor, now: UnixMillis) -> Result<bool, StoreError> {
        let event = event(DirectoryAction::DeleteRole, vec![name.clone()], actor, now);
        write(self.0, event, move |database, event| async move {
            directory_rows::delete_role(&database, &name, event).await
        })
        .await
    }

    /// Makes or replaces application privileges, all or none.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing was written.
    pub async fn put_application_privileges(
        self,
        privileges: Vec<ApplicationPrivilege>,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<PutPrivileges, StoreError> {
        let names = privileges.iter().map(ApplicationPrivilege::to_string).collect();
        let event = event(DirectoryAction::PutPrivileges, names, actor, now);
        write(self.0, event, move |database, event| async move {
            directory_rows::put_application_privileges(&database, &privileges, event).await
        })
        .await
    }

    /// Removes those of these privileges of an application that exist, and tells for each name whether it
    /// existed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing was removed.
    pub async fn delete_application_privileges(
        self,
        application: String,
        names: Vec<String>,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<BTreeMap<String, bool>, StoreError> {
        let subjects = names.iter().map(|name| format!("{application}:{name}")).collect();
        let event = event(DirectoryAction::DeletePrivileges, subjects, actor, now);
        write(self.0, event, move |database, event| async move {
            directory_rows::delete_application_privileges(&database, &application, names, event).await
        })
        .await
    }

    /// The native roles with these names, or all of them, in the order of their names, until the work is
    /// cancelled that reads them.
    #[must_use]
    pub fn scan_roles(
        self,
        names: Option<&[String]>,
        cancellation: Cancellation,
    ) -> Scan<(String, RoleDescriptor)> {
        Scan::begin(self.0.database.clone(), Selection::of_roles(names), cancellation)
    }

    /// The application privileges that pass the filter, in the order of application and name, until the work
    /// is cancelled that reads them.
    #[must_use]
    pub fn scan_privileges(
        self,
        filter: &PrivilegeFilter,
        cancellation: Cancellation,
    ) -> Scan<ApplicationPrivilege> {
        Scan::begin(self.0.database.clone(), Selection::of_privileges(filter), cancellation)
    }
}

/// Runs a change to its end in a task of its own, and logs it once it is durable. `verb` returns the
/// event when it changed something.
async fn write<T, F, Fut>(store: &KeyStore, event: DirectoryEvent, verb: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: FnOnce(SqlStore, DirectoryEvent) -> Fut,
    Fut: Future<Output = Result<(T, Option<Recorded>), StoreError>> + Send + 'static,
{
    let store = store.clone();
    let principal = event.actor.principal();
    let verb = verb(store.database.clone(), event);
    let change = async move {
        let _permit =
            store.directory_permits.take(&principal).await.map_err(|_| StoreError::TooManyChanges)?;
        let done = verb.await;
        store.health.note(&done);
        let (outcome, changed) = done?;
        if let Some(changed) = changed {
            tell_of(&store, &changed);
        }
        Ok(outcome)
    };
    tokio::spawn(change.in_current_span()).await.map_err(|error| StoreError::Unavailable(error.into()))?
}

/// Announces the change of keys, and writes the lines of the audit log.
fn tell_of(store: &KeyStore, Recorded { event, tokens, keys, applications }: &Recorded) {
    if let Some(cursor) = applications {
        store.announce(*cursor);
    }
    if let Some(changed) = keys {
        tell_of_change(store, changed);
    }
    if let Some(ended) = tokens {
        tokens::record(ended);
    }
    directory_events::record_change(event);
    telemetry::directory_changed(event.action);
}

/// Announces a change of keys, and writes its line of the audit log.
fn tell_of_change(store: &KeyStore, (cursor, event): &Committed) {
    store.announce(*cursor);
    audit::record_change(event);
    telemetry::keys_changed(event.action, event.key_ids.len());
}

impl From<DirectoryEvent> for Recorded {
    fn from(event: DirectoryEvent) -> Self {
        Self { event, tokens: None, keys: None, applications: None }
    }
}

fn event(action: DirectoryAction, subjects: Vec<String>, actor: Actor, at: UnixMillis) -> DirectoryEvent {
    DirectoryEvent { at, action, actor, subjects }
}
