//! Questions about privileges, and their answers.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{EffectivePermission, RESTRICTED_INDICES};
use crate::security::application_privilege::RegisteredPrivileges;
use crate::security::privilege::{ClusterPrivilege, IndexPrivilege, UnknownPrivilege};
use crate::security::wildcard::{Effort, NameSet, Wildcard, covers};

/// Which privileges somebody asks about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrivilegesQuestion {
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
    /// Names of indices, or patterns; of a pattern all names are meant.
    pub names: Vec<String>,
    /// Names of privileges, or patterns over actions.
    pub privileges: Vec<String>,
    /// Whether patterns also stand for restricted indices.
    pub allow_restricted_indices: bool,
}

/// Privileges over some resources of an application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApplicationQuestion {
    /// The application's name.
    pub application: String,
    /// Names of privileges, or patterns over actions.
    ///
    /// A registered name stands for its actions. One that is not stands for itself: a role that lists it grants it.
    pub privileges: Vec<String>,
    /// Names of resources, or patterns.
    pub resources: Vec<String>,
}

/// Which of the privileges are held. It serializes as Elasticsearch's answer, but for the username before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PrivilegesAnswer {
    /// Whether all are.
    pub has_all_requested: bool,
    /// By privilege.
    pub cluster: BTreeMap<String, bool>,
    /// By index, or pattern as it was asked, and privilege.
    pub index: BTreeMap<String, BTreeMap<String, bool>>,
    /// By application, resource and privilege.
    pub application: BTreeMap<String, BTreeMap<String, BTreeMap<String, bool>>>,
}

impl EffectivePermission {
    /// Answers a question about privileges, given what applications have registered. Equal names in several parts of the
    /// question share one entry, in which a privilege counts as held when all parts that ask for it find it held. A
    /// question that takes too much work to answer gets a no where a yes could not be shown.
    ///
    /// # Errors
    ///
    /// [`UnknownPrivilege`] for the first name that is none.
    pub fn answer(
        &self,
        question: &PrivilegesQuestion,
        registered: &RegisteredPrivileges,
    ) -> Result<PrivilegesAnswer, UnknownPrivilege> {
        let mut effort = Effort::for_one_request();
        let mut cluster = BTreeMap::new();
        for name in &question.cluster {
            let asked = ClusterPrivilege::resolve(name)?;
            cluster.insert(name.clone(), self.sides().all(|side| side.has_cluster(&asked, &mut effort)));
        }
        let mut index = BTreeMap::new();
        for block in &question.index {
            self.answer_index(block, &mut index, &mut effort)?;
        }
        let mut application = BTreeMap::new();
        for block in &question.application {
            let entry = application.entry(block.application.clone()).or_default();
            self.answer_application(block, registered, entry, &mut effort);
        }
        let has_all_requested = cluster.values().all(|held| *held)
            && index.values().flat_map(BTreeMap::values).all(|held| *held)
            && application.values().flat_map(BTreeMap::values).flat_map(BTreeMap::values).all(|held| *held);
        Ok(PrivilegesAnswer { has_all_requested, cluster, index, application })
    }

    fn answer_index(
        &self,
        block: &IndexQuestion,
        answer: &mut BTreeMap<String, BTreeMap<String, bool>>,
        effort: &mut Effort,
    ) -> Result<(), UnknownPrivilege> {
        for privilege in &block.privileges {
            let asked = IndexPrivilege::resolve(privilege)?;
            let sides: Vec<_> = self.sides().map(|side| side.index_holders(&asked, effort)).collect();
            for name in &block.names {
                let names = names_meant(name, block.allow_restricted_indices);
                let held = sides.iter().all(|holders| holders.have(&names, effort));
                note(answer.entry(name.clone()).or_default(), privilege, held);
            }
        }
        Ok(())
    }

    fn answer_application(
        &self,
        block: &ApplicationQuestion,
        registered: &RegisteredPrivileges,
        answer: &mut BTreeMap<String, BTreeMap<String, bool>>,
        effort: &mut Effort,
    ) {
        let application = block.application.as_str();
        for privilege in &block.privileges {
            let sides: Vec<_> = self
                .sides()
                .map(|side| side.application_resources(application, privilege, registered, effort))
                .collect();
            for resource in &block.resources {
                let resources = NameSet::new([resource.as_str()], []);
                let held = sides.iter().all(|held| covers(held, &resources, effort));
                note(answer.entry(resource.clone()).or_default(), privilege, held);
            }
        }
    }
}

/// A restricted index that is named outright is meant in any case, a pattern stands for it only when it is said to.
fn names_meant(name: &str, allow_restricted_indices: bool) -> NameSet {
    let is_pattern = Wildcard::new(name).only_name().is_none();
    let excepted: &[&str] = if is_pattern && !allow_restricted_indices { &RESTRICTED_INDICES } else { &[] };
    NameSet::new([name], excepted.iter().copied())
}

fn note(answer: &mut BTreeMap<String, bool>, privilege: &str, held: bool) {
    answer.entry(privilege.to_owned()).and_modify(|before| *before &= held).or_insert(held);
}
