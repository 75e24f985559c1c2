//! What a key may do, without the names of roles: the form in which it travels and is kept.
//!
//! ```json
//! {"own":{"applications":[{"application":"shop","privileges":["read"],"resources":["orders/*"]}]},
//!  "limited_by":{"cluster":["all"],"indices":[{"names":["logs-*"],"privileges":["read"]}]}}
//! ```
//!
//! The descriptors of each side are united, and what grants nothing is left out: a descriptor that is
//! restricted to a workflow, a name that is no privilege, a block without names. Lists are sorted and hold
//! everything once. So keys with equal rights have equal bytes, however their roles are called and ordered,
//! and can share them.
//!
//! A key without descriptors of its own has no `own`. One whose descriptors grant nothing has an empty one,
//! and so no rights at all.

use std::fmt;

use serde::Serialize;

use crate::permission::EffectivePermission;
use crate::privilege::{ClusterPrivilege, IndexPrivilege};
use crate::role_descriptor::{ApplicationPrivileges, IndexPrivileges, RoleDescriptor, RoleDescriptors};
use crate::strict_json::{self, Fields, JsonValue, some_items, text};

/// What a key may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
pub struct Rights {
    /// By its own descriptors, if it has any.
    #[cfg_attr(test, serde(default))]
    #[serde(skip_serializing_if = "Option::is_none")]
    own: Option<Granted>,
    /// By its owner's roles.
    limited_by: Granted,
}

/// Bytes that are no rights. An unknown field makes them so, because it could restrict something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidRights;

/// What one side grants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
pub(crate) struct Granted {
    #[cfg_attr(test, serde(default))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) cluster: Vec<String>,
    #[cfg_attr(test, serde(default))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) indices: Vec<IndexRights>,
    #[cfg_attr(test, serde(default))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) applications: Vec<ApplicationRights>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
pub(crate) struct IndexRights {
    pub(crate) names: Vec<String>,
    pub(crate) privileges: Vec<String>,
    #[cfg_attr(test, serde(default))]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) allow_restricted_indices: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
pub(crate) struct ApplicationRights {
    pub(crate) application: String,
    pub(crate) privileges: Vec<String>,
    pub(crate) resources: Vec<String>,
}

impl Rights {
    /// The rights of a key: its own descriptors, limited by its owner's roles.
    #[must_use]
    pub fn of_key(assigned: &RoleDescriptors, limited_by: &RoleDescriptors) -> Self {
        let own = (!assigned.is_empty()).then(|| Granted::by(assigned));
        Self { own, limited_by: Granted::by(limited_by) }
    }

    /// Reads rights as [`to_json`](Self::to_json) writes them.
    ///
    /// # Errors
    ///
    /// [`InvalidRights`].
    pub fn of_json(json: &[u8]) -> Result<Self, InvalidRights> {
        strict_json::read(json).as_ref().and_then(Self::read).ok_or(InvalidRights)
    }

    /// The rights as compact JSON. Equal rights are equal bytes.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Lists of texts always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The same rights, to ask questions.
    #[must_use]
    pub fn permission(&self) -> EffectivePermission {
        EffectivePermission::by(self.own.as_ref(), &self.limited_by)
    }

    fn read(value: &JsonValue<'_>) -> Option<Self> {
        Fields::read(value, |fields| {
            let own = match fields.take("own") {
                Some(own) => Some(Granted::read(own)?),
                None => None,
            };
            Some(Self { own, limited_by: Granted::read(fields.take("limited_by")?)? })
        })
    }
}

impl Granted {
    fn by(roles: &RoleDescriptors) -> Self {
        let roles: Vec<&RoleDescriptor> =
            roles.iter().map(|(_, role)| role).filter(|role| !role.is_restricted()).collect();
        let cluster = roles.iter().flat_map(|role| &role.cluster);
        let cluster = cluster.filter_map(|name| ClusterPrivilege::resolve(name).ok());
        Self {
            cluster: sorted(cluster.map(|privilege| privilege.name().to_owned())),
            indices: sorted(roles.iter().flat_map(|role| &role.indices).filter_map(IndexRights::of)),
            applications: sorted(
                roles.iter().flat_map(|role| &role.applications).filter_map(ApplicationRights::of),
            ),
        }
    }

    fn read(value: &JsonValue<'_>) -> Option<Self> {
        Fields::read(value, |fields| {
            Some(Self {
                cluster: some_items(fields.take("cluster"), text)?,
                indices: some_items(fields.take("indices"), IndexRights::read)?,
                applications: some_items(fields.take("applications"), ApplicationRights::read)?,
            })
        })
    }
}

impl IndexRights {
    fn of(block: &IndexPrivileges) -> Option<Self> {
        let known = block.privileges.iter().filter(|name| IndexPrivilege::resolve(name).is_ok());
        let rights = Self {
            names: sorted(block.names.iter().cloned()),
            privileges: sorted(known.map(|name| name.to_ascii_lowercase())),
            allow_restricted_indices: block.allow_restricted_indices,
        };
        (!rights.names.is_empty() && !rights.privileges.is_empty()).then_some(rights)
    }

    fn read(value: &JsonValue<'_>) -> Option<Self> {
        Fields::read(value, |fields| {
            Some(Self {
                names: fields.texts("names")?,
                privileges: fields.texts("privileges")?,
                allow_restricted_indices: fields.flag("allow_restricted_indices")?,
            })
        })
    }
}

impl ApplicationRights {
    fn of(block: &ApplicationPrivileges) -> Option<Self> {
        let rights = Self {
            application: block.application.clone(),
            privileges: sorted(block.privileges.iter().cloned()),
            resources: sorted(block.resources.iter().cloned()),
        };
        (!rights.privileges.is_empty() && !rights.resources.is_empty()).then_some(rights)
    }

    fn read(value: &JsonValue<'_>) -> Option<Self> {
        Fields::read(value, |fields| {
            Some(Self {
                application: fields.text("application")?,
                privileges: fields.texts("privileges")?,
                resources: fields.texts("resources")?,
            })
        })
    }
}

fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.collect();
    items.sort_unstable();
    items.dedup();
    items
}

impl fmt::Display for InvalidRights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the rights of a key")
    }
}

impl std::error::Error for InvalidRights {}

#[cfg(test)]
mod tests;
