//! What a caller may do, all things considered.
//!
//! The role descriptors of one side are united: what any of them grants is granted. A key has two sides, what was assigned
//! to it and what its owner could do when it was made, and only what both grant is granted. Nothing else grants anything:
//! a descriptor that is not understood, or is restricted to a workflow, opens nothing here.
//!
//! A question about a pattern, such as `logs-*`, is answered for the whole pattern: every name it stands for must be
//! granted.

mod check;
mod denial;

use super::caller::Caller;
use super::privilege::{ClusterPrivilege, IndexPrivilege, KeyReach};
use super::request::ClusterRequest;
use super::role_descriptor::{ApplicationPrivileges, IndexPrivileges, RoleDescriptor, RoleDescriptors};
use super::wildcard::{NameSet, Wildcard, covers};

pub use check::{ApplicationQuestion, IndexQuestion, PrivilegesAnswer, PrivilegesQuestion};
pub use denial::{denial, run_as_denial};

/// Indices that hold security data or running searches. A pattern does not stand for them unless it is said to.
const RESTRICTED_INDICES: [&str; 3] = [".security", ".security-*", ".async-search*"];

/// What one or two sides together allow.
#[derive(Clone, Debug)]
pub struct EffectivePermission {
    granted: Permission,
    /// What the owner of a key could do, if the key has descriptors of its own.
    limit: Option<Permission>,
}

/// What a set of role descriptors allows together.
#[derive(Clone, Debug)]
struct Permission {
    cluster: Vec<ClusterPrivilege>,
    indices: Vec<IndexGrant>,
    applications: Vec<ApplicationGrant>,
    run_as: NameSet,
}

#[derive(Clone, Debug)]
struct IndexGrant {
    names: NameSet,
    actions: Vec<NameSet>,
}

#[derive(Clone, Debug)]
struct ApplicationGrant {
    application: Wildcard,
    privileges: NameSet,
    resources: NameSet,
}

impl EffectivePermission {
    /// What a user with these roles may do.
    #[must_use]
    pub fn of_user(roles: &RoleDescriptors) -> Self {
        Self { granted: Permission::of(roles), limit: None }
    }

    /// What a key may do: what was assigned to it, within what its owner could do. A key to which nothing was assigned may
    /// do all that its owner could.
    #[must_use]
    pub fn of_key(assigned: &RoleDescriptors, limited_by: &RoleDescriptors) -> Self {
        if assigned.is_empty() {
            return Self::of_user(limited_by);
        }
        Self { granted: Permission::of(assigned), limit: Some(Permission::of(limited_by)) }
    }

    /// Whether it allows a request.
    #[must_use]
    pub fn allows(&self, request: &ClusterRequest<'_>, caller: &Caller) -> bool {
        self.reach(request, caller).is_some()
    }

    /// Whose keys a request may reach; `None` when the request is not allowed.
    ///
    /// A search for keys is allowed to whoever may manage his own, and must then show him no others.
    #[must_use]
    pub fn reach(&self, request: &ClusterRequest<'_>, caller: &Caller) -> Option<KeyReach> {
        let granted = self.granted.reach(request, caller);
        let by_privilege = match &self.limit {
            None => granted,
            // Nothing is less than any reach, so the smaller of two is what both sides allow.
            Some(limit) => granted.min(limit.reach(request, caller)),
        };
        by_privilege.max(request.is_open_to(caller).then_some(KeyReach::Own))
    }

    /// Whether it allows to run as this user.
    #[must_use]
    pub fn allows_run_as(&self, username: &str) -> bool {
        self.on_all_sides(|side| side.run_as.contains(username))
    }

    fn on_all_sides(&self, question: impl Fn(&Permission) -> bool) -> bool {
        question(&self.granted) && self.limit.as_ref().is_none_or(question)
    }
}

impl Permission {
    fn of(roles: &RoleDescriptors) -> Self {
        // No request to this service belongs to a workflow, so what is restricted to one never applies.
        let roles: Vec<&RoleDescriptor> =
            roles.iter().map(|(_, role)| role).filter(|role| !role.is_restricted()).collect();
        let cluster = roles.iter().flat_map(|role| &role.cluster);
        let run_as = roles.iter().flat_map(|role| &role.run_as);
        Self {
            cluster: cluster.filter_map(|name| ClusterPrivilege::resolve(name).ok()).collect(),
            indices: roles.iter().flat_map(|role| &role.indices).map(IndexGrant::of).collect(),
            applications: roles
                .iter()
                .flat_map(|role| &role.applications)
                .map(ApplicationGrant::of)
                .collect(),
            run_as: NameSet::new(run_as.map(String::as_str), []),
        }
    }

    fn reach(&self, request: &ClusterRequest<'_>, caller: &Caller) -> Option<KeyReach> {
        self.cluster.iter().filter_map(|privilege| privilege.reach(request, caller)).max()
    }

    fn has_cluster(&self, asked: &ClusterPrivilege) -> bool {
        asked.is_covered_by(&self.cluster)
    }

    /// For each pattern of actions that the privilege stands for, the grants that have it must together have all names.
    fn has_index(&self, names: &NameSet, asked: &IndexPrivilege) -> bool {
        asked.actions().split().all(|actions| {
            let grants: Vec<&NameSet> = self
                .indices
                .iter()
                .filter(|grant| covers(&grant.actions.iter().collect::<Vec<_>>(), &actions))
                .map(|grant| &grant.names)
                .collect();
            covers(&grants, names)
        })
    }

    fn has_application(&self, application: &str, privilege: &NameSet, resource: &NameSet) -> bool {
        let grants: Vec<&NameSet> = self
            .applications
            .iter()
            .filter(|grant| grant.application.matches(application) && covers(&[&grant.privileges], privilege))
            .map(|grant| &grant.resources)
            .collect();
        covers(&grants, resource)
    }
}

impl IndexGrant {
    fn of(block: &IndexPrivileges) -> Self {
        let excepted: &[&str] = if block.allow_restricted_indices { &[] } else { &RESTRICTED_INDICES };
        let privileges = block.privileges.iter().filter_map(|name| IndexPrivilege::resolve(name).ok());
        Self {
            names: NameSet::new(block.names.iter().map(String::as_str), excepted.iter().copied()),
            actions: privileges.map(|privilege| privilege.actions().clone()).collect(),
        }
    }
}

impl ApplicationGrant {
    fn of(block: &ApplicationPrivileges) -> Self {
        Self {
            application: Wildcard::new(&block.application),
            privileges: NameSet::new(block.privileges.iter().map(String::as_str), []),
            resources: NameSet::new(block.resources.iter().map(String::as_str), []),
        }
    }
}

#[cfg(test)]
mod tests;
