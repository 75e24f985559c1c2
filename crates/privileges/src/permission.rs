//! What a caller may do by all of its roles.
//!
//! The role descriptors of one side are united: what any of them grants is granted. A key has two sides, its
//! own descriptors and the roles of its owner when it was made, and only what both sides grant is granted. A
//! descriptor that is not understood, or is restricted to a workflow, grants nothing here.
//!
//! A question about a pattern, such as `logs-*`, is answered for the whole pattern: every name that it
//! matches must be granted.

mod check;
mod denial;
mod held;
mod prepared;

use std::collections::HashSet;
use std::sync::Arc;

use latchkey_budget::{Budget, BudgetExceeded, Holding};
use latchkey_elastic::wildcard::{NameSet, covers};

use super::application_privilege::RegisteredPrivileges;
use super::caller::Caller;
use super::cluster_request::{ACTIONS, ClusterRequest};
use super::privilege::{ClusterPrivilege, IndexPrivilege, KeyReach};
use super::rights::Granted;
use super::role_descriptor::{ApplicationPrivileges, IndexPrivileges, RoleDescriptor, RoleDescriptors};

pub use check::{ApplicationQuestion, HasPrivilegesRequest, HasPrivilegesResponse, IndexQuestion, NoAnswer};
pub use denial::{denial, run_as_denial, run_as_refusal};
pub use held::{HeldPrivileges, NotListed};
pub use prepared::PreparedResources;

/// Restricted indices: they hold security data or running searches. A pattern does not match them unless
/// `allow_restricted_indices` is set.
const RESTRICTED_INDICES: [&str; 3] = [".security", ".security-*", ".async-search*"];

/// The cost of reading a pattern, besides its characters.
const STEPS_PER_PATTERN: usize = 16;

/// What one or two sides together allow.
#[derive(Debug)]
pub struct EffectivePermission {
    /// Whether it may do what every authenticated caller may. A refused run-as may not.
    is_authenticated: bool,
    granted: Permission,
    /// The limit of a key that has descriptors of its own: the owner's roles.
    limit: Option<Permission>,
    /// The memory that was taken for it, if it is much.
    _held: Option<Holding>,
}

/// What a set of role descriptors allows together.
#[derive(Clone, Debug)]
struct Permission {
    cluster: Vec<ClusterPrivilege>,
    /// Which requests `cluster` allows, if that was found out beforehand.
    precomputed: Option<Precomputed>,
    indices: Vec<IndexGrant>,
    applications: Vec<ApplicationGrant>,
    run_as: NameSet,
}

/// Which requests privileges allow.
#[derive(Clone, Debug)]
struct Precomputed {
    /// The actions that are allowed whatever the request says.
    allowed: Vec<&'static str>,
    /// The privilege whose answer depends on the content of the request, if there is one.
    own: Option<ClusterPrivilege>,
}

#[derive(Clone, Debug)]
struct IndexGrant {
    names: NameSet,
    actions: Vec<Arc<NameSet>>,
}

/// For each pattern of actions that a privilege stands for, the names of the grants that have it.
struct IndexHolders<'a>(Vec<Vec<&'a NameSet>>);

#[derive(Clone, Debug)]
struct ApplicationGrant {
    applications: NameSet,
    /// Names of privileges, and patterns over actions.
    privileges: Vec<String>,
    resources: NameSet,
}

impl EffectivePermission {
    /// What a user with these roles may do.
    #[must_use]
    pub fn of_user(roles: &RoleDescriptors) -> Self {
        Self { is_authenticated: true, granted: Permission::of(roles), limit: None, _held: None }
    }

    /// The same, and to manage the keys that the caller owns (`manage_own_api_key`).
    #[must_use]
    pub fn managing_own_keys(mut self) -> Self {
        self.granted.cluster.extend(ClusterPrivilege::resolve("manage_own_api_key").ok());
        self
    }

    /// The permission of a refused run-as: nothing at all.
    #[must_use]
    pub fn nothing() -> Self {
        Self { is_authenticated: false, ..Self::of_user(&RoleDescriptors::default()) }
    }

    /// The permission of a key: its own descriptors, limited by its owner's roles. A key without descriptors
    /// may do what these roles grant.
    #[must_use]
    pub fn of_key(assigned: &RoleDescriptors, limited_by: &RoleDescriptors) -> Self {
        if assigned.is_empty() {
            return Self::of_user(limited_by);
        }
        let (granted, limit) = (Permission::of(assigned), Some(Permission::of(limited_by)));
        Self { is_authenticated: true, granted, limit, _held: None }
    }

