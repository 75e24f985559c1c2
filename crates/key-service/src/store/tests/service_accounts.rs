//! Service accounts: users without a password, whose keys stop and work again with them.

use latchkey_key_feed::{Cursor, FeedRow, KeyId, UnixMillis};
use latchkey_privileges::vouching::Vouching;
use serde_json::json;

use super::directory::{hash, native, profile};
use super::{ScratchStore, actor, key, location, roles};
use crate::model::precondition::Precondition;
use crate::model::stored_key::StoredKey;
use crate::model::stored_user::{Proof, UserProfile};
use crate::store::directory::users::{KeysLeft, KeysOfUser, UserRefusal};
use crate::store::transfer::{self, StoreReader, WhenThere};
use crate::store::{KeyStore, StoreError};

const NOW: UnixMillis = UnixMillis(7);

/// Of five keys.
const TWO_AT_ONCE: KeysOfUser = KeysOfUser::Suspend { at_once_max: 2 };

/// A key of this owner, of whose roles and metadata somebody vouches for all.
fn owned(id: &str, username: &str, realm: &str) -> StoredKey {
    let mut owned = key(id);
    (owned.owner.username, owned.owner.realm) = (username.into(), realm.into());
    owned.role_descriptors = roles(json!({"admin": {}}));
    owned.vouching = Vouching { roles: true, metadata: true };
    owned
}

/// With three keys of the account `team`, two that these made, and one each of others.
async fn with_keys() -> ScratchStore {
    let scratch = ScratchStore::new().await;
    let users = scratch.store.users();
    let (account, keep) = (native("team"), KeysOfUser::Keep);
    let put = users.put(account, profile("r"), Proof::ServiceAccount, keep, actor(), NOW).await;
    put.unwrap().unwrap();
    for (id, username, realm) in [
        ("a", "team", "native"),
        ("b", "team", "native"),
        ("made-1", "team", "_es_api_key"),
        ("of-file", "team", "file"),
        ("c", "team", "native"),
        ("made-2", "team", "_es_api_key"),
        ("of-alice", "alice", "native"),
    ] {
        scratch.store.create(owned(id, username, realm), actor(), NOW).await.unwrap();
    }
    scratch
}

async fn disable(store: &KeyStore, keys: KeysOfUser) -> KeysLeft {
    store.users().disable(native("team"), keys, actor(), NOW).await.unwrap().unwrap()
}

async fn enable(store: &KeyStore) -> KeysLeft {
    store.users().enable(native("team"), actor(), NOW).await.unwrap().unwrap()
}

/// What the feed says after a position: of each key its id, and whether it is there and vouched for.
async fn rows(store: &KeyStore, after: Cursor) -> Vec<(String, bool)> {
    let page = store.parsed_page(after, 100).await.unwrap();
    let row = |row: FeedRow| match row {
        FeedRow::Live { record, .. } => {
            (record.id.to_string(), record.vouched_roles == ["admin"] && record.metadata_vouched)
        }
        FeedRow::Removed { id, .. } => (id.to_string(), false),
    };
    page.keys.into_iter().map(row).collect()
}

fn all(ids: [&str; 5], are_there: bool) -> Vec<(String, bool)> {
    ids.map(|id| (id.to_owned(), are_there)).to_vec()
}

fn ids(left: &KeysLeft) -> Vec<&str> {
    left.told.iter().map(|id| id.as_str()).collect()
}

async fn is_suspended(store: &KeyStore, id: &str) -> bool {
    store.find_entry(id).await.unwrap().unwrap().is_suspended
}

const ALL: [&str; 5] = ["a", "b", "made-1", "c", "made-2"];

#[tokio::test]
async fn keys_stop_with_their_account_and_come_back_with_it() {
    let scratch = with_keys().await;
    let store = &scratch.store;
    let before = store.latest().await.unwrap();
    let left = disable(store, TWO_AT_ONCE).await;
    assert_eq!(ids(&left), ALL, "in parts, but all of them");
    assert_eq!((left.ended.len(), left.working, left.cursor), (0, 0, Some(store.latest().await.unwrap())));
    assert_eq!(rows(store, before).await, all(ALL, false));
    for (id, expected) in [("a", true), ("made-2", true), ("of-file", false), ("of-alice", false)] {
        assert_eq!(is_suspended(store, id).await, expected, "{id}");
    }
    let between = store.latest().await.unwrap();
    let back = enable(store).await;
    assert_eq!((ids(&back), back.cursor), (ALL.to_vec(), Some(store.latest().await.unwrap())));
    // What was vouched for still is, though the keys have other sequence numbers.
    assert_eq!(rows(store, between).await, all(ALL, true));
    assert!(!is_suspended(store, "a").await);
    assert_eq!(ids(&enable(store).await), [""; 0], "they work already");
    assert_eq!(store.find("a").await.unwrap().unwrap(), owned("a", "team", "native"));
}

// A follower that loads reads rows by themselves where a text holds the separator.
#[tokio::test]
async fn a_key_that_is_read_by_itself_stops_too() {
    let scratch = with_keys().await;
    let separated = StoredKey { name: "a\u{1f}b".into(), ..owned("d", "team", "native") };
    scratch.store.create(separated, actor(), NOW).await.unwrap();
    disable(&scratch.store, KeysOfUser::SUSPEND).await;
    let live: Vec<_> = rows(&scratch.store, Cursor(0)).await.into_iter().filter(|(_, live)| *live).collect();
    assert_eq!(live, [("of-file".to_owned(), true), ("of-alice".to_owned(), true)]);
}

