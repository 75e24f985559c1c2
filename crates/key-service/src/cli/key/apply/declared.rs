//! What a file of declarations says.

use std::collections::BTreeMap;
use std::path::PathBuf;

use latchkey_privileges::application_privilege::ApplicationPrivilege;
use latchkey_privileges::role_descriptor::{RoleDescriptor, RoleDescriptors};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

/// The field of metadata that says which set of declarations something belongs to. One that begins with `_` would be
/// refused.
pub(super) const MARK: &str = "latchkey_apply";

/// The field of metadata of what an `apply` has begun and not ended: a key whose credential nobody may have got, an
/// owner of which keys may have limits of before.
pub(super) const PENDING: &str = "latchkey_apply_pending";

/// A file of declarations.
#[derive(Default)]
pub(super) struct Declared {
    /// The name of the set, and its line.
    pub(super) set: Option<Declaration<String>>,
    pub(super) roles: BTreeMap<String, Declaration<RoleDescriptor>>,
    /// By application and name.
    pub(super) privileges: BTreeMap<(String, String), Declaration<ApplicationPrivilege>>,
    pub(super) owners: BTreeMap<String, Declaration<DeclaredOwner>>,
    /// The roles of users who are there already.
    pub(super) users: BTreeMap<String, Declaration<Vec<String>>>,
    pub(super) keys: Vec<DeclaredKey>,
}

/// Something that is declared, and where.
pub(super) struct Declaration<T> {
    pub(super) line: u64,
    pub(super) value: T,
}

#[derive(Default)]
pub(super) struct DeclaredOwner {
    pub(super) roles: Vec<String>,
    pub(super) full_name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) metadata: Map<String, Value>,
}

#[derive(Default)]
pub(super) struct DeclaredKey {
    pub(super) line: u64,
    pub(super) owner: String,
    pub(super) name: String,
    pub(super) role_descriptors: RoleDescriptors,
    pub(super) end: End,
    pub(super) metadata: Map<String, Value>,
    pub(super) secret: DeclaredSecret,
}

/// When a key ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    /// As the service's settings say for a new key, and as before for one that is there.
    #[default]
    Unsaid,
    Never,
    /// So many seconds after it was made.
    After(i64),
    /// At this moment, in milliseconds since 1970.
    At(u64),
}

/// What a client presents.
pub(super) enum DeclaredSecret {
    /// A key that was made elsewhere, or `sha256:` and its digest.
    Known(Zeroizing<String>),
    /// The service draws it, and it goes into this file. Without one it is shown.
    Drawn(Option<PathBuf>),
}

impl Default for DeclaredSecret {
    fn default() -> Self {
        Self::Drawn(None)
    }
}

impl DeclaredKey {
    /// The metadata, with the set that the key belongs to.
    pub(super) fn marked(&self, set: &str) -> Map<String, Value> {
        marked(&self.metadata, set)
    }
}

impl End {
    /// The moment at which a key ends that was made at this moment; `None` where there is none, or none is said.
    pub(super) fn of_key_made(&self, creation: u64) -> Option<u64> {
        match self {
            Self::Unsaid | Self::Never => None,
            Self::After(seconds) => Some(creation.saturating_add_signed(seconds.saturating_mul(1_000))),
            Self::At(moment) => Some(*moment),
        }
    }

    /// Whether it is a moment that has passed.
    pub(super) fn has_passed(&self, now: u64) -> bool {
        matches!(self, Self::At(moment) if *moment <= now)
    }
}

/// The metadata, with the set that it belongs to.
pub(super) fn marked(metadata: &Map<String, Value>, set: &str) -> Map<String, Value> {
    let mut metadata = metadata.clone();
    metadata.insert(MARK.to_owned(), json!(set));
    metadata
}
