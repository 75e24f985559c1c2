//! Role descriptors: what a role, or a key, may do.
//!
//! They are read from requests with Elasticsearch's messages (see [`RoleDescriptors::parse`]), and stored and
//! shown in the same form. They are checked in two steps: a wrong shape is refused while it is read, and
//! invalid values are listed by [`RoleDescriptors::problems`].

mod parser;
mod question;
mod role_query;
mod validation;

use std::collections::BTreeMap;

use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::Node;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

pub use parser::problem_of_name;
pub use validation::{
    InvalidApplicationName, REMOTE_CLUSTER_PRIVILEGES, Stars, check_application_name,
    is_application_privilege,
};

/// Most complaints in one answer. Each may list all privileges.
pub const PROBLEMS_TOLD_MAX: usize = 100;

/// Longest name of a role, in characters (Elasticsearch 8.15; older versions allow 1024).
pub const ROLE_NAME_CHARS_MAX: usize = 507;

/// Role descriptors by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RoleDescriptors(BTreeMap<String, RoleDescriptor>);

/// What one role may do. It serializes in the form in which Elasticsearch shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RoleDescriptor {
    /// Privileges over what is not an index.
    #[serde(default)]
    pub cluster: Vec<String>,
    /// Privileges that are limited to some applications. Stored and shown; no action of this service uses
    /// them.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub global: Map<String, Value>,
    /// Privileges over indices.
    #[serde(default)]
    pub indices: Vec<IndexPrivileges>,
    /// Privileges inside applications.
    #[serde(default)]
    pub applications: Vec<ApplicationPrivileges>,
    /// Patterns over the names of users that may be impersonated.
    #[serde(default)]
    pub run_as: Vec<String>,
    /// Whatever its maker attached to it.
    #[serde(default)]
    pub metadata: Map<String, Value>,
    /// A text for people.
    #[serde(default, skip_deserializing)]
    pub transient_metadata: TransientMetadata,
    /// Privileges over indices of other clusters. Kept and shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remote_indices: Vec<RemoteIndexPrivileges>,
    /// Privileges over other clusters. Kept and shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remote_cluster: Vec<RemoteClusterPrivileges>,
    /// What the role is restricted to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restriction: Option<Restriction>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Privileges over some indices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IndexPrivileges {
    /// Patterns over the names of indices.
    pub names: Vec<String>,
    /// Names of privileges, or patterns over actions.
    pub privileges: Vec<String>,
    /// Which fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field_security: Option<FieldSecurity>,
    /// Which documents: a query as JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Whether the patterns also match indices that hold security data.
    #[serde(default)]
    pub allow_restricted_indices: bool,
}

/// Which fields of documents.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FieldSecurity {
    /// These.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Vec<String>>,
    /// But not these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub except: Option<Vec<String>>,
}

/// Privileges over some resources of an application.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ApplicationPrivileges {
    /// The application's name, or a pattern.
    pub application: String,
    /// Names of privileges, or patterns over actions.
    pub privileges: Vec<String>,
    /// Patterns over the names of resources.
    pub resources: Vec<String>,
}

/// Privileges over some indices of some other clusters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RemoteIndexPrivileges {
    /// Which indices, and what may be done with them.
    #[serde(flatten)]
    pub indices: IndexPrivileges,
    /// Patterns over the names of clusters.
    pub clusters: Vec<String>,
}

/// Privileges over some other clusters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RemoteClusterPrivileges {
    /// Names of privileges.
    pub privileges: Vec<String>,
    /// Patterns over the names of clusters.
    pub clusters: Vec<String>,
}

/// What a role is restricted to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Restriction {
    /// The only workflows in which the role grants anything.
    pub workflows: Vec<String>,
}

/// `{"enabled":true}`: Elasticsearch shows it with every role, and drops what a request says of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransientMetadata;

impl RoleDescriptors {
    /// Reads the object `role_descriptors` of a request.
    ///
    /// # Errors
    ///
    /// `parse_exception` or `validation_exception` for the first descriptor that is not understood. A field
    /// of an object parser wraps it.
    pub fn parse(node: &Node) -> Result<Self, ErrorCause> {
        parser::role_descriptors(node).map(Self)
    }

    /// Whether there is none: a key without descriptors inherits its owner's.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The descriptor of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&RoleDescriptor> {
        self.0.get(name)
    }

    /// The names and descriptors, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RoleDescriptor)> {
        self.0.iter().map(|(name, role)| (name.as_str(), role))
    }

    /// All invalid values, for the list of a failed validation.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        self.0.values().flat_map(validation::problems).take(PROBLEMS_TOLD_MAX).collect()
    }

    /// Whether a key may create another key with these: there is at least one, and none grants anything.
    #[must_use]
    pub fn are_explicitly_powerless(&self) -> bool {
        !self.0.is_empty() && self.0.values().all(RoleDescriptor::is_empty)
    }

    /// Refuses several descriptors for a key if one of them is restricted.
    ///
    /// # Errors
    ///
    /// `illegal_argument_exception`.
    pub fn refuse_mixed_restrictions(&self) -> Result<(), ErrorCause> {
        let restricted = self.0.values().filter(|role| role.is_restricted()).count();
        if restricted > 1 {
            let reason = "more than one role descriptor with restriction is not supported";
            return Err(ErrorCause::illegal_argument(reason));
        }
        if restricted == 1 && self.0.len() > 1 {
            let reason = "combining role descriptors with and without restriction is not supported";
            return Err(ErrorCause::illegal_argument(reason));
        }
        Ok(())
    }

    /// Refuses an owner whose own descriptors are restricted.
    ///
    /// # Errors
    ///
    /// `illegal_argument_exception`.
    pub fn refuse_restricted_owner(&self) -> Result<(), ErrorCause> {
        if self.0.values().any(RoleDescriptor::is_restricted) {
            let reason = "owner user role descriptors must not include restriction";
            return Err(ErrorCause::illegal_argument(reason));
        }
        Ok(())
    }
}

impl RoleDescriptor {
    /// Reads one role for users, which cannot be restricted to a workflow.
    ///
    /// # Errors
    ///
    /// `validation_exception` for the name, `parse_exception` for what is not understood.
    pub fn parse(name: &str, node: &Node) -> Result<Self, ErrorCause> {
        let role = parser::named_role(name, node)?;
        match role.restriction {
            None => Ok(role),
            Some(_) => {
                let reason = format!("failed to parse role [{name}]. unexpected field [restriction]");
                Err(ErrorCause::parse(reason))
            }
        }
    }

    /// Whether it grants nothing and has no metadata. A description does not matter.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cluster.is_empty()
            && self.global.is_empty()
            && self.indices.is_empty()
            && self.applications.is_empty()
            && self.run_as.is_empty()
            && self.metadata.is_empty()
            && self.remote_indices.is_empty()
            && self.remote_cluster.is_empty()
            && self.restriction.is_none()
    }

    /// Whether it is restricted to some workflows.
    #[must_use]
    pub fn is_restricted(&self) -> bool {
        self.restriction.is_some()
    }
}

impl FromIterator<(String, RoleDescriptor)> for RoleDescriptors {
    fn from_iter<I: IntoIterator<Item = (String, RoleDescriptor)>>(roles: I) -> Self {
        Self(roles.into_iter().collect())
    }
}

impl Serialize for TransientMetadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([("enabled", true)])
    }
}

#[cfg(test)]
mod tests;
