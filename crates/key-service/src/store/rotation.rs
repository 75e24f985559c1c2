//! Giving a living key another secret.

use std::sync::Arc;

use latchkey_key_feed::{KeptSecrets, Salt, SecretDigest, UnixMillis};

use crate::audit::{Actor, ChangeAction, ChangeEvent};
use crate::model::stored_key::StoredKey;
use crate::store::change::{Change, Changed, Verb};
use crate::store::update::UpdateRefusal;
use crate::store::{KeyStore, StoreError};

/// Another secret for one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyRotation {
    /// Which key.
    pub id: String,
    /// On whose word.
    pub by: RotatedBy,
    /// The salt of the key, with which the digest was made.
    pub salt: Salt,
    /// The digest of the new secret.
    pub next: SecretDigest,
    /// The first moment at which the present secret works no more; `None` when it ends with the change.
    pub until: Option<UnixMillis>,
}

/// Who asks for a rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RotatedBy {
    /// A user: the owner of the key.
    Owner {
        /// The name within the realm.
        username: String,
        /// The realm's name.
        realm: String,
    },
    /// The key itself, by the secret that has this digest. It must be the latest: otherwise whoever finds an old
    /// secret could take the key over.
    Itself(SecretDigest),
}

/// A key that has another secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RotatedKey {
    /// Its name.
    pub name: String,
    /// When it ends; `None` is never.
    pub expiration: Option<UnixMillis>,
}

/// What came of a rotation.
pub(crate) type RotationOutcome = Result<RotatedKey, UpdateRefusal>;

/// Gives a living key another secret, and tells what came of it.
///
/// # Errors
///
/// [`StoreError`] when it was not changed.
pub(crate) async fn rotate(
    store: &KeyStore,
    rotation: KeyRotation,
    actor: Actor,
    now: UnixMillis,
) -> Result<Changed<RotationOutcome>, StoreError> {
    let event = ChangeEvent { at: now, action: ChangeAction::RotateApiKey, actor, key_ids: Vec::new() };
    let done = store.queue.write(Change::new(Verb::Rotate(Arc::new(rotation)), event)).await?;
    let cursor = done.cursor();
    let outcome = done.rotation.ok_or(StoreError::Corrupt("outcome of a change"))?;
    Ok(Changed { outcome, cursor })
}

impl KeyRotation {
    /// The key with the other secret.
    ///
    /// # Errors
    ///
    /// [`UpdateRefusal`], the first that applies in this order: not found, invalidated, expired, rotated since.
    pub(crate) fn apply_to(
        &self,
        found: Option<StoredKey>,
        now: UnixMillis,
    ) -> Result<StoredKey, UpdateRefusal> {
        let key = found.filter(|key| self.is_about(key)).ok_or(UpdateRefusal::NotFound)?;
        if key.invalidation.is_some() {
            return Err(UpdateRefusal::Invalidated);
        }
        if key.expiration.is_some_and(|expiration| expiration < now) {
            return Err(UpdateRefusal::Expired);
        }
        if let RotatedBy::Itself(presented) = self.by
            && presented != key.secrets.current
        {
            return Err(UpdateRefusal::RotatedSince);
        }
        let secrets = match self.until {
            Some(until) => key.secrets.rotated(self.next, until),
            None => KeptSecrets::one(key.secrets.salt, self.next),
        };
        Ok(StoredKey { secrets, rotation: Some(now), ..key })
    }

    fn is_about(&self, key: &StoredKey) -> bool {
        let is_theirs = match &self.by {
            RotatedBy::Owner { username, realm } => {
                *username == key.owner.username && *realm == key.owner.realm
            }
            RotatedBy::Itself(_) => true,
        };
        // Another key of this id has come from a backup since.
        is_theirs && key.secrets.salt == self.salt
    }
}

#[cfg(test)]
mod tests {
    use latchkey_key_feed::{KeySecret, SecretUsed};

    use super::*;
    use crate::store::tests::key;

    const NOW: UnixMillis = UnixMillis(1_000);

    fn digest_of(secret: &str) -> SecretDigest {
        SecretDigest::of(&key("a").secrets.salt, &KeySecret::presented(secret.as_bytes().to_vec()))
    }

    fn rotation() -> KeyRotation {
        let owner = key("a").owner;
        let by = RotatedBy::Owner { username: owner.username, realm: owner.realm };
        KeyRotation {
            id: "a".to_owned(),
            by,
            salt: key("a").secrets.salt,
            next: digest_of("next"),
            until: Some(UnixMillis(5_000)),
        }
    }

    #[test]
    fn a_rotated_key_has_both_secrets_and_says_when() {
        let before = key("a");
        let after = rotation().apply_to(Some(before.clone()), NOW).unwrap();
        assert_eq!(after.rotation, Some(NOW));
        let used = |digest, now| after.secrets.of_digest(digest, UnixMillis(now));
        assert_eq!(used(digest_of("next"), 1_000), Some(SecretUsed::Current));
        assert_eq!(used(before.secrets.current, 4_999), Some(SecretUsed::Previous));
        assert_eq!(used(before.secrets.current, 5_000), None);
        let rest = StoredKey { secrets: before.secrets, rotation: None, ..after };
        assert_eq!(rest, before, "nothing else is changed");
    }

    #[test]
    fn without_an_overlap_nothing_is_kept_of_the_old_secret() {
        let after = KeyRotation { until: None, ..rotation() }.apply_to(Some(key("a")), NOW).unwrap();
        assert_eq!(after.secrets, KeptSecrets::one(key("a").secrets.salt, digest_of("next")));
    }

    #[test]
    fn only_a_living_key_of_the_owner_is_rotated() {
        let mut stranger = key("a");
        stranger.owner.username = "bob".to_owned();
        let dead = StoredKey { invalidation: Some(UnixMillis(2)), ..key("a") };
        let expired = StoredKey { expiration: Some(UnixMillis(999)), ..key("a") };
        let mut restored = key("a");
        restored.secrets.salt = Salt::from_bytes([9; 16]);
        for (found, refusal) in [
            (None, UpdateRefusal::NotFound),
            (Some(stranger), UpdateRefusal::NotFound),
            (Some(restored), UpdateRefusal::NotFound),
            (Some(dead), UpdateRefusal::Invalidated),
            (Some(expired), UpdateRefusal::Expired),
        ] {
            assert_eq!(rotation().apply_to(found, NOW), Err(refusal));
        }
    }

    #[test]
    fn a_key_rotates_itself_by_its_latest_secret_alone() {
        let by = |digest| KeyRotation { by: RotatedBy::Itself(digest), ..rotation() };
        let first = key("a").secrets.current;
        let once = by(first).apply_to(Some(key("a")), NOW).unwrap();
        assert_eq!(by(first).apply_to(Some(once.clone()), NOW), Err(UpdateRefusal::RotatedSince));
        assert!(by(digest_of("next")).apply_to(Some(once), NOW).is_ok());
    }
}
