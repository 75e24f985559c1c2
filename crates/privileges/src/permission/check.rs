//! Questions about privileges, and their answers.

use std::collections::BTreeMap;
use std::fmt;

use latchkey_budget::{Budget, BudgetExceeded};
use latchkey_elastic::ErrorCause;
use latchkey_elastic::wildcard::{NameSet, Wildcard, covers};
use serde::Serialize;

use super::{EffectivePermission, RESTRICTED_INDICES, STEPS_PER_PATTERN};
use crate::application_privilege::RegisteredPrivileges;
use crate::privilege::{ClusterPrivilege, IndexPrivilege, UnknownPrivilege};

/// Privileges that a request asks about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HasPrivilegesRequest {
    /// Privileges over what is not an index.
    pub cluster: Vec<String>,
    /// Privileges over indices.
    pub index: Vec<IndexQuestion>,
    /// Privileges inside applications.
    pub application: Vec<ApplicationQuestion>,
}

/// Privileges over some indices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexQuestion {
    /// Names of indices, or patterns. For a pattern, all names that it matches are meant.
    pub names: Vec<String>,
    /// Names of privileges, or patterns over actions.
    pub privileges: Vec<String>,
    /// Whether patterns also match restricted indices.
    pub allow_restricted_indices: bool,
}

/// Privileges over some resources of an application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApplicationQuestion {
    /// The application's name.
    pub application: String,
    /// Names of privileges, or patterns over actions.
    ///
    /// A registered name means its actions. A name that is not registered means itself: a role that lists it
    /// grants it.
    pub privileges: Vec<String>,
    /// Names of resources, or patterns.
    pub resources: Vec<String>,
}

/// Which of the privileges are held. It serializes as Elasticsearch's answer without the username.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HasPrivilegesResponse {
    /// Whether all are.
    pub has_all_requested: bool,
    /// By privilege.
    pub cluster: BTreeMap<String, bool>,
    /// By index, or pattern as it was asked, and privilege.
    pub index: BTreeMap<String, BTreeMap<String, bool>>,
    /// By application, resource and privilege.
    pub application: BTreeMap<String, BTreeMap<String, BTreeMap<String, bool>>>,
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// It takes more than the budget.
    BudgetExceeded(BudgetExceeded),
    /// It names something that is not a privilege.
    Unknown(UnknownPrivilege),
}

/// Takes the answer about the index of that name and the privilege of that name.
type TakeIndexAnswer<'t> = &'t mut dyn FnMut(&str, &str, bool, &mut Budget) -> Result<(), BudgetExceeded>;

/// What an entry of an answer takes in memory besides its names.
const ENTRY_LEN: usize = 96;

impl EffectivePermission {
    /// Answers a question about privileges, given what applications have registered. Equal names in several
    /// parts of the question share one entry, in which a privilege counts as held when all parts that ask for
    /// it find it held.
    ///
    /// # Errors
    ///
    /// [`NoAnswer::Unknown`] for the first name that is no privilege, [`NoAnswer::BudgetExceeded`] for a
    /// question that takes more than the budget.
    pub fn answer(
        &self,
        question: &HasPrivilegesRequest,
        registered: &RegisteredPrivileges,
        budget: &mut Budget,
    ) -> Result<HasPrivilegesResponse, NoAnswer> {
        let mut cluster = BTreeMap::new();
        for name in &question.cluster {
            budget.hold(ENTRY_LEN + name.len())?;
            cluster.insert(name.clone(), self.has_cluster(name, budget)?);
        }
        let mut index: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for block in &question.index {
            self.ask_index(block, budget, &mut |name, privilege, held, budget| {
                budget.hold(ENTRY_LEN + name.len() + privilege.len())?;
                note(index.entry(name.to_owned()).or_default(), privilege, held);
                Ok(())
            })?;
        }
        let mut application = BTreeMap::new();
        for block in &question.application {
            charge_names(&[&block.application], budget)?;
            let entry = application.entry(block.application.clone()).or_default();
            self.answer_application(block, registered, entry, budget)?;
        }
        let has_all_requested = cluster.values().all(|held| *held)
            && index.values().flat_map(BTreeMap::values).all(|held| *held)
            && application.values().flat_map(BTreeMap::values).flat_map(BTreeMap::values).all(|held| *held);
        Ok(HasPrivilegesResponse { has_all_requested, cluster, index, application })
    }

