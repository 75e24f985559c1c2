//! What the roles of users grant, and what a caller may therefore do.

use std::collections::{BTreeMap, HashSet};

use latchkey_privileges::caller::{Caller, CallerKind};
use latchkey_privileges::permission::EffectivePermission;
use latchkey_privileges::role_descriptor::{
    ApplicationPrivileges, IndexPrivileges, RoleDescriptor, RoleDescriptors,
};
use serde_json::{Map, Value};

use crate::model::realm_name::RealmName;
use crate::security::realm::User;
use crate::store::directory::UnreadRoles;
use crate::store::key_entry::KeyEntry;
use crate::store::{KeyStore, StoreError};

/// Names of roles that Elasticsearch has built in (`ReservedRolesStore`, 8.16). Nobody makes a role of such a name here, so that
/// no name means one thing here and another there. Of these roles only `superuser` exists.
const RESERVED_NAMES: [&str; 32] = [
    "apm_system",
    "apm_user",
    "beats_admin",
    "beats_system",
    "data_frame_transforms_admin",
    "data_frame_transforms_user",
    "editor",
    "enrich_user",
    "inference_admin",
    "inference_user",
    "ingest_admin",
    "kibana_admin",
    "kibana_system",
    "kibana_user",
    "logstash_admin",
    "logstash_system",
    "machine_learning_admin",
    "machine_learning_user",
    "monitoring_user",
    "remote_monitoring_agent",
    "remote_monitoring_collector",
    "reporting_user",
    "rollup_admin",
    "rollup_user",
    "snapshot_user",
    SUPERUSER,
    "transform_admin",
    "transform_user",
    "transport_client",
    "viewer",
    "watcher_admin",
    "watcher_user",
];

/// Whether a role may not be made under this name.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED_NAMES.contains(&name)
}

/// The role that may do everything.
pub(crate) const SUPERUSER: &str = "superuser";

/// The roles that the service is started with, by name: the built-in one, and those of the users file.
#[derive(Clone, Debug)]
pub struct Roles(BTreeMap<String, RoleDescriptor>);

/// Finds the roles of users of all realms. A name means the built-in role, else that of the users file, else
/// that of the store.
#[derive(Clone, Debug)]
pub(crate) struct RoleResolver {
    fixed: Roles,
    store: KeyStore,
    shared: Vec<String>,
}

/// The roles of one user at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct UserRoles {
    /// The names of all roles that are assigned.
    pub assigned: Vec<String>,
    /// The names of those that exist.
    pub names: Vec<String>,
    /// The names of those that do not.
    pub missing: Vec<String>,
    /// What those that exist grant.
    pub descriptors: RoleDescriptors,
}

impl Roles {
    /// The roles an operator defined, and the built-in one, which none of them replaces.
    #[must_use]
    pub fn new(defined: impl IntoIterator<Item = (String, RoleDescriptor)>) -> Self {
        let mut roles: BTreeMap<_, _> = defined.into_iter().collect();
        roles.insert(SUPERUSER.to_owned(), superuser());
        Self(roles)
    }

    /// Whether there is a role of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The role of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&RoleDescriptor> {
        self.0.get(name)
    }
}

impl RoleResolver {
    /// A resolver over the roles that the service was started with and those of the store. `shared` are the
    /// names of roles that every user has besides its own: the anonymous user's.
    #[must_use]
    pub(crate) fn new(fixed: Roles, store: KeyStore, shared: Vec<String>) -> Self {
        Self { fixed, store, shared }
    }

