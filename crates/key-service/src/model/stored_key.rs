//! A key as it is stored, and its owner.

use latchkey_key_feed::{KeptSecrets, KeyId, UnixMillis};
use latchkey_privileges::role_descriptor::RoleDescriptors;
use latchkey_privileges::vouching::Vouching;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::key_usage::KeyUsage;

/// A key, alive or dead, as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredKey {
    /// The public half of the credential.
    pub id: KeyId,
    /// What is kept of its secrets.
    pub secrets: KeptSecrets,
    /// When it was last given another secret; `None` when it never was.
    pub rotation: Option<UnixMillis>,
    /// The name its maker gave it.
    pub name: String,
    /// On whose behalf it acts.
    pub owner: KeyOwner,
    /// When it was made.
    pub creation: UnixMillis,
    /// When it ends; `None` is never.
    pub expiration: Option<UnixMillis>,
    /// When it was invalidated; `None` while it was not.
    pub invalidation: Option<UnixMillis>,
    /// Its own role descriptors by name; empty when it inherits its owner's.
    pub role_descriptors: RoleDescriptors,
    /// Its owner's role descriptors when it was made, by name.
    pub limited_by: RoleDescriptors,
    /// What its maker attached to it.
    pub metadata: Map<String, Value>,
    /// Which of its data are vouched for.
    pub vouching: Vouching,
    /// Whether it has stopped with its owner, and would work again with it. No data of the key: it stands with the owner.
    pub is_suspended: bool,
    /// How often it was used. No change of the key: whoever writes the key does not write this.
    pub usage: KeyUsage,
}

/// The owner of a key, as the owner was when the key was made. In this form it is in a line of an export.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyOwner {
    /// The name within the realm.
    pub username: String,
    /// The realm's name.
    pub realm: String,
    /// The realm's type, when it is known.
    pub realm_type: Option<String>,
    /// The full name, if there is one.
    pub full_name: Option<String>,
    /// The email address, if there is one.
    pub email: Option<String>,
    /// What the realm knows besides.
    pub metadata: Map<String, Value>,
}

impl StoredKey {
    /// Those of its own role descriptors that are vouched for, by name.
    #[must_use]
    pub fn vouched_roles(&self) -> Vec<&str> {
        self.vouching.vouched_names(&self.role_descriptors, &self.limited_by)
    }
}