    /// The permission of a key whose own descriptors, if it has any, and owner's roles grant this.
    pub(crate) fn by(own: Option<&Granted>, limited_by: &Granted) -> Self {
        let limited_by = Permission::by(limited_by);
        let (granted, limit) = match own {
            Some(own) => (Permission::by(own), Some(limited_by)),
            None => (limited_by, None),
        };
        Self { is_authenticated: true, granted, limit, _held: None }
    }

    /// The same permission with the answer to each request computed beforehand, for callers with many roles.
    /// It keeps the memory that was taken for it.
    #[must_use]
    pub fn precomputed(self, held: Option<Holding>) -> Self {
        Self {
            granted: self.granted.precomputed(),
            limit: self.limit.map(Permission::precomputed),
            _held: held,
            ..self
        }
    }

    /// Whether it allows a request.
    #[must_use]
    pub fn allows(&self, request: &ClusterRequest<'_>, caller: &Caller) -> bool {
        self.reach(request, caller).is_some()
    }

    /// Whose keys a request may reach; `None` when the request is not allowed.
    ///
    /// `manage_own_api_key` is enough for a search, which must then show the caller's own keys only.
    #[must_use]
    pub fn reach(&self, request: &ClusterRequest<'_>, caller: &Caller) -> Option<KeyReach> {
        // `None` is less than any reach, so the minimum is what all sides allow.
        let by_privilege = self.sides().map(|side| side.reach(request, caller)).min().flatten();
        let is_open = self.is_authenticated && request.is_open_to(caller);
        by_privilege.max(is_open.then_some(KeyReach::Own))
    }

    /// Whether it has one of the privileges by which a caller can give a user any role. A pattern over
    /// actions does not count.
    #[must_use]
    pub fn manages_security(&self) -> bool {
        self.is_authenticated
            && self.sides().all(|side| side.cluster.iter().any(ClusterPrivilege::manages_security))
    }

