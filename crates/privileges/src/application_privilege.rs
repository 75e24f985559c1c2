//! Privileges that applications register: a name that stands for patterns over the application's own actions.
//!
//! No action of this service belongs to an application. Roles grant such privileges, and an application asks
//! whether a caller has them (`_has_privileges`).

use std::fmt;

use latchkey_elastic::ValidationProblems;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::role_descriptor::{Stars, check_application_name};
use crate::strict_json::{self, JsonValue, items, text};

/// A registered privilege. It serializes as Elasticsearch shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ApplicationPrivilege {
    /// The application's name.
    pub application: String,
    /// The privilege's name within the application.
    pub name: String,
    /// Patterns over actions.
    pub actions: Vec<String>,
    /// Whatever its maker attached to it.
    pub metadata: Map<String, Value>,
}

/// What is registered, for look-ups by application and name.
#[derive(Clone, Debug, Default)]
pub struct RegisteredPrivileges(ByName<ApplicationActions>);

/// What one application has registered: the actions of each privilege. Its JSON is
/// `{"read":["data:read/*"]}`, with names in order, so that equal privileges are equal bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApplicationActions(ByName<Vec<String>>);

/// Things by their names, in the order of these. An edge has few and puts them in in order; a list is the
/// least code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ByName<T>(Vec<(String, T)>);

/// Bytes that are not what an application has registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidActions;

impl ApplicationPrivilege {
    /// Adds everything that is invalid about it (Elasticsearch, `PutPrivilegesRequest#validate`).
    pub fn add_problems(&self, problems: &mut ValidationProblems) {
        let invalid = check_application_name(&self.application, Stars::Refused).err();
        problems.extend(invalid.map(|invalid| invalid.to_string()));
        problems.extend(problem_of_name(&self.name));
        problems.add_if(self.actions.is_empty(), "Application privileges must have at least one action");
        problems.extend(self.actions.iter().filter_map(|action| problem_of_action(action)));
        if self.metadata.keys().any(|key| key.starts_with('_')) {
            problems.add(format!(
                "metadata keys may not start with [_] (in privilege {} {})",
                self.application, self.name
            ));
        }
    }
}

impl ApplicationPrivilege {
    /// The bytes that it takes in memory without its metadata, about.
    #[must_use]
    pub fn held_len(&self) -> usize {
        let texts = [&self.application, &self.name].into_iter().chain(&self.actions);
        size_of::<Self>() + texts.map(|text| size_of::<String>() + text.len()).sum::<usize>()
    }
}

impl RegisteredPrivileges {
    /// The actions that a name stands for; `None` for a name that is not registered.
    #[must_use]
    pub fn actions(&self, application: &str, name: &str) -> Option<&[String]> {
        self.0.get(application)?.0.get(name).map(Vec::as_slice)
    }

    /// What an application has registered; `None` for nothing.
    #[must_use]
    pub fn of_application(&self, application: &str) -> Option<&ApplicationActions> {
        self.0.get(application)
    }

    /// Replaces all that an application has registered.
    pub fn set(&mut self, application: &str, actions: ApplicationActions) {
        self.0.put(application, actions);
    }
}

impl ApplicationActions {
    /// Reads them as [`to_json`](Self::to_json) writes them.
    ///
    /// # Errors
    ///
    /// [`InvalidActions`].
    pub fn of_json(json: &[u8]) -> Result<Self, InvalidActions> {
        strict_json::read(json).as_ref().and_then(Self::read).ok_or(InvalidActions)
    }

    /// Compact JSON of them.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Lists of texts by name always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The names of the privileges, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.0.iter().map(|(name, _)| name.as_str())
    }

    /// Adds a privilege, in place of one of the same name.
    pub fn insert(&mut self, name: &str, actions: Vec<String>) {
        self.0.put(name, actions);
    }

    fn read(value: &JsonValue<'_>) -> Option<Self> {
        let JsonValue::Object(fields) = value else { return None };
        let mut named = Vec::with_capacity(fields.len());
        for (name, actions) in fields {
            named.push((name.clone().into_owned(), items(actions, text)?));
        }
        named.is_sorted_by(|(name, _), (next, _)| name < next).then_some(Self(ByName(named)))
    }
}

impl<T> ByName<T> {
    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| other.as_str().cmp(name))
    }

    fn get(&self, name: &str) -> Option<&T> {
        self.0.get(self.place(name).ok()?).map(|(_, it)| it)
    }

    fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        let place = self.place(name).ok()?;
        self.0.get_mut(place).map(|(_, it)| it)
    }

    /// Puts a thing in, in place of one of the same name.
    fn put(&mut self, name: &str, it: T) {
        match self.place(name) {
            Err(place) => self.0.insert(place, (name.to_owned(), it)),
            Ok(place) => {
                if let Some((_, there)) = self.0.get_mut(place) {
                    *there = it;
                }
            }
        }
    }
}

impl Serialize for ApplicationActions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.0.iter().map(|(name, actions)| (name, actions)))
    }
}

impl FromIterator<ApplicationPrivilege> for RegisteredPrivileges {
    fn from_iter<I: IntoIterator<Item = ApplicationPrivilege>>(privileges: I) -> Self {
        let mut registered = Self::default();
        for privilege in privileges {
            let ApplicationPrivilege { application, name, actions, .. } = privilege;
            match registered.0.get_mut(&application) {
                Some(known) => known.insert(&name, actions),
                None => {
                    let mut known = ApplicationActions::default();
                    known.insert(&name, actions);
                    registered.set(&application, known);
                }
            }
        }
        registered
    }
}

/// The name in the audit log.
impl fmt::Display for ApplicationPrivilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.application, self.name)
    }
}

impl fmt::Display for InvalidActions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the registered privileges of an application")
    }
}

impl std::error::Error for InvalidActions {}

/// Elasticsearch, `ApplicationPrivilege#validatePrivilegeName`.
fn problem_of_name(name: &str) -> Option<String> {
    let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_.-".contains(letter));
    (!is_name).then(|| {
        format!("Application privilege names must match the pattern ^[a-z][a-zA-Z0-9_.-]*$ (found '{name}')")
    })
}

/// An action without one of these characters would be taken for the name of a privilege.
fn problem_of_action(action: &str) -> Option<String> {
    let is_visible = action.chars().all(|letter| letter.is_ascii_graphic());
    let complaint = if !is_visible {
        "Application action names must consist of printable, visible ASCII characters"
    } else if action.contains(['/', '*', ':']) {
        return None;
    } else {
        "Application privilege actions must contain one of [/, *, :]"
    };
    Some(format!("{complaint} (found '{action}')"))
}
