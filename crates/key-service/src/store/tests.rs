mod applications;
mod concurrency;
mod directory;
mod epoch;
mod feed_pages;
mod groups;
mod keys;
mod opaque_keys;
mod postgres;
mod precedence;
mod preconditions;
mod removal;
mod replicas;
mod rights;
mod scans;
mod searches;
mod service_accounts;
mod shut_out;
mod transfer;
mod update;
mod vouching;

use std::sync::atomic::{AtomicU32, Ordering};

use latchkey_budget::Cancellation;
use latchkey_key_feed::{
    Epoch, FeedPage, FeedPageWithRights, FeedVersion, KeptSecrets, KeyId, KeySecret, Salt, SecretDigest,
    UnixMillis,
};
use latchkey_privileges::application_privilege::ApplicationPrivilege;
use latchkey_privileges::role_descriptor::RoleDescriptors;
use latchkey_privileges::vouching::Vouching;
use serde_json::{Map, json};

use crate::audit::Actor;
use crate::model::key_usage::KeyUsage;
use crate::model::stored_key::{KeyOwner, StoredKey};
use crate::store::directory::PutPrivileges;
use crate::store::location::{PostgresLocation, StoreLocation};
use crate::store::scratch::{Scratch, ScratchLocation};
use crate::store::{FeedPosition, KeyFilter, KeyStore, StoreError};

/// A store of its own, in the database that the tests are run with.
pub(crate) struct ScratchStore {
    pub(crate) store: KeyStore,
    pub(crate) place: Scratch,
}

/// How many stores were made.
static MADE: AtomicU32 = AtomicU32::new(1);

impl ScratchStore {
    pub(crate) async fn new() -> Self {
        let place = Scratch::new().await;
        // Each store has an epoch of its own: those of one PostgreSQL hear each other's announcements, and
        // tell them apart by it.
        let store = open(&place, &format!("epoch-{}", MADE.fetch_add(1, Ordering::Relaxed))).await;
        Self { store, place }
    }

    /// The same store, opened once more.
    pub(crate) async fn another_opening(&self) -> KeyStore {
        open(&self.place, "of no opening").await
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

impl ScratchStore {
    /// As if changes had been made up to here, and nobody told of them.
    pub(crate) async fn set_latest(&self, seq: i64) {
        self.store.database.set_latest(seq).await;
    }

    /// As if the rows up to here had been removed for good.
    pub(crate) async fn set_purged_through(&self, seq: i64) {
        self.store.database.set_purged_through(seq).await;
    }
}

impl KeyStore {
    /// The key with this id, dead or alive, whole.
    pub(crate) async fn find(&self, id: &str) -> Result<Option<StoredKey>, StoreError> {
        self.find_unread(id).await?.map(crate::store::sql::UnreadKey::read).transpose()
    }

    /// A page as a follower reads it.
    pub(crate) async fn parsed_page(
        &self,
        position: impl Into<FeedPosition>,
        rows_max: u32,
    ) -> Result<FeedPage, StoreError> {
        let position = position.into();
        let text = self.feed_page(position, rows_max).await?;
        Ok(FeedPage::parse(&text.to_json().unwrap(), position.after).unwrap())
    }
}

impl KeyStore {
    /// A page of version 2 as a follower reads it.
    pub(crate) async fn page_with_rights(
        &self,
        after: latchkey_key_feed::Cursor,
        purged: Option<latchkey_key_feed::Cursor>,
        rows_max: u32,
    ) -> FeedPageWithRights {
        let position = FeedPosition { after, purged, version: FeedVersion::V2 };
        let text = self.feed_page(position, rows_max).await.unwrap();
        FeedPageWithRights::parse(&text.to_json().unwrap(), after).unwrap()
    }

    /// Registers what one application may be asked about.
    pub(crate) async fn register(&self, application: &str, name: &str, action: &str) {
        let privilege = ApplicationPrivilege {
            application: application.to_owned(),
            name: name.to_owned(),
            actions: vec![action.to_owned()],
            ..ApplicationPrivilege::default()
        };
        let put = self
            .directory()
            .put_application_privileges(vec![privilege], actor(), UnixMillis(5))
            .await
            .unwrap();
        assert!(matches!(put, PutPrivileges::Done(_)));
    }
}

async fn open(scratch: &Scratch, epoch: &str) -> KeyStore {
    let epoch = Epoch::try_from(epoch.to_owned()).unwrap();
    KeyStore::open(&location(scratch), epoch).await.unwrap()
}

fn location(scratch: &Scratch) -> StoreLocation {
    match &scratch.place {
        ScratchLocation::File(file) => StoreLocation::File(file.clone()),
        ScratchLocation::Database(url) => StoreLocation::Postgres(PostgresLocation::parse(url).unwrap()),
    }
}

pub(crate) fn actor() -> Actor {
    Actor {
        username: "elastic".into(),
        realm: "reserved".into(),
        api_key: None,
        run_as: None,
        source: None,
        via: None,
        preconditions: Vec::new(),
    }
}

pub(crate) fn key(id: &str) -> StoredKey {
    let salt = Salt::from_bytes([3; 16]);
    StoredKey {
        is_suspended: false,
        id: KeyId::try_from(id).unwrap(),
        secrets: KeptSecrets::one(
            salt,
            SecretDigest::of(&salt, &KeySecret::presented(id.as_bytes().to_vec())),
        ),
        rotation: None,
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
        vouching: Vouching { roles: true, metadata: false },
        usage: KeyUsage::default(),
    }
}

fn roles(value: serde_json::Value) -> RoleDescriptors {
    serde_json::from_value(value).unwrap()
}

fn object(value: serde_json::Value) -> Map<String, serde_json::Value> {
    value.as_object().unwrap().clone()
}