    /// Whether it has a privilege over what is not an index.
    ///
    /// # Errors
    ///
    /// As of [`answer`](Self::answer).
    pub fn has_cluster(&self, name: &str, budget: &mut Budget) -> Result<bool, NoAnswer> {
        budget.spend(STEPS_PER_PATTERN + name.len())?;
        let asked = ClusterPrivilege::resolve(name)?;
        for side in self.sides() {
            if !side.has_cluster(&asked, budget)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether it has all of some privileges over all of some indices.
    ///
    /// # Errors
    ///
    /// As of [`answer`](Self::answer).
    pub fn has_index(&self, question: &IndexQuestion, budget: &mut Budget) -> Result<bool, NoAnswer> {
        let mut has_all = true;
        self.ask_index(question, budget, &mut |_, _, held, _| {
            has_all &= held;
            Ok(())
        })?;
        Ok(has_all)
    }

    /// Tells `note` of each privilege over each index whether it is held.
    fn ask_index(
        &self,
        block: &IndexQuestion,
        budget: &mut Budget,
        note: TakeIndexAnswer<'_>,
    ) -> Result<(), NoAnswer> {
        for privilege in &block.privileges {
            budget.spend(STEPS_PER_PATTERN + privilege.len())?;
            let asked = IndexPrivilege::resolve(privilege)?;
            let mut sides = Vec::new();
            for side in self.sides() {
                sides.push(side.index_holders(&asked, budget)?);
            }
            for name in &block.names {
                budget.spend(STEPS_PER_PATTERN + name.len() + privilege.len())?;
                let names = names_meant(name, block.allow_restricted_indices);
                let mut held = true;
                for holders in &sides {
                    held = held && holders.have(&names, budget)?;
                }
                note(name, privilege, held, budget)?;
            }
        }
        Ok(())
    }

    fn answer_application(
        &self,
        block: &ApplicationQuestion,
        registered: &RegisteredPrivileges,
        answer: &mut BTreeMap<String, BTreeMap<String, bool>>,
        budget: &mut Budget,
    ) -> Result<(), BudgetExceeded> {
        let application = block.application.as_str();
        for privilege in &block.privileges {
            let mut sides = Vec::new();
            for side in self.sides() {
                sides.push(side.application_resources(application, privilege, registered, budget)?);
            }
            for resource in &block.resources {
                charge_names(&[resource, privilege], budget)?;
                let resources = NameSet::only(resource);
                let mut is_held = true;
                for held in &sides {
                    is_held = is_held && covers(held, &resources, budget)?;
                }
                note(answer.entry(resource.clone()).or_default(), privilege, is_held);
            }
        }
        Ok(())
    }
}

/// An entry of the answer: its names are read, copied, and held until it is sent.
fn charge_names(names: &[&str], budget: &mut Budget) -> Result<(), BudgetExceeded> {
    let len: usize = names.iter().map(|name| name.len()).sum();
    budget.spend(STEPS_PER_PATTERN + len)?;
    budget.hold(ENTRY_LEN + len)
}

/// A restricted index that is named exactly is meant in any case; a pattern matches it only with
/// `allow_restricted_indices`.
fn names_meant(name: &str, allow_restricted_indices: bool) -> NameSet {
    let is_pattern = Wildcard::new(name).only_name().is_none();
    let excepted: &[&str] = if is_pattern && !allow_restricted_indices { &RESTRICTED_INDICES } else { &[] };
    NameSet::new([name], excepted.iter().copied())
}

fn note(answer: &mut BTreeMap<String, bool>, privilege: &str, held: bool) {
    answer.entry(privilege.to_owned()).and_modify(|before| *before &= held).or_insert(held);
}

impl From<BudgetExceeded> for NoAnswer {
    fn from(exceeded: BudgetExceeded) -> Self {
        Self::BudgetExceeded(exceeded)
    }
}

impl From<UnknownPrivilege> for NoAnswer {
    fn from(unknown: UnknownPrivilege) -> Self {
        Self::Unknown(unknown)
    }
}

impl From<NoAnswer> for ErrorCause {
    fn from(no_answer: NoAnswer) -> Self {
        match no_answer {
            NoAnswer::BudgetExceeded(exceeded) => exceeded.into(),
            NoAnswer::Unknown(unknown) => Self::illegal_argument(unknown.to_string()),
        }
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BudgetExceeded(exceeded) => exceeded.fmt(f),
            Self::Unknown(unknown) => unknown.fmt(f),
        }
    }
}

impl std::error::Error for NoAnswer {}
