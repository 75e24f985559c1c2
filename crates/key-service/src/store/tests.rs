mod directory;
mod feed_pages;
mod keys;
mod removal;
mod update;

use latchkey_key_feed::{Epoch, KeyId, KeySecret, Salt, SecretDigest, UnixMillis};
use serde_json::{Map, json};
use tempfile::TempDir;

use crate::audit::Actor;
use crate::security::role_descriptor::RoleDescriptors;
use crate::store::{KeyFilter, KeyOwner, KeyStore, StoredKey};

/// A store in a directory of its own, which goes when this goes.
pub(crate) struct ScratchStore {
    pub(crate) store: KeyStore,
    pub(crate) directory: TempDir,
}

impl ScratchStore {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&directory, "epoch-1").await;
        Self { store, directory }
    }

    pub(crate) async fn create(&self, id: &str) -> StoredKey {
        let key = key(id);
        self.store.create(key.clone(), actor(), UnixMillis(1)).await.unwrap();
        key
    }

    pub(crate) async fn invalidate(&self, id: &str) -> Vec<KeyId> {
        let filter = KeyFilter { ids: Some(vec![id.to_owned()]), ..KeyFilter::default() };
        self.store.invalidate(filter, actor(), UnixMillis(5)).await.unwrap().outcome
    }
}

async fn open(directory: &TempDir, epoch: &str) -> KeyStore {
    let epoch = Epoch::try_from(epoch.to_owned()).unwrap();
    KeyStore::open(&directory.path().join("store.db"), epoch).await.unwrap()
}

fn actor() -> Actor {
    Actor { username: "elastic".into(), realm: "reserved".into(), api_key: None, run_as: None, source: None }
}

pub(crate) fn key(id: &str) -> StoredKey {
    let salt = Salt::from_bytes([3; 16]);
    StoredKey {
        id: KeyId::try_from(id).unwrap(),
        salt,
        digest: SecretDigest::of(&salt, &KeySecret::presented(id.as_bytes().to_vec())),
        name: format!("name of {id}"),
        owner: KeyOwner {
            username: "alice".into(),
            realm: "file".into(),
            realm_type: Some("file".into()),
            full_name: Some("Alice".into()),
            email: None,
            metadata: object(json!({"office": 7})),
        },
        creation: UnixMillis(1),
        expiration: Some(UnixMillis(1_000)),
        invalidation: None,
        role_descriptors: roles(json!({"reader": {"cluster": ["monitor"]}})),
        limited_by: roles(json!({"ops": {"cluster": ["all"]}, "dev": {}})),
        metadata: object(json!({"team": {"name": "x", "size": 2.5}})),
    }
}

fn roles(value: serde_json::Value) -> RoleDescriptors {
    serde_json::from_value(value).unwrap()
}

fn object(value: serde_json::Value) -> Map<String, serde_json::Value> {
    value.as_object().unwrap().clone()
}