#[tokio::test]
async fn what_a_key_asked_for_is_not_written_once_it_is_suspended() {
    let scratch = with_keys().await;
    let store = &scratch.store;
    let id = "a".to_owned().try_into().unwrap();
    let by_key = || actor().depending_on([Precondition::Key { id: KeyId::clone(&id), presented: None }]);
    store.create(key("first"), by_key(), NOW).await.unwrap();
    disable(store, KeysOfUser::SUSPEND).await;
    let refused = store.create(key("second"), by_key(), NOW).await.unwrap_err();
    assert!(matches!(refused, StoreError::PreconditionFailed(_)), "{refused}");
    enable(store).await;
    store.create(key("third"), by_key(), NOW).await.unwrap();
}

#[tokio::test]
async fn only_keys_of_service_accounts_are_suspended() {
    let scratch = with_keys().await;
    let users = scratch.store.users();
    let (alice, keep) = (native("alice"), KeysOfUser::Keep);
    users.put(alice.clone(), profile("r"), Some(hash("x")), keep, actor(), NOW).await.unwrap().unwrap();
    let left = users.disable(alice, KeysOfUser::SUSPEND, actor(), NOW).await.unwrap().unwrap();
    assert_eq!((left.told.len(), left.working), (0, 1));
    assert!(!is_suspended(&scratch.store, "of-alice").await);
}

#[tokio::test]
async fn a_password_makes_no_service_account_and_a_service_account_has_none() {
    let scratch = with_keys().await;
    let users = scratch.store.users();
    let keep = KeysOfUser::Keep;
    let put = async |name: &str, proof: Proof| {
        users.put(native(name), profile("r"), proof, keep, actor(), NOW).await.unwrap().map(|_| ())
    };
    assert_eq!(put("team", Proof::from(Some(hash("x")))).await, Err(UserRefusal::ServiceAccount));
    assert_eq!(put("team", Proof::Unchanged).await, Ok(()));
    assert_eq!(put("team", Proof::ServiceAccount).await, Ok(()));
    assert_eq!(put("alice", Proof::from(Some(hash("x")))).await, Ok(()));
    assert_eq!(put("alice", Proof::ServiceAccount).await, Err(UserRefusal::NoServiceAccount));
    assert!(!users.change_password(native("team"), hash("x"), actor(), NOW).await.unwrap());
    assert!(users.native("team").await.unwrap().unwrap().is_service_account());
    // Nobody could log in, were it not for alice.
    assert!(users.has_enabled().await.unwrap());
    users.delete(native("alice"), keep, actor(), NOW).await.unwrap();
    assert!(!users.has_enabled().await.unwrap());
}

#[tokio::test]
async fn an_account_that_is_written_as_disabled_takes_its_keys_with_it() {
    let scratch = with_keys().await;
    let put = async |enabled: bool| {
        let profile = UserProfile { enabled, ..profile("r") };
        let users = scratch.store.users();
        let put = users.put(native("team"), profile, Proof::Unchanged, TWO_AT_ONCE, actor(), NOW).await;
        put.unwrap().unwrap().1
    };
    assert_eq!(ids(&put(false).await), ALL);
    assert!(is_suspended(&scratch.store, "a").await);
    assert_eq!(ids(&put(true).await), ALL);
    assert!(!is_suspended(&scratch.store, "a").await);
}

#[tokio::test]
async fn an_export_keeps_what_is_suspended() {
    let scratch = with_keys().await;
    disable(&scratch.store, KeysOfUser::SUSPEND).await;
    let reader = StoreReader::open(&location(&scratch.place)).await.unwrap();
    let (_, mut entries) = reader.entries().await.unwrap();
    let mut moved = Vec::new();
    while let Some(entry) = entries.recv().await {
        moved.push(Ok::<_, std::convert::Infallible>(entry.unwrap()));
    }
    let other = ScratchStore::new().await;
    transfer::import(&other.store, moved.into_iter(), WhenThere::Refuse, actor(), NOW).await.unwrap();
    assert!(is_suspended(&other.store, "made-1").await);
    assert!(!rows(&other.store, Cursor(0)).await.contains(&("a".to_owned(), true)));
    assert_eq!(enable(&other.store).await.told.len(), 5);
    assert!(rows(&other.store, Cursor(0)).await.contains(&("a".to_owned(), true)));
}

#[tokio::test]
async fn users_of_an_earlier_version_have_their_passwords() {
    let scratch = ScratchStore::new().await;
    let (alice, keep) = (native("alice"), KeysOfUser::Keep);
    let users = scratch.store.users();
    users.put(alice.clone(), profile("r"), Some(hash("x")), keep, actor(), NOW).await.unwrap().unwrap();
    scratch.store.create(owned("k", "alice", "native"), actor(), NOW).await.unwrap();
    scratch.store.database.forget_service_accounts().await;
    scratch.store.close().await;
    let store = scratch.another_opening().await;
    let user = store.users().native("alice").await.unwrap().unwrap();
    assert_eq!((user.is_service_account(), user.profile), (false, profile("r")));
    store.users().disable(alice, KeysOfUser::SUSPEND, actor(), NOW).await.unwrap().unwrap();
    assert_eq!(rows(&store, Cursor(0)).await, [("k".to_owned(), true)]);
}
