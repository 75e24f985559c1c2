mod concurrency;
mod directory;
mod epoch;
mod feed_pages;
mod groups;
mod keys;
mod postgres;
mod removal;
mod replicas;
mod transfer;
mod update;

use latchkey_key_feed::{Epoch, KeyId, KeySecret, Salt, SecretDigest, UnixMillis};
use serde_json::{Map, json};

use crate::audit::Actor;
use crate::security::role_descriptor::RoleDescriptors;
use crate::store::location::{PostgresLocation, StoreLocation};
use crate::store::scratch::{Place, Scratch};
use crate::store::{KeyFilter, KeyOwner, KeyStore, StoredKey};

/// A store of its own, in the database that the tests are run with.
pub(crate) struct ScratchStore {
    pub(crate) store: KeyStore,
    pub(crate) place: Scratch,
}

impl ScratchStore {
    pub(crate) async fn new() -> Self {
        let place = Scratch::new().await;
        let store = open(&place, "epoch-1").await;
        Self { store, place }
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

async fn open(scratch: &Scratch, epoch: &str) -> KeyStore {
    let epoch = Epoch::try_from(epoch.to_owned()).unwrap();
    KeyStore::open(&location(scratch), epoch).await.unwrap()
}

fn location(scratch: &Scratch) -> StoreLocation {
    match &scratch.place {
        Place::File(file) => StoreLocation::File(file.clone()),
        Place::Database(url) => StoreLocation::Postgres(PostgresLocation::parse(url).unwrap()),
    }
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
