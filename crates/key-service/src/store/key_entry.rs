//! A key as it is looked up by whoever is to be proven by it.
//!
//! Role descriptors and metadata may be megabytes, which anybody may have made and anybody may ask for. What
//! a secret is compared with is short; so only that is read of a long key, and the rest once somebody has
//! proven himself, where it keeps nobody waiting.

use std::sync::Arc;

use latchkey_budget::Principal;
use latchkey_key_feed::{KeptSecrets, KeyId, UnixMillis};
use tokio::sync::Mutex;

use crate::model::stored_key::StoredKey;
use crate::store::sql::key_rows;
use crate::store::{KeyStore, StoreError};

/// What a proof needs of a key, alive or dead, as it is stored.
#[derive(Debug)]
pub struct KeyEntry {
    /// The public half of the credential.
    pub id: KeyId,
    /// What is kept of its secrets.
    pub secrets: KeptSecrets,
    /// The owner's name within the realm.
    pub username: String,
    /// The owner's realm.
    pub realm: String,
    /// When it ends; `None` is never.
    pub expiration: Option<UnixMillis>,
    /// When it was invalidated; `None` while it was not.
    pub invalidation: Option<UnixMillis>,
    /// Whether it does not work until its owner is enabled again.
    pub is_suspended: bool,
    /// The whole key; `None` when its texts are long, and have not been read.
    pub whole: Option<Arc<StoredKey>>,
    /// Held by whoever reads the rest, for all who share this reading.
    pub rest: Mutex<()>,
}

/// Whether there is a key that may be used at this moment.
///
/// # Errors
///
/// [`StoreError`] when the store cannot tell.
pub(crate) async fn any_is_active(store: &KeyStore, now: UnixMillis) -> Result<bool, StoreError> {
    key_rows::any_is_active(&store.database, now).await
}

impl KeyEntry {
    /// Who pays for what the key costs: its owner.
    #[must_use]
    pub fn principal(&self) -> Principal {
        Principal::new(&self.username, &self.realm)
    }

    /// Whether this is the entry of a later reading of the same key.
    #[must_use]
    pub fn is_of(&self, key: &StoredKey) -> bool {
        (&self.id, &self.secrets) == (&key.id, &key.secrets)
    }
}

impl From<StoredKey> for KeyEntry {
    fn from(key: StoredKey) -> Self {
        Self {
            id: key.id.clone(),
            secrets: key.secrets,
            username: key.owner.username.clone(),
            realm: key.owner.realm.clone(),
            expiration: key.expiration,
            invalidation: key.invalidation,
            is_suspended: key.is_suspended,
            whole: Some(Arc::new(key)),
            rest: Mutex::default(),
        }
    }
}
