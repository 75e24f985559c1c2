//! What the roles of users grant, and what a caller may therefore do.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::security::caller::{Caller, CallerKind};
use crate::security::permission::EffectivePermission;
use crate::security::realm::{RealmName, User};
use crate::security::role_descriptor::{
    ApplicationPrivileges, IndexPrivileges, RoleDescriptor, RoleDescriptors,
};
use crate::store::StoredKey;

/// The role that may do everything.
pub const SUPERUSER: &str = "superuser";

/// Every role that users may have, by name.
#[derive(Clone, Debug)]
pub struct Roles(BTreeMap<String, RoleDescriptor>);

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

    /// What a user may do, role by role. Roles that do not exist are left out.
    #[must_use]
    pub fn descriptors_of(&self, user: &User) -> RoleDescriptors {
        let found = user.roles.iter().filter_map(|name| Some((name.clone(), self.0.get(name)?.clone())));
        found.collect()
    }

    /// A user as a caller, and what the user may do.
    #[must_use]
    pub fn caller_of_user(&self, user: &User) -> (Caller, EffectivePermission) {
        let (roles, roles_missing) = user.roles.iter().cloned().partition(|name| self.has(name));
        let caller = Caller {
            username: user.username.clone(),
            realm: user.realm.name.clone(),
            kind: CallerKind::User { roles, roles_missing },
            run_by: None,
        };
        (caller, EffectivePermission::of_user(&self.descriptors_of(user)))
    }
}

/// A key as a caller, and what it may do: what it was given, as far as its owner could do it when the key was made.
#[must_use]
pub fn caller_of_key(key: &StoredKey) -> (Caller, EffectivePermission) {
    let caller = Caller {
        username: key.owner.username.clone(),
        realm: RealmName::api_key().name,
        kind: CallerKind::ApiKey { id: key.id.to_string() },
        run_by: None,
    };
    (caller, EffectivePermission::of_key(&key.role_descriptors, &key.limited_by))
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