    /// The roles of a user, as they are now; `None` when they are long, and have not been read.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub(crate) async fn of_user(&self, user: &User) -> Result<Option<UserRoles>, StoreError> {
        let assigned = self.assigned(user);
        let unfixed = self.unfixed(&assigned);
        let stored = if unfixed.is_empty() {
            Some(RoleDescriptors::default())
        } else {
            self.store.directory().native_roles(&unfixed).await?
        };
        Ok(stored.map(|stored| self.together(assigned, &stored)))
    }

    /// Those roles of a user that the store has, as the database has them, however long.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub(crate) async fn unread(&self, user: &User) -> Result<UnreadRoles, StoreError> {
        self.store.directory().unread_roles(&self.unfixed(&self.assigned(user))).await
    }

    /// The roles of a user, of which the store has these. That takes as long as they are.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when one is not readable.
    pub(crate) fn read(&self, user: &User, unread: UnreadRoles) -> Result<UserRoles, StoreError> {
        Ok(self.together(self.assigned(user), &unread.read()?))
    }

    fn assigned(&self, user: &User) -> Vec<String> {
        let mut seen = HashSet::new();
        user.roles.iter().chain(&self.shared).filter(|name| seen.insert(*name)).cloned().collect()
    }

    fn unfixed(&self, assigned: &[String]) -> Vec<String> {
        assigned.iter().filter(|name| !self.fixed.has(name)).cloned().collect()
    }

    fn together(&self, assigned: Vec<String>, stored: &RoleDescriptors) -> UserRoles {
        let mut found: BTreeMap<String, RoleDescriptor> =
            stored.iter().map(|(name, role)| (name.to_owned(), role.clone())).collect();
        for name in &assigned {
            found.extend(self.fixed.get(name).map(|role| (name.clone(), role.clone())));
        }
        let (names, missing) = assigned.iter().cloned().partition(|name| found.contains_key(name));
        UserRoles { assigned, names, missing, descriptors: found.into_iter().collect() }
    }
}

impl UserRoles {
    /// A user with these roles, as a caller.
    #[must_use]
    pub(crate) fn caller(&self, user: &User) -> Caller {
        Caller {
            username: user.username.clone(),
            realm: user.realm.name.clone(),
            kind: CallerKind::User { roles: self.names.clone(), roles_missing: self.missing.clone() },
            run_by: None,
        }
    }

    /// The permission of a user with these roles. Whoever acts as a service account (run-as) is there for its keys, and
    /// so may manage them whatever its roles say. Its keys may not, because their limit is the roles alone.
    #[must_use]
    pub(crate) fn permission_of(&self, user: &User) -> EffectivePermission {
        let by_roles = EffectivePermission::of_user(&self.descriptors);
        if user.is_service_account { by_roles.managing_own_keys() } else { by_roles }
    }
}

/// The roles that belong to the service, by name.
#[must_use]
pub(crate) fn reserved() -> RoleDescriptors {
    RoleDescriptors::from_iter([(SUPERUSER.to_owned(), superuser())])
}

/// A key as a caller.
#[must_use]
pub(crate) fn caller_of_key(key: &KeyEntry) -> Caller {
    Caller {
        username: key.username.clone(),
        realm: RealmName::api_key().name,
        kind: CallerKind::ApiKey { id: key.id.to_string() },
        run_by: None,
    }
}

/// As Elasticsearch defines it (`ReservedRolesStore#SUPERUSER_ROLE_DESCRIPTOR`).
fn superuser() -> RoleDescriptor {
    let everything = || vec!["*".to_owned()];
    let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    RoleDescriptor {
        cluster: texts(&["all"]),
        indices: vec![
            IndexPrivileges {
                names: everything(),
                privileges: texts(&["all"]),
                ..IndexPrivileges::default()
            },
            IndexPrivileges {
                names: everything(),
                privileges: texts(&["monitor", "read", "view_index_metadata", "read_cross_cluster"]),
                allow_restricted_indices: true,
                ..IndexPrivileges::default()
            },
        ],
        applications: vec![ApplicationPrivileges {
            application: "*".to_owned(),
            privileges: everything(),
            resources: everything(),
        }],
        run_as: everything(),
        metadata: Map::from_iter([("_reserved".to_owned(), Value::Bool(true))]),
        ..RoleDescriptor::default()
    }
}
