//! The rules of keys: how a key is made, and when a credential is valid.
//!
//! A key's id is 15 bytes, its secret 128 random bits. The id begins with the time, so that new keys lie next
//! to each other in the store's index, and ends in random bytes. The secret is shown once, in the answer that
//! issues it; what is kept is a salted digest.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use latchkey_key_feed::format_limits::SALT_LEN;
use latchkey_key_feed::{
    KeptSecrets, KeyId, KeySecret, Salt, SecretDigest, SecretPrefix, UnixMillis, is_expired,
};
use zeroize::Zeroizing;

use crate::limits::{KEY_ID_RANDOM_LEN, KEY_SECRET_RANDOM_LEN};
use crate::model::precondition::Precondition;
use crate::randomness::{NoRandomness, Randomness, draw};
use crate::security::credential::ApiKeyCredential;
use crate::store::key_entry::KeyEntry;

/// Bytes of the time at the start of an id: enough milliseconds for 8,900 years.
const ID_TIME_LEN: usize = 6;

/// A secret at the only moment when it may be shown.
///
/// Not `Clone`, not `Serialize`: it goes from the random source into one answer. Its memory is wiped when it
/// is dropped.
#[derive(derive_more::Debug)]
#[debug("IssuedKey({id})")]
pub(crate) struct IssuedKey {
    id: KeyId,
    secret: Zeroizing<String>,
}

/// A key whose secret was presented, or a token that acts as it, and which may be used now. Made by
/// [`verify`] and [`of_token`] alone.
#[derive(Clone, Debug)]
pub(crate) struct VerifiedKey {
    key: Arc<KeyEntry>,
    /// The digest of the secret that was presented; `None` when it was a token.
    presented: Option<SecretDigest>,
}

/// A key that has ended, and whose secret was presented. It authenticates nobody.
#[derive(Clone, Debug)]
pub(crate) struct EndedKey(Arc<KeyEntry>);

/// Why a credential is not a usable key, in the order of the checks (Elasticsearch, `ApiKeyService`).
/// Its name, in snake case, is in the metrics and in the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", prefix = "key_")]
pub enum KeyRejection {
    /// No key has this id.
    #[error("unable to find apikey with id {0}")]
    Unknown(String),
    /// The key was invalidated.
    #[error("api key [{0}] has been invalidated")]
    Invalidated(KeyId),
    /// The secret is not the key's.
    #[error("invalid credentials for API key [{0}]")]
    #[strum(serialize = "secret_wrong")]
    WrongSecret(KeyId),
    /// The key has expired.
    #[error("api key is expired")]
    Expired(KeyId),
    /// The key's owner is disabled, and the key with it.
    #[error("api key [{0}] is suspended, because its owner is disabled")]
    Suspended(KeyId),
}

impl IssuedKey {
    /// Draws a new key. Its secret begins with the prefix, if there is one.
    ///
    /// # Errors
    ///
    /// [`NoRandomness`] when the source has none.
    pub(crate) fn draw(
        randomness: &dyn Randomness,
        now: UnixMillis,
        prefix: Option<&SecretPrefix>,
    ) -> Result<(Self, KeptSecrets), NoRandomness> {
        let mut id: [u8; KEY_ID_RANDOM_LEN] = draw(randomness)?;
        let time = now.0.to_be_bytes();
        for (byte, of_time) in id.iter_mut().zip(time.iter().skip(time.len() - ID_TIME_LEN)) {
            *byte = *of_time;
        }
        // Base64url has no colon, and 20 characters are within the limit.
        let id = KeyId::try_from(URL_SAFE_NO_PAD.encode(id)).map_err(|_| NoRandomness)?;
        let salt = Salt::from_bytes(draw::<SALT_LEN>(randomness)?);
        let (issued, digest) = Self::draw_secret(id, &salt, randomness, prefix)?;
        Ok((issued, KeptSecrets::one(salt, digest)))
    }

