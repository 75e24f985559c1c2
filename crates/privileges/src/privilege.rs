//! Named privileges, and patterns over actions that serve as privileges.
//!
//! A privilege is a set of action names. All of Elasticsearch's names are known here, so that role
//! descriptors made for it are accepted; a name without an action in this service grants nothing. A name with
//! a colon is itself a pattern over actions.

mod names;

use std::fmt;
use std::sync::{Arc, LazyLock};

use latchkey_budget::{Budget, BudgetExceeded};
use latchkey_elastic::wildcard::{NameSet, Wildcard, covers};

use super::caller::Caller;
use super::cluster_request::ClusterRequest;

/// A privilege over what is not an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterPrivilege {
    name: String,
    actions: NameSet,
    reach: KeyReach,
}

/// A privilege over indices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexPrivilege {
    name: String,
    /// Shared by all grants of it.
    actions: Arc<NameSet>,
}

/// Whose keys a request may reach; the narrower reach is the smaller one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyReach {
    /// The caller's own: for a user the keys that it owns, for a key only itself.
    Own,
    /// All.
    All,
}

/// A text that is neither a privilege's name nor a pattern over actions. It displays as Elasticsearch's error
/// message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPrivilege {
    kind: Kind,
    name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Cluster,
    Index,
}

/// From the narrowest to the widest.
static CLUSTER: LazyLock<Vec<ClusterPrivilege>> = LazyLock::new(|| {
    let named = |name: &names::Named, reach| ClusterPrivilege {
        name: name.name.to_owned(),
        actions: name.actions(),
        reach,
    };
    let own = std::iter::once(named(&names::MANAGE_OWN_API_KEY, KeyReach::Own));
    own.chain(names::CLUSTER.iter().map(|name| named(name, KeyReach::All))).collect()
});

static INDEX: LazyLock<Vec<IndexPrivilege>> = LazyLock::new(|| {
    names::INDEX
        .iter()
        .map(|name| IndexPrivilege { name: name.name.to_owned(), actions: Arc::new(name.actions()) })
        .collect()
});

impl ClusterPrivilege {
    /// The privilege of this name, whatever its case, or the pattern.
    ///
    /// # Errors
    ///
    /// [`UnknownPrivilege`] when it is neither.
    pub fn resolve(name: &str) -> Result<Self, UnknownPrivilege> {
        let lowered = name.to_ascii_lowercase();
        if let Some(named) = CLUSTER.iter().find(|privilege| privilege.name == lowered) {
            return Ok(named.clone());
        }
        let pattern = Wildcard::new(&lowered);
        // A wildcard could match what no action begins with, so the text before it must contain a whole
        // prefix.
        let prefix = pattern.prefix();
        if !names::CLUSTER_PREFIXES.iter().any(|known| prefix.starts_with(known)) {
            return Err(UnknownPrivilege { kind: Kind::Cluster, name: name.to_owned() });
        }
        let actions = NameSet::only(&lowered);
        Ok(Self { name: lowered, actions, reach: KeyReach::All })
    }

    /// The names of the privileges that would allow a request, from the narrowest to the widest.
    #[must_use]
    pub fn names_that_allow(request: &ClusterRequest<'_>, caller: &Caller) -> Vec<&'static str> {
        let allowing = CLUSTER.iter().filter(|privilege| privilege.allows(request, caller));
        allowing.map(|privilege| privilege.name.as_str()).collect()
    }

    /// The names of all, in no order of their own ([`sorted`]).
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        CLUSTER.iter().map(|privilege| privilege.name.as_str()).collect()
    }

    /// Whose keys a request may reach by it; `None` when it does not allow the request at all.
    #[must_use]
    pub fn reach(&self, request: &ClusterRequest<'_>, caller: &Caller) -> Option<KeyReach> {
        let is_allowed = self.actions.contains(request.action())
            && match self.reach {
                KeyReach::All => true,
                KeyReach::Own => request.stays_with_own_keys(caller),
            };
        is_allowed.then_some(self.reach)
    }

    /// Whose keys a request may reach by it at most.
    #[must_use]
    pub fn widest(&self) -> KeyReach {
        self.reach
    }

    /// Whether an action is one of its.
    #[must_use]
    pub fn has(&self, action: &str) -> bool {
        self.actions.contains(action)
    }

    /// Whether it allows a request.
    #[must_use]
    pub fn allows(&self, request: &ClusterRequest<'_>, caller: &Caller) -> bool {
        self.reach(request, caller).is_some()
    }

    /// Whether `granted` together allow everything that this privilege allows.
    ///
    /// A privilege that reaches only the caller's own keys covers nothing but itself, because what it allows
    /// depends on the request.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`] when that takes more than the budget to show.
    pub fn is_covered_by(&self, granted: &[Self], budget: &mut Budget) -> Result<bool, BudgetExceeded> {
        budget.spend(granted.len())?;
        if granted.contains(self) {
            return Ok(true);
        }
        let unconditional: Vec<&NameSet> = granted
            .iter()
            .filter(|privilege| privilege.reach == KeyReach::All)
            .map(|privilege| &privilege.actions)
            .collect();
        covers(&unconditional, &self.actions, budget)
    }

    /// Whether it is one by which a caller can give a user any role.
    #[must_use]
    pub fn manages_security(&self) -> bool {
        matches!(self.name.as_str(), "all" | "manage_security")
    }

    /// Its name, in lower case.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl IndexPrivilege {
    /// The privilege of this name, whatever its case, or the pattern.
    ///
    /// # Errors
    ///
    /// [`UnknownPrivilege`] when it is neither.
    pub fn resolve(name: &str) -> Result<Self, UnknownPrivilege> {
        let lowered = name.to_ascii_lowercase();
        if let Some(named) = INDEX.iter().find(|privilege| privilege.name == lowered) {
            return Ok(named.clone());
        }
        let is_pattern = lowered.starts_with("indices:") && Wildcard::new(&lowered).is_understood();
        if !is_pattern {
            return Err(UnknownPrivilege { kind: Kind::Index, name: name.to_owned() });
        }
        let actions = Arc::new(NameSet::only(&lowered));
        Ok(Self { name: lowered, actions })
    }

    /// The names of all, in no order of their own ([`sorted`]).
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        INDEX.iter().map(|privilege| privilege.name.as_str()).collect()
    }

    /// The actions it allows.
    #[must_use]
    pub fn actions(&self) -> &NameSet {
        &self.actions
    }

    /// The actions it allows, to keep.
    #[must_use]
    pub fn into_actions(self) -> Arc<NameSet> {
        self.actions
    }
}

/// Names in alphabetical order.
#[must_use]
pub fn sorted(mut names: Vec<&str>) -> Vec<&str> {
    names.sort_unstable();
    names
}

impl fmt::Display for UnknownPrivilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, predefined, pattern, names) = match self.kind {
            Kind::Cluster => (
                "cluster",
                "predefined cluster privilege names",
                "cluster",
                sorted(ClusterPrivilege::names()),
            ),
            Kind::Index => {
                ("index", "predefined fixed indices privileges", "index", sorted(IndexPrivilege::names()))
            }
        };
        write!(
            f,
            "unknown {kind} privilege [{}]. a privilege must be either one of the {predefined} [{}] or a pattern over one of the available {pattern} actions",
            self.name,
            names.join(",")
        )
    }
}

impl std::error::Error for UnknownPrivilege {}

#[cfg(test)]
mod tests;
