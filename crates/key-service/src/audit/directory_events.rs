//! The audit log of users, roles and application privileges.

use latchkey_key_feed::{KeyId, UnixMillis};

use crate::audit::{Actor, TARGET};

/// Something done to users, roles or application privileges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DirectoryEvent {
    /// When.
    pub at: UnixMillis,
    /// What.
    pub action: DirectoryAction,
    /// By whom.
    pub actor: Actor,
    /// The names of what it was done to.
    pub subjects: Vec<String>,
}

/// What can be done to users, roles and application privileges.
/// Its name, in snake case, is in the store, in the log and in the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum DirectoryAction {
    /// A user was given another password.
    ChangePassword,
    /// Application privileges were removed.
    DeletePrivileges,
    /// A role was removed.
    DeleteRole,
    /// A user was removed.
    DeleteUser,
    /// A user was disabled.
    DisableUser,
    /// A user was enabled again.
    EnableUser,
    /// Application privileges were brought from another store.
    ImportPrivileges,
    /// Roles were brought from another store.
    ImportRoles,
    /// Users were brought from another store.
    ImportUsers,
    /// Application privileges were made or replaced.
    PutPrivileges,
    /// A role was made or replaced.
    PutRole,
    /// A user was made or replaced.
    PutUser,
    /// A user who belongs to the service is again as at the first start.
    ResetUser,
}

/// Writes the line of a change to the directory that is durable.
pub(crate) fn record_change(event: &DirectoryEvent) {
    let actor = &event.actor;
    tracing::info!(
        target: TARGET,
        at_ms = event.at.0,
        action = <&'static str>::from(event.action),
        outcome = "success",
        username = actor.username,
        realm = actor.realm,
        api_key = actor.api_key.as_ref().map(KeyId::as_str),
        run_as = actor.run_as,
        source = actor.source.map(tracing::field::display),
        via = actor.via(),
        subjects = event.subjects.join(","),
    );
}
