//! Which privileges of an application are held, and where.

use latchkey_budget::{Budget, BudgetExceeded};
use latchkey_elastic::wildcard::{NameSet, covers};

use super::{EffectivePermission, STEPS_PER_PATTERN};
use crate::application_privilege::RegisteredPrivileges;

/// Privileges of an application that are held on each resource of some patterns. No others stand together
/// with the same patterns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldPrivileges<'a> {
    /// Their names, in order.
    pub privileges: Vec<&'a str>,
    /// The patterns, each once and in order, as a role descriptor has them.
    pub resources: Vec<&'a str>,
}

/// Why nobody says which privileges are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotListed {
    /// It takes more than the budget to find out.
    TooCostly,
    /// Their names and resources have more bytes than are wanted.
    TooLong,
}

impl EffectivePermission {
    /// The registered privileges of an application that are held, and the patterns of resources on which they
    /// are. Names and patterns have at most `len_max` bytes together.
    ///
    /// What is listed is held: [`Self::answer`] says so for each name and pattern. Of two patterns that
    /// overlap, one on each side of a permission, neither is listed, though both may match a resource.
    ///
    /// # Errors
    ///
    /// [`NotListed`].
    pub fn held_privileges<'a>(
        &'a self,
        application: &str,
        registered: &'a RegisteredPrivileges,
        len_max: usize,
        budget: &mut Budget,
    ) -> Result<Vec<HeldPrivileges<'a>>, NotListed> {
        let mut listed: Vec<HeldPrivileges<'a>> = Vec::new();
        let mut len = 0;
        let names = registered.of_application(application).into_iter().flat_map(|actions| actions.names());
        for name in names {
            let mut sides = Vec::new();
            for side in self.sides() {
                sides.push(side.application_resources(application, name, registered, budget)?);
            }
            let resources = common(&sides, len_max, budget)?;
            if resources.is_empty() {
                continue;
            }
            budget.spend(listed.len())?;
            len += name.len();
            match listed.iter_mut().find(|block| block.resources == resources) {
                Some(block) => block.privileges.push(name),
                None => {
                    len += resources.iter().map(|pattern| pattern.len()).sum::<usize>();
                    listed.push(HeldPrivileges { privileges: vec![name], resources });
                }
            }
            if len > len_max {
                return Err(NotListed::TooLong);
            }
        }
        Ok(listed)
    }
}

/// The patterns of each side that all other sides grant as a whole.
fn common<'a>(
    sides: &[Vec<&'a NameSet>],
    len_max: usize,
    budget: &mut Budget,
) -> Result<Vec<&'a str>, NotListed> {
    let mut patterns = Vec::new();
    let mut len = 0;
    for (place, side) in sides.iter().enumerate() {
        for pattern in side.iter().flat_map(|resources| resources.includes()) {
            budget.spend(STEPS_PER_PATTERN + pattern.as_str().len())?;
            let asked = NameSet::new([pattern.as_str()], []);
            let mut is_held = pattern.is_understood();
            for (_, other) in sides.iter().enumerate().filter(|(other, _)| *other != place) {
                is_held = is_held && covers(other, &asked, budget)?;
            }
            if is_held && let Err(place) = patterns.binary_search(&pattern.as_str()) {
                patterns.insert(place, pattern.as_str());
                len += pattern.as_str().len();
            }
            if len > len_max {
                return Err(NotListed::TooLong);
            }
        }
    }
    Ok(patterns)
}

impl From<BudgetExceeded> for NotListed {
    fn from(_: BudgetExceeded) -> Self {
        Self::TooCostly
    }
}
