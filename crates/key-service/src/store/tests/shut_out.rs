//! A user with many keys, who is shut out: the keys end in parts.

use latchkey_key_feed::{KeyId, UnixMillis};

use super::directory::{hash, native, profile};
use super::{ScratchStore, actor, key};
use crate::audit::directory_events::{DirectoryAction, DirectoryEvent};
use crate::model::stored_user::UserProfile;
use crate::store::directory::users::{KeysLeft, KeysOfUser};
use crate::store::sql::directory_rows::users;

const NOW: UnixMillis = UnixMillis(7);

/// Of five keys.
const TWO_AT_ONCE: KeysOfUser = KeysOfUser::End { at_once_max: 2 };

/// With three keys of alice, two that these made, and one of somebody else.
async fn with_keys() -> ScratchStore {
    let scratch = ScratchStore::new().await;
    let keys = [("a", "native"), ("b", "native"), ("made-1", "_es_api_key"), ("c", "native")];
    for (id, realm) in keys.into_iter().chain([("made-2", "_es_api_key"), ("other", "file")]) {
        let mut owned = key(id);
        owned.owner.realm = realm.into();
        scratch.store.create(owned, actor(), NOW).await.unwrap();
    }
    let password = Some(hash("first"));
    let users = scratch.store.users();
    users
        .put(native("alice"), profile("r"), password, KeysOfUser::Keep, actor(), NOW)
        .await
        .unwrap()
        .unwrap();
    scratch
}

fn assert_ended(left: &KeysLeft) {
    let ended: Vec<&str> = left.ended.iter().map(KeyId::as_str).collect();
    assert_eq!(ended, ["made-1", "made-2", "b", "c", "a"], "the oldest of their own come last");
    assert_eq!(left.working, 0);
}

/// What the trail has of the shutting out, in order: the action, and the ids of keys.
async fn trail(scratch: &ScratchStore) -> Vec<(String, String)> {
    let events = scratch.store.database.events().await.into_iter();
    events.skip(7).map(|(action, _, ids)| (action, ids)).collect()
}

fn told(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(action, ids)| ((*action).to_owned(), (*ids).to_owned())).collect()
}

#[tokio::test]
async fn who_is_disabled_has_no_key_left_however_many_there_were() {
    let scratch = with_keys().await;
    let store = &scratch.store;
    let left = store.users().disable(native("alice"), TWO_AT_ONCE, actor(), NOW).await.unwrap().unwrap();
    assert_ended(&left);
    assert_eq!(left.cursor, Some(store.latest().await.unwrap()), "where the last part left the feed");
    assert!(store.find("other").await.unwrap().unwrap().invalidation.is_none());
    let ends = "invalidate_api_keys";
    let expected = told(&[
        (ends, r#"["made-1","made-2"]"#),
        ("disable_user", "[]"),
        (ends, r#"["b","c"]"#),
        (ends, r#"["a"]"#),
    ]);
    assert_eq!(trail(&scratch).await, expected);
}

#[tokio::test]
async fn who_is_written_as_disabled_has_no_key_left() {
    let scratch = with_keys().await;
    let users = scratch.store.users();
    let disabled = UserProfile { enabled: false, ..profile("r") };
    let put = users.put(native("alice"), disabled, None, TWO_AT_ONCE, actor(), NOW).await.unwrap();
    assert_ended(&put.unwrap().1);
}

#[tokio::test]
async fn who_is_deleted_is_disabled_until_the_last_key_has_ended() {
    let scratch = with_keys().await;
    let (store, account) = (&scratch.store, native("alice"));
    let left = store.users().delete(account.clone(), TWO_AT_ONCE, actor(), NOW).await.unwrap().unwrap();
    assert_ended(&left);
    assert!(store.users().native("alice").await.unwrap().is_none());
    let actions: Vec<String> = trail(&scratch).await.into_iter().map(|(action, _)| action).collect();
    let ends = "invalidate_api_keys";
    assert_eq!(actions, [ends, "disable_user", ends, ends, "delete_user"]);
    assert_eq!(store.users().delete(account, TWO_AT_ONCE, actor(), NOW).await.unwrap(), None);
}

// Who is gone could not be named again, and the keys that are left would live for ever.
#[tokio::test]
async fn a_deletion_that_breaks_off_leaves_a_disabled_user_and_is_done_again() {
    let scratch = with_keys().await;
    let (store, account) = (&scratch.store, native("alice"));
    let subjects = vec!["alice".to_owned()];
    let event = DirectoryEvent { at: NOW, action: DirectoryAction::DeleteUser, actor: actor(), subjects };
    let (part, _) = users::delete_user(&store.database, &account, TWO_AT_ONCE, event).await.unwrap();
    let part = part.unwrap();
    assert_eq!((part.is_whole, part.left.ended.len()), (false, 2));
    assert!(!store.users().native("alice").await.unwrap().unwrap().profile.enabled);
    let left = store.users().delete(account, TWO_AT_ONCE, actor(), NOW).await.unwrap().unwrap();
    assert_eq!(left.ended.len(), 3);
    assert!(store.users().native("alice").await.unwrap().is_none());
}
