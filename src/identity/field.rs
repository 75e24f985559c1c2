//! What can be told of every key, and under which names.

use crate::table::RecordText;

/// What the filter can tell of every key.
///
/// Whoever makes a key chooses its name, its metadata and the names of its role descriptors. The name is told
/// as the claim that it is. Of the others only what somebody vouches for is told, unless the operator asks
/// for claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityField {
    /// The key's id.
    Id,
    /// The key's name, which its maker chose.
    Name,
    /// The username of its owner.
    Owner,
    /// The realm of its owner.
    OwnerRealm,
    /// Names of those of the key's own role descriptors that somebody vouches for, or of its owner's roles
    /// when it has none of its own; a list.
    Roles,
    /// Names of the rest of its own role descriptors; a list.
    ClaimedRoles,
    /// Names of the roles its owner had; a list.
    LimitedBy,
    /// When it ends, in milliseconds since 1970. A key without an end has none.
    Expiration,
    /// `previous` when the key has been rotated and the request has its previous secret; nothing when it has the
    /// latest one.
    SecretUsed,
    /// The privileges of one application that it has, and on which resources, as JSON.
    Privileges,
}

impl IdentityField {
    /// All fields, in the order in which they are documented.
    pub const ALL: [Self; 10] = [
        Self::Id,
        Self::Name,
        Self::Owner,
        Self::OwnerRealm,
        Self::Roles,
        Self::ClaimedRoles,
        Self::LimitedBy,
        Self::Expiration,
        Self::SecretUsed,
        Self::Privileges,
    ];

    /// Those that are told unless the operator says otherwise.
    #[must_use]
    pub fn told_by_default() -> Vec<Self> {
        Self::ALL.into_iter().filter(|field| field.is_told_by_default()).collect()
    }

    /// Whether it is told unless the operator says otherwise. What a key only claims is not, and privileges are
    /// those of an application that the operator names.
    #[must_use]
    pub const fn is_told_by_default(self) -> bool {
        !matches!(self, Self::ClaimedRoles | Self::Privileges)
    }

    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::Owner => "owner",
            Self::OwnerRealm => "owner_realm",
            Self::Roles => "roles",
            Self::ClaimedRoles => "claimed_roles",
            Self::LimitedBy => "limited_by",
            Self::Expiration => "expiration",
            Self::SecretUsed => "secret_used",
            Self::Privileges => "privileges",
        }
    }

    /// Where the rest of the proxy finds it: filter state `wasm.` and this.
    #[must_use]
    pub const fn filter_state(self) -> &'static str {
        match self {
            Self::Id => "latchkey.id",
            Self::Name => "latchkey.name",
            Self::Owner => "latchkey.owner",
            Self::OwnerRealm => "latchkey.owner_realm",
            Self::Roles => "latchkey.roles",
            Self::ClaimedRoles => "latchkey.claimed_roles",
            Self::LimitedBy => "latchkey.limited_by",
            Self::Expiration => "latchkey.expiration",
            Self::SecretUsed => "latchkey.secret_used",
            Self::Privileges => "latchkey.privileges",
        }
    }

    /// What a record holds for it, besides the credential. Privileges are worked out from the rights of the
    /// key.
    #[must_use]
    pub const fn record_text(self) -> Option<RecordText> {
        match self {
            Self::Id | Self::Expiration | Self::SecretUsed | Self::Privileges => None,
            Self::Name => Some(RecordText::Name),
            Self::Owner => Some(RecordText::Owner),
            Self::OwnerRealm => Some(RecordText::OwnerRealm),
            Self::Roles => Some(RecordText::Roles),
            Self::ClaimedRoles => Some(RecordText::ClaimedRoles),
            Self::LimitedBy => Some(RecordText::LimitedBy),
        }
    }

    /// The header that tells it unless the operator says otherwise.
    #[must_use]
    pub const fn default_header(self) -> &'static str {
        match self {
            Self::Id => "x-api-key-id",
            Self::Name => "x-api-key-name",
            Self::Owner => "x-api-key-owner",
            Self::OwnerRealm => "x-api-key-owner-realm",
            Self::Roles => "x-api-key-roles",
            Self::ClaimedRoles => "x-api-key-claimed-roles",
            Self::LimitedBy => "x-api-key-limited-by",
            Self::Expiration => "x-api-key-expiration",
            Self::SecretUsed => "x-api-key-secret-used",
            Self::Privileges => "x-api-key-privileges",
        }
    }
}