    /// Draws another secret for a key, whose salt stays.
    ///
    /// # Errors
    ///
    /// [`NoRandomness`] when the source has none.
    pub(crate) fn draw_secret(
        id: KeyId,
        salt: &Salt,
        randomness: &dyn Randomness,
        prefix: Option<&SecretPrefix>,
    ) -> Result<(Self, SecretDigest), NoRandomness> {
        let random = draw::<KEY_SECRET_RANDOM_LEN>(randomness)?;
        let secret = match prefix {
            Some(prefix) => prefix.secret(random),
            None => Zeroizing::new(URL_SAFE_NO_PAD.encode(random)),
        };
        let digest = SecretDigest::of(salt, &KeySecret::presented(secret.as_bytes().to_vec()));
        Ok((Self { id, secret }, digest))
    }

    /// The key's id.
    #[must_use]
    pub(crate) fn id(&self) -> &KeyId {
        &self.id
    }

    /// The secret, for the one answer that shows it.
    #[must_use]
    pub(crate) fn expose_secret(&self) -> &str {
        &self.secret
    }

    /// The credential as a client sends it after `ApiKey `: standard Base64 of `id:secret`.
    #[must_use]
    pub(crate) fn expose_encoded(&self) -> String {
        STANDARD.encode(format!("{}:{}", self.id, self.expose_secret()))
    }
}

impl VerifiedKey {
    /// The key.
    #[must_use]
    pub(crate) fn key(&self) -> &Arc<KeyEntry> {
        &self.key
    }

    /// The digest of the secret that was presented; `None` when it was a token.
    #[must_use]
    pub(crate) fn presented(&self) -> Option<SecretDigest> {
        self.presented
    }

    /// Whether it was the secret that the key had before its latest one. Whoever finds an old secret must not make another
    /// credential of it that outlives it.
    #[must_use]
    pub(crate) fn is_by_previous_secret(&self) -> bool {
        self.presented.is_some_and(|digest| digest != self.key.secrets.current)
    }

    /// What must still be valid when a change for this key is written.
    #[must_use]
    pub(crate) fn precondition(&self) -> Precondition {
        Precondition::Key { id: self.key.id.clone(), presented: self.presented }
    }

    /// The same key in its present state.
    ///
    /// # Errors
    ///
    /// [`KeyRejection`] when it has ended, or the secret that was presented is no longer one of its own.
    pub(crate) fn renewed(
        &self,
        found: Option<Arc<KeyEntry>>,
        now: UnixMillis,
    ) -> Result<Self, KeyRejection> {
        let key = refuse_ended(self.key.id.as_str(), found, now)?;
        if self.presented.is_some_and(|digest| key.secrets.of_digest(digest, now).is_none()) {
            return Err(KeyRejection::WrongSecret(key.id.clone()));
        }
        Ok(Self { key, presented: self.presented })
    }
}

impl EndedKey {
    /// The key.
    #[must_use]
    pub(crate) fn key(&self) -> &Arc<KeyEntry> {
        &self.0
    }

    /// The key that was verified a while ago, if it has ended since.
    #[must_use]
    pub(crate) fn of_verified(
        verified: &VerifiedKey,
        found: Option<Arc<KeyEntry>>,
        now: UnixMillis,
    ) -> Option<Self> {
        let digest = verified.presented?;
        let is_same = |key: &Arc<KeyEntry>| {
            key.secrets.salt == verified.key.secrets.salt && key.secrets.of_digest(digest, now).is_some()
        };
        found.filter(|key| is_same(key) && has_ended(key, now)).map(Self)
    }
}

/// The key that a credential proves and that has ended, if `found` is the key with its id.
#[must_use]
pub(crate) fn verify_ended(
    credential: &ApiKeyCredential,
    found: Option<Arc<KeyEntry>>,
    now: UnixMillis,
) -> Option<EndedKey> {
    let key = found?;
    let secret_matches = key.secrets.verify(&credential.secret, now).is_some();
    (secret_matches && has_ended(&key, now)).then_some(EndedKey(key))
}

