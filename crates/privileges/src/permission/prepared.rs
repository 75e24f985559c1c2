//! A question about one privilege of an application, kept to be asked for one resource after the other.

use latchkey_budget::{Budget, BudgetExceeded};
use latchkey_elastic::wildcard::{NameSet, covers};

use super::{EffectivePermission, STEPS_PER_PATTERN};
use crate::application_privilege::RegisteredPrivileges;

/// Where an application's privilege is held: for each side of a permission the resources of its grants.
#[derive(Clone, Debug)]
pub struct PreparedResources(Vec<Vec<NameSet>>);

impl EffectivePermission {
    /// Where a privilege of an application is held, given what applications have registered.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`] when that takes more than the budget to find out.
    pub fn application_resources(
        &self,
        application: &str,
        privilege: &str,
        registered: &RegisteredPrivileges,
        budget: &mut Budget,
    ) -> Result<PreparedResources, BudgetExceeded> {
        let mut sides = Vec::new();
        for side in self.sides() {
            let resources = side.application_resources(application, privilege, registered, budget)?;
            sides.push(resources.into_iter().cloned().collect());
        }
        Ok(PreparedResources(sides))
    }
}

impl PreparedResources {
    /// Whether the privilege is held on this resource.
    ///
    /// The answer is that of [`EffectivePermission::answer`] for the very same text. So a text with `*`, `?`
    /// or a backslash is a pattern here too, and every resource that it matches must be granted. A text like
    /// `/…/` or one of more than [`NAME_PATTERN_LEN_MAX`](latchkey_elastic::wildcard::NAME_PATTERN_LEN_MAX) bytes is
    /// not understood, and nothing grants it.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`] when that takes more than the budget to find out.
    pub fn contains(&self, resource: &str, budget: &mut Budget) -> Result<bool, BudgetExceeded> {
        budget.spend(STEPS_PER_PATTERN + resource.len())?;
        let asked = NameSet::only(resource);
        for side in &self.0 {
            if !covers(&side.iter().collect::<Vec<_>>(), &asked, budget)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
