//! What an edge needs to know of one key.

use crate::{KeptSecrets, KeyId, UnixMillis};

/// A key that has not been invalidated, as the feed carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// The public half of the credential.
    pub id: KeyId,
    /// What is kept of its secrets.
    pub secrets: KeptSecrets,
    /// When the key ends; `None` is never.
    pub expiration: Option<UnixMillis>,
    /// The name its maker gave it. Not unique.
    pub name: String,
    /// On whose behalf it acts.
    pub owner: Owner,
    /// Names of the key's own role descriptors; empty when it inherits all that its owner could do.
    pub roles: Vec<String>,
    /// Those of `roles` that somebody vouches for: the owner has a role of that name and content, or whoever
    /// wrote the descriptors was allowed to manage security. The others are claims of the key's maker. A key
    /// without roles of its own has its owner's, which are facts.
    pub vouched_roles: Vec<String>,
    /// Names of the roles its owner had when the key was made or last updated.
    pub limited_by: Vec<String>,
    /// Whatever its maker attached to it: a JSON object.
    pub metadata: String,
    /// Whether whoever wrote the metadata was allowed to manage security.
    pub metadata_vouched: bool,
}

/// A username, and the realm that vouched for it. Equal usernames of two realms are two owners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The name within the realm.
    pub username: String,
    /// The realm's name.
    pub realm: String,
}

/// Whether a key with this expiration has ended at `now`. The moment of its expiration is the first at which
/// it has (Elasticsearch, `ApiKeyService#validateApiKeyExpiration`).
#[must_use]
pub fn is_expired(expiration: Option<UnixMillis>, now: UnixMillis) -> bool {
    expiration.is_some_and(|end| end <= now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_ends_at_the_very_millisecond_of_its_expiration() {
        let end = Some(UnixMillis(1_000));
        assert!(!is_expired(end, UnixMillis(999)));
        assert!(is_expired(end, UnixMillis(1_000)));
        assert!(!is_expired(None, UnixMillis(u64::MAX)));
    }
}
