//! An entry as a line. These shapes are the format: a field that is renamed here breaks every file that was
//! written before.

use latchkey_key_feed::{
    KeptSecrets, KeyId, OpaqueKeyPepper, PreviousSecret, Salt, SecretDigest, UnixMillis,
};
use latchkey_privileges::application_privilege::ApplicationPrivilege;
use latchkey_privileges::role_descriptor::{RoleDescriptor, RoleDescriptors};
use latchkey_privileges::vouching::Vouching;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::entry_counts::EntryCounts;
use crate::model::key_usage::KeyUsage;
use crate::model::password::PasswordHash;
use crate::model::stored_key::{KeyOwner, StoredKey};
use crate::model::stored_user::{NativeUser, ReservedUser, UserProfile};
use crate::store::transfer::Entry;

/// Every line but the first, by its kind.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    User(UserLine),
    ReservedUser(ReservedUserLine),
    Role(RoleLine),
    ApplicationPrivilege(ApplicationPrivilegeLine),
    OpaqueKeyPepper(OpaqueKeyPepper),
    ApiKey(Box<ApiKeyLine>),
    /// The last line.
    End(EntryCounts),
}

/// What a line says.
pub(super) enum Content {
    Entry(Entry),
    End(EntryCounts),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserLine {
    username: String,
    /// Null for a service account, and never absent.
    #[serde(deserialize_with = "Option::deserialize")]
    password_hash: Option<String>,
    roles: Vec<String>,
    full_name: Option<String>,
    email: Option<String>,
    metadata: Map<String, Value>,
    enabled: bool,
    /// Of a service account whose keys are suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    suspended_realm: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReservedUserLine {
    username: String,
    password_hash: Option<String>,
    enabled: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleLine {
    name: String,
    descriptor: RoleDescriptor,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApplicationPrivilegeLine {
    application: String,
    name: String,
    actions: Vec<String>,
    metadata: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiKeyLine {
    id: KeyId,
    salt: Salt,
    digest: SecretDigest,
    /// These two are of a key that was rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rotation: Option<UnixMillis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous_secret: Option<PreviousSecretLine>,
    name: String,
    owner: KeyOwner,
    creation: UnixMillis,
    expiration: Option<UnixMillis>,
    invalidation: Option<UnixMillis>,
    role_descriptors: RoleDescriptors,
    limited_by: RoleDescriptors,
    metadata: Map<String, Value>,
    /// Version 1 has neither of these two.
    roles_vouched: Option<bool>,
    metadata_vouched: Option<bool>,
    /// What is known of its uses, if anything is.
    #[serde(default, skip_serializing_if = "KeyUsage::is_empty")]
    usage: KeyUsage,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PreviousSecretLine {
    digest: SecretDigest,
    until: UnixMillis,
}

/// An entry a part of which cannot be what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InvalidEntry {
    pub(super) part: &'static str,
}

impl From<Entry> for Line {
    fn from(entry: Entry) -> Self {
        match entry {
            Entry::User(user) => Self::User((*user).into()),
            Entry::ReservedUser(username, user) => {
                let ReservedUser { password, enabled } = *user;
                let password_hash = password.map(|hash| hash.to_string());
                Self::ReservedUser(ReservedUserLine { username, password_hash, enabled })
            }
            Entry::Role(name, descriptor) => Self::Role(RoleLine { name, descriptor: *descriptor }),
            Entry::ApplicationPrivilege(ApplicationPrivilege { application, name, actions, metadata }) => {
                Self::ApplicationPrivilege(ApplicationPrivilegeLine { application, name, actions, metadata })
            }
            Entry::OpaqueKeyPepper(pepper) => Self::OpaqueKeyPepper(pepper),
            Entry::ApiKey(key) => Self::ApiKey(Box::new((*key).into())),
        }
    }
}

impl TryFrom<Line> for Content {
    type Error = InvalidEntry;

    fn try_from(line: Line) -> Result<Self, InvalidEntry> {
        Ok(Self::Entry(match line {
            Line::User(user) => Entry::User(Box::new(user.try_into()?)),
            Line::ReservedUser(ReservedUserLine { username, password_hash, enabled }) => {
                let password = password_hash.as_deref().map(hash).transpose()?;
                Entry::ReservedUser(username, Box::new(ReservedUser { password, enabled }))
            }
            Line::Role(RoleLine { name, descriptor }) => Entry::Role(name, Box::new(descriptor)),
            Line::ApplicationPrivilege(line) => {
                let ApplicationPrivilegeLine { application, name, actions, metadata } = line;
                Entry::ApplicationPrivilege(ApplicationPrivilege { application, name, actions, metadata })
            }
            Line::OpaqueKeyPepper(pepper) => Entry::OpaqueKeyPepper(pepper),
            // Such an id could not be shown, and no service ever drew one.
            Line::ApiKey(key) if key.id.as_str().contains(char::is_control) => {
                return Err(InvalidEntry { part: "id" });
            }
            Line::ApiKey(key) => Entry::ApiKey(Box::new((*key).into())),
            Line::End(counts) => return Ok(Self::End(counts)),
        }))
    }
}

impl From<NativeUser> for UserLine {
    fn from(NativeUser { username, password, suspended_realm, profile }: NativeUser) -> Self {
        let UserProfile { roles, full_name, email, metadata, enabled } = profile;
        let password_hash = password.map(|hash| hash.to_string());
        Self { username, password_hash, roles, full_name, email, metadata, enabled, suspended_realm }
    }
}

impl TryFrom<UserLine> for NativeUser {
    type Error = InvalidEntry;

    fn try_from(line: UserLine) -> Result<Self, InvalidEntry> {
        let UserLine { username, password_hash, roles, full_name, email, metadata, enabled, suspended_realm } =
            line;
        // Keys are suspended of a disabled service account alone.
        if suspended_realm.is_some() && (enabled || password_hash.is_some()) {
            return Err(InvalidEntry { part: "suspended_realm" });
        }
        let password = password_hash.as_deref().map(hash).transpose()?;
        let profile = UserProfile { roles, full_name, email, metadata, enabled };
        Ok(Self { username, password, suspended_realm, profile })
    }
}

fn hash(text: &str) -> Result<PasswordHash, InvalidEntry> {
    PasswordHash::try_from(text).map_err(|_| InvalidEntry { part: "password_hash" })
}

impl From<StoredKey> for ApiKeyLine {
    fn from(key: StoredKey) -> Self {
        let KeptSecrets { salt, current, previous } = key.secrets;
        Self {
            id: key.id,
            salt,
            digest: current,
            rotation: key.rotation,
            previous_secret: previous
                .map(|PreviousSecret { digest, until }| PreviousSecretLine { digest, until }),
            name: key.name,
            owner: key.owner,
            creation: key.creation,
            expiration: key.expiration,
            invalidation: key.invalidation,
            role_descriptors: key.role_descriptors,
            limited_by: key.limited_by,
            metadata: key.metadata,
            roles_vouched: Some(key.vouching.roles),
            metadata_vouched: Some(key.vouching.metadata),
            usage: key.usage,
        }
    }
}

impl From<ApiKeyLine> for StoredKey {
    fn from(line: ApiKeyLine) -> Self {
        let of_owner = Vouching::of_owner(&line.limited_by);
        Self {
            // The line of the owner says it.
            is_suspended: false,
            id: line.id,
            secrets: KeptSecrets {
                salt: line.salt,
                current: line.digest,
                previous: line
                    .previous_secret
                    .map(|PreviousSecretLine { digest, until }| PreviousSecret { digest, until }),
            },
            rotation: line.rotation,
            name: line.name,
            owner: line.owner,
            creation: line.creation,
            expiration: line.expiration,
            invalidation: line.invalidation,
            role_descriptors: line.role_descriptors,
            limited_by: line.limited_by,
            metadata: line.metadata,
            vouching: Vouching {
                roles: line.roles_vouched.unwrap_or(of_owner.roles),
                metadata: line.metadata_vouched.unwrap_or(of_owner.metadata),
            },
            usage: line.usage,
        }
    }
}