fn has_ended(key: &KeyEntry, now: UnixMillis) -> bool {
    key.invalidation.is_some() || is_expired(key.expiration, now)
}

/// The key that a credential proves, if `found` is the key with its id.
///
/// The order of the checks is Elasticsearch's, so an invalidated key with a wrong secret is told it was
/// invalidated, and an expired one with a wrong secret that the secret is wrong. Every path hashes and
/// compares once.
///
/// # Errors
///
/// [`KeyRejection`], the first check that fails.
pub(crate) fn verify(
    credential: &ApiKeyCredential,
    found: Option<Arc<KeyEntry>>,
    now: UnixMillis,
) -> Result<VerifiedKey, KeyRejection> {
    let secrets = found.as_ref().map_or(KeptSecrets::DECOY, |key| key.secrets);
    let digest = SecretDigest::of(&secrets.salt, &credential.secret);
    let secret_matches = secrets.of_digest(digest, now).is_some();
    let key = found.ok_or_else(|| KeyRejection::Unknown(credential.id.clone()))?;
    if key.invalidation.is_none() && !secret_matches {
        return Err(KeyRejection::WrongSecret(key.id.clone()));
    }
    let key = refuse_ended(&credential.id, Some(key), now)?;
    Ok(VerifiedKey { key, presented: Some(digest) })
}

/// The key that a token acts as, which was found under its id.
///
/// # Errors
///
/// [`KeyRejection`] when there is none, or it has ended.
pub(crate) fn of_token(
    id: &str,
    found: Option<Arc<KeyEntry>>,
    now: UnixMillis,
) -> Result<VerifiedKey, KeyRejection> {
    let key = refuse_ended(id, found, now)?;
    Ok(VerifiedKey { key, presented: None })
}

/// The key that was found under an id, unless it has ended.
///
/// # Errors
///
/// [`KeyRejection`] when there is none, or it was invalidated, has expired or is suspended.
fn refuse_ended(
    id: &str,
    found: Option<Arc<KeyEntry>>,
    now: UnixMillis,
) -> Result<Arc<KeyEntry>, KeyRejection> {
    let key = found.ok_or_else(|| KeyRejection::Unknown(id.to_owned()))?;
    if key.invalidation.is_some() {
        return Err(KeyRejection::Invalidated(key.id.clone()));
    }
    if is_expired(key.expiration, now) {
        return Err(KeyRejection::Expired(key.id.clone()));
    }
    if key.is_suspended { Err(KeyRejection::Suspended(key.id.clone())) } else { Ok(key) }
}