    /// Whether it allows to run as this user.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`] when that takes more steps than the budget has: roles and names may be long.
    pub fn allows_run_as(&self, username: &str, budget: &mut Budget) -> Result<bool, BudgetExceeded> {
        for side in self.sides() {
            if !side.run_as.contains_within(username, budget)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What each side grants. Only what all sides grant is granted. The limit of a key comes first, because
    /// the maker of the key did not write it: a refusal there saves the work on patterns that the maker
    /// chose.
    fn sides(&self) -> impl Iterator<Item = &Permission> {
        self.limit.iter().chain(std::iter::once(&self.granted))
    }
}

impl Permission {
    fn of(roles: &RoleDescriptors) -> Self {
        // No request to this service belongs to a workflow, so a role that is restricted to one never
        // applies.
        let roles: Vec<&RoleDescriptor> =
            roles.iter().map(|(_, role)| role).filter(|role| !role.is_restricted()).collect();
        // A name that several roles repeat is kept once.
        let mut seen = HashSet::new();
        let cluster = roles.iter().flat_map(|role| &role.cluster);
        let cluster = cluster.filter(|name| seen.insert(name.to_ascii_lowercase()));
        let run_as = roles.iter().flat_map(|role| &role.run_as);
        Self {
            cluster: cluster.filter_map(|name| ClusterPrivilege::resolve(name).ok()).collect(),
            precomputed: None,
            indices: roles.iter().flat_map(|role| &role.indices).map(IndexGrant::of).collect(),
            applications: roles
                .iter()
                .flat_map(|role| &role.applications)
                .map(ApplicationGrant::of)
                .collect(),
            run_as: NameSet::new(run_as.map(String::as_str), []),
        }
    }

    /// The same for what descriptors grant together.
    fn by(granted: &Granted) -> Self {
        let Granted { cluster, indices, applications } = granted;
        Self {
            cluster: cluster.iter().filter_map(|name| ClusterPrivilege::resolve(name).ok()).collect(),
            precomputed: None,
            indices: indices
                .iter()
                .map(|it| IndexGrant::new(&it.names, it.privileges.iter(), it.allow_restricted_indices))
                .collect(),
            applications: applications
                .iter()
                .map(|it| ApplicationGrant::new(&it.application, &it.privileges, &it.resources))
                .collect(),
            run_as: NameSet::default(),
        }
    }

    fn precomputed(self) -> Self {
        let of_reach = |reach| self.cluster.iter().filter(move |privilege| privilege.widest() == reach);
        let is_allowed = |action: &&str| of_reach(KeyReach::All).any(|privilege| privilege.has(action));
        let allowed = ACTIONS.into_iter().filter(is_allowed).collect();
        let own = of_reach(KeyReach::Own).next().cloned();
        Self { precomputed: Some(Precomputed { allowed, own }), ..self }
    }

    fn reach(&self, request: &ClusterRequest<'_>, caller: &Caller) -> Option<KeyReach> {
        if let Some(precomputed) = &self.precomputed
            && ACTIONS.contains(&request.action())
        {
            return match &precomputed.own {
                _ if precomputed.allowed.contains(&request.action()) => Some(KeyReach::All),
                Some(own) => own.reach(request, caller),
                None => None,
            };
        }
        self.cluster.iter().filter_map(|privilege| privilege.reach(request, caller)).max()
    }

    fn has_cluster(&self, asked: &ClusterPrivilege, budget: &mut Budget) -> Result<bool, BudgetExceeded> {
        asked.is_covered_by(&self.cluster, budget)
    }

    /// The grants of an index privilege.
    fn index_holders(
        &self,
        asked: &IndexPrivilege,
        budget: &mut Budget,
    ) -> Result<IndexHolders<'_>, BudgetExceeded> {
        let mut holders = Vec::new();
        for actions in asked.actions().split() {
            budget.spend(1 + actions.patterns() + self.indices.len())?;
            let mut names = Vec::new();
            for grant in &self.indices {
                if covers(&grant.actions.iter().map(AsRef::as_ref).collect::<Vec<_>>(), &actions, budget)? {
                    names.push(&grant.names);
                }
            }
            holders.push(names);
        }
        Ok(IndexHolders(holders))
    }

    /// Where an application's privilege is held.
    fn application_resources(
        &self,
        application: &str,
        privilege: &str,
        registered: &RegisteredPrivileges,
        budget: &mut Budget,
    ) -> Result<Vec<&NameSet>, BudgetExceeded> {
        budget.read(application.len() + privilege.len())?;
        let asked_application = NameSet::only(application);
        let asked = match registered.actions(application, privilege) {
            Some(actions) => patterns(actions, budget)?,
            None => NameSet::only(privilege),
        };
        let mut resources = Vec::new();
        for grant in &self.applications {
            if covers(&[&grant.applications], &asked_application, budget)?
                && covers(&[&grant.actions(application, registered, budget)?], &asked, budget)?
            {
                resources.push(&grant.resources);
            }
        }
        Ok(resources)
    }
}

/// The set of these patterns.
fn patterns(texts: &[String], budget: &mut Budget) -> Result<NameSet, BudgetExceeded> {
    let mut patterns = NameSet::default();
    for text in texts {
        include(&mut patterns, text, budget)?;
    }
    Ok(patterns)
}

/// Adds a pattern, which is copied and read.
fn include(patterns: &mut NameSet, text: &str, budget: &mut Budget) -> Result<(), BudgetExceeded> {
    budget.spend(STEPS_PER_PATTERN + text.len())?;
    patterns.include(text);
    Ok(())
}

impl IndexHolders<'_> {
    /// Whether the grants that have some of the actions together have all names, for each pattern of actions.
    fn have(&self, names: &NameSet, budget: &mut Budget) -> Result<bool, BudgetExceeded> {
        for grants in &self.0 {
            if !covers(grants, names, budget)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl IndexGrant {
    fn of(block: &IndexPrivileges) -> Self {
        let mut seen = HashSet::new();
        let privileges = block.privileges.iter().filter(|name| seen.insert(name.to_ascii_lowercase()));
        Self::new(&block.names, privileges, block.allow_restricted_indices)
    }

    fn new<'a>(
        names: &[String],
        privileges: impl Iterator<Item = &'a String>,
        allow_restricted_indices: bool,
    ) -> Self {
        let excepted: &[&str] = if allow_restricted_indices { &[] } else { &RESTRICTED_INDICES };
        let privileges = privileges.filter_map(|name| IndexPrivilege::resolve(name).ok());
        Self {
            names: NameSet::new(names.iter().map(String::as_str), excepted.iter().copied()),
            actions: privileges.map(IndexPrivilege::into_actions).collect(),
        }
    }
}

impl ApplicationGrant {
    fn of(block: &ApplicationPrivileges) -> Self {
        Self::new(&block.application, &block.privileges, &block.resources)
    }

    fn new(application: &str, privileges: &[String], resources: &[String]) -> Self {
        Self {
            applications: NameSet::only(application),
            privileges: privileges.to_vec(),
            resources: NameSet::new(resources.iter().map(String::as_str), []),
        }
    }

    /// What a privilege grants inside an application: a registered name grants its actions, and every name
    /// grants itself.
    fn actions(
        &self,
        application: &str,
        registered: &RegisteredPrivileges,
        budget: &mut Budget,
    ) -> Result<NameSet, BudgetExceeded> {
        budget.spend(self.privileges.len())?;
        let mut granted = patterns(&self.privileges, budget)?;
        for action in
            self.privileges.iter().filter_map(|name| registered.actions(application, name)).flatten()
        {
            include(&mut granted, action, budget)?;
        }
        Ok(granted)
    }
}

#[cfg(test)]
mod tests;
