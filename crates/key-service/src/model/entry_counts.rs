//! How much an export holds.

use serde::{Deserialize, Serialize};

/// How many entries there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntryCounts {
    /// Users of the native realm.
    pub users: u64,
    /// Built-in users that were changed.
    pub reserved_users: u64,
    /// Roles.
    pub roles: u64,
    /// Application privileges.
    pub application_privileges: u64,
    /// API keys, dead ones included.
    pub api_keys: u64,
}