impl KeyRejection {
    /// The id that was presented.
    #[must_use]
    pub fn claimed_id(&self) -> &str {
        match self {
            Self::Unknown(id) => id,
            Self::Invalidated(id) | Self::WrongSecret(id) | Self::Expired(id) | Self::Suspended(id) => {
                id.as_str()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::stored_key::StoredKey;
    use crate::randomness::SystemRandomness;
    use crate::store::tests::key;

    fn issue(now: u64) -> (IssuedKey, StoredKey) {
        let (issued, kept) = IssuedKey::draw(&SystemRandomness, UnixMillis(now), None).unwrap();
        let key = StoredKey { secrets: kept, ..key(issued.id().as_str()) };
        (issued, key)
    }

    fn entry(key: StoredKey) -> Arc<KeyEntry> {
        Arc::new(key.into())
    }

    fn credential(issued: &IssuedKey, secret: &str) -> ApiKeyCredential {
        ApiKeyCredential {
            id: issued.id().to_string(),
            secret: KeySecret::presented(secret.as_bytes().to_vec()),
        }
    }

    #[test]
    fn an_issued_key_has_the_formats_of_elasticsearch() {
        let (issued, _) = issue(1_767_225_600_000);
        assert_eq!((issued.id().as_str().len(), issued.expose_secret().len()), (20, 22));
        let encoded = issued.expose_encoded();
        assert_eq!(encoded.len(), 60);
        assert!(encoded.ends_with("=="));
        let decoded = String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap();
        assert_eq!(decoded, format!("{}:{}", issued.id(), issued.expose_secret()));
    }

    #[test]
    fn ids_of_one_moment_differ_and_later_ones_decode_to_more() {
        let (one, _) = issue(1_000);
        let (two, _) = issue(1_000);
        assert_ne!(one.id(), two.id());
        let bytes = |issued: &IssuedKey| URL_SAFE_NO_PAD.decode(issued.id().as_str()).unwrap();
        let (later, _) = issue(1_001);
        assert!(bytes(&later) > bytes(&one));
    }

    // Invalidated before wrong, wrong before expired (Elasticsearch,
    // `ApiKeyService#validateApiKeyCredentials`).
    #[test]
    fn rejects_in_the_order_of_elasticsearch() {
        let (issued, key) = issue(1);
        let id = issued.id();
        let right = credential(&issued, issued.expose_secret());
        let wrong = credential(&issued, "wrong");
        let expired = StoredKey { expiration: Some(UnixMillis(10)), ..key.clone() };
        let ended = StoredKey { invalidation: Some(UnixMillis(5)), ..expired.clone() };
        for (credential, found, words) in [
            (&right, None, format!("unable to find apikey with id {id}")),
            (&right, Some(ended.clone()), format!("api key [{id}] has been invalidated")),
            (&wrong, Some(ended), format!("api key [{id}] has been invalidated")),
            (&wrong, Some(expired.clone()), format!("invalid credentials for API key [{id}]")),
            (&right, Some(expired), "api key is expired".to_owned()),
        ] {
            let rejection = verify(credential, found.map(entry), UnixMillis(10)).unwrap_err();
            assert_eq!(rejection.to_string(), words);
        }
        assert!(verify(&right, Some(entry(key)), UnixMillis(10)).is_ok());
    }

    #[test]
    fn only_the_right_secret_proves_what_a_key_was() {
        let (issued, key) = issue(1);
        let right = credential(&issued, issued.expose_secret());
        let expired = StoredKey { expiration: Some(UnixMillis(10)), ..key.clone() };
        let ended = StoredKey { invalidation: Some(UnixMillis(5)), ..key.clone() };
        for (credential, found, proves) in [
            (&right, Some(&ended), true),
            (&right, Some(&expired), true),
            (&right, Some(&key), false),
            (&right, None, false),
            (&credential(&issued, "wrong"), Some(&ended), false),
        ] {
            let found = found.cloned().map(entry);
            assert_eq!(verify_ended(credential, found, UnixMillis(10)).is_some(), proves);
        }
        let verified = verify(&right, Some(entry(key.clone())), UnixMillis(1)).unwrap();
        let since = |found: StoredKey| EndedKey::of_verified(&verified, Some(entry(found)), UnixMillis(5));
        assert!(since(ended.clone()).is_some());
        assert!(since(key).is_none());
        let elsewhere = KeptSecrets { salt: Salt::from_bytes([9; 16]), ..ended.secrets };
        assert!(since(StoredKey { secrets: elsewhere, ..ended }).is_none(), "another secret");
    }

    // Of a long key nothing else is read before.
    #[test]
    fn a_key_of_which_only_the_entry_was_read_proves_as_much() {
        let (issued, key) = issue(1);
        let found = || Some(Arc::new(KeyEntry { whole: None, ..key.clone().into() }));
        let right = credential(&issued, issued.expose_secret());
        assert!(verify(&right, found(), UnixMillis(1)).is_ok());
        let refused = verify(&credential(&issued, "wrong"), found(), UnixMillis(1)).unwrap_err();
        assert_eq!(refused, KeyRejection::WrongSecret(issued.id().clone()));
    }

    #[test]
    fn nothing_secret_is_printed() {
        let (issued, _) = issue(1);
        assert!(!format!("{issued:?}").contains(issued.expose_secret()));
    }
}
