//! Nothing is written that was asked for by somebody who is no longer let in when it is written.

use latchkey_key_feed::{KeyId, KeySecret, SecretDigest, UnixMillis};
use latchkey_privileges::role_descriptor::RoleDescriptor;
use serde_json::{Map, Value, json};
use tracing::Instrument as _;

use super::{actor, key};
use crate::audit::{Actor, ChangeAction};
use crate::log_line::tests::Log;
use crate::model::password::{Password, PasswordHash};
use crate::model::password_stamp::PasswordStamp;
use crate::model::precondition::Precondition;
use crate::model::stored_key::StoredKey;
use crate::model::stored_user::{UserKind, UserProfile};
use crate::randomness::SystemRandomness;
use crate::store::directory::users::{Account, KeysOfUser};
use crate::store::rotation::{self, KeyRotation, RotatedBy};
use crate::store::tests::ScratchStore;
use crate::store::{KeyFilter, KeyStore, StoreError};

const NOW: UnixMillis = UnixMillis(7);

fn hash(password: &str) -> PasswordHash {
    PasswordHash::of(&Password::presented(password.as_bytes().to_vec()), &SystemRandomness).unwrap()
}

fn alice() -> Account {
    Account { username: "alice".to_owned(), realm: "native".to_owned(), kind: UserKind::Native }
}

fn by(kind: UserKind, username: &str, stamp: Option<PasswordStamp>) -> Actor {
    actor().depending_on([Precondition::User { kind, username: username.to_owned(), stamp }])
}

/// A store with the user alice, and the stamp of her password.
async fn with_alice() -> (ScratchStore, PasswordStamp) {
    let scratch = ScratchStore::new().await;
    let (full_name, email, metadata) = (None, None, Map::new());
    let profile = UserProfile { roles: Vec::new(), full_name, email, metadata, enabled: true };
    let password = hash("x");
    let stamp = PasswordStamp::of(&password);
    scratch
        .store
        .users()
        .put(alice(), profile, Some(password), KeysOfUser::Keep, actor(), NOW)
        .await
        .unwrap()
        .unwrap();
    (scratch, stamp)
}

/// That the key `parent` has not ended, and this is still a secret of it.
fn parent_key(presented: Option<SecretDigest>) -> Precondition {
    Precondition::Key { id: KeyId::try_from("parent").unwrap(), presented }
}

async fn makes_a_key(store: &KeyStore, actor: Actor) -> bool {
    let id = format!("k{}", store.parsed_page(latchkey_key_feed::Cursor(0), 100).await.unwrap().cursor.0);
    match store.create(key(&id), actor, NOW).await {
        Ok(()) => true,
        Err(StoreError::PreconditionFailed(_)) => {
            assert!(store.find(&id).await.unwrap().is_none());
            false
        }
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_native_user_makes_keys_while_enabled_and_with_the_same_password() {
    let (ScratchStore { store, place: _place }, stamp) = with_alice().await;
    let native = |stamp| by(UserKind::Native, "alice", stamp);
    assert!(makes_a_key(&store, native(Some(stamp))).await);
    store.users().change_password(alice(), hash("y"), actor(), NOW).await.unwrap();
    assert!(!makes_a_key(&store, native(Some(stamp))).await);
    assert!(makes_a_key(&store, native(None)).await);
    store.users().disable(alice(), KeysOfUser::Keep, actor(), NOW).await.unwrap().unwrap();
    assert!(!makes_a_key(&store, native(None)).await);
    store.users().enable(alice(), actor(), NOW).await.unwrap();
    assert!(makes_a_key(&store, native(None)).await);
    store.users().delete(alice(), KeysOfUser::Keep, actor(), NOW).await.unwrap().unwrap();
    assert!(!makes_a_key(&store, native(None)).await);
}

#[tokio::test]
async fn a_reserved_user_makes_keys_while_enabled_and_with_the_same_password() {
    let ScratchStore { store, place: _place } = ScratchStore::new().await;
    let elastic = || Account::reserved("elastic");
    let first = PasswordStamp::of(&hash("first"));
    let reserved = |stamp| by(UserKind::Reserved, "elastic", stamp);
    assert!(makes_a_key(&store, reserved(Some(first))).await);
    store.users().change_password(elastic(), hash("second"), actor(), NOW).await.unwrap();
    assert!(!makes_a_key(&store, reserved(Some(first))).await);
    assert!(makes_a_key(&store, reserved(None)).await);
    store.users().disable(elastic(), KeysOfUser::Keep, actor(), NOW).await.unwrap().unwrap();
    assert!(!makes_a_key(&store, reserved(None)).await);
}

#[tokio::test]
async fn a_key_makes_keys_until_it_is_invalidated() {
    let ScratchStore { store, place: _place } = ScratchStore::new().await;
    store.create(key("parent"), actor(), NOW).await.unwrap();
    let parent = || actor().depending_on([parent_key(None)]);
    assert!(makes_a_key(&store, parent()).await);
    let ids = KeyFilter { ids: Some(vec!["parent".to_owned()]), ..KeyFilter::default() };
    store.invalidate(ids, actor(), NOW).await.unwrap();
    assert!(!makes_a_key(&store, parent()).await);
}

#[tokio::test]
async fn a_key_makes_keys_while_its_secret_is_one_of_its_own() {
    let ScratchStore { store, place: _place } = ScratchStore::new().await;
    store.create(key("parent"), actor(), NOW).await.unwrap();
    let first = key("parent").secrets.current;
    let parent = |presented| actor().depending_on([parent_key(Some(presented))]);
    let next = |text: &str| {
        SecretDigest::of(&key("parent").secrets.salt, &KeySecret::presented(text.as_bytes().to_vec()))
    };
    let rotate = async |to, until| {
        let owner = key("parent").owner;
        let by = RotatedBy::Owner { username: owner.username, realm: owner.realm };
        let salt = key("parent").secrets.salt;
        let rotation = KeyRotation { id: "parent".to_owned(), by, salt, next: to, until };
        rotation::rotate(&store, rotation, actor(), NOW).await.unwrap().outcome.unwrap();
    };
    assert!(makes_a_key(&store, parent(first)).await);
    assert!(!makes_a_key(&store, parent(next("b"))).await);
    rotate(next("b"), Some(UnixMillis(NOW.0 + 1))).await;
    assert!(makes_a_key(&store, parent(first)).await);
    rotate(next("c"), Some(NOW)).await;
    assert!(!makes_a_key(&store, parent(first)).await);
    assert!(!makes_a_key(&store, parent(next("b"))).await, "its time is over");
    assert!(makes_a_key(&store, parent(next("c"))).await);
    rotate(next("d"), None).await;
    assert!(!makes_a_key(&store, parent(next("c"))).await);
    assert!(makes_a_key(&store, parent(next("d"))).await);
}

#[tokio::test]
async fn a_key_makes_keys_until_it_expires() {
    let ScratchStore { store, place: _place } = ScratchStore::new().await;
    let expiring = |at| StoredKey { expiration: Some(UnixMillis(at)), ..key("parent") };
    let parent = || actor().depending_on([parent_key(None)]);
    store.create(expiring(NOW.0 + 1), actor(), NOW).await.unwrap();
    assert!(makes_a_key(&store, parent()).await);
    let ScratchStore { store, place: _place } = ScratchStore::new().await;
    store.create(expiring(NOW.0), actor(), NOW).await.unwrap();
    assert!(!makes_a_key(&store, parent()).await);
}

#[tokio::test]
async fn who_is_shut_out_takes_nothing_from_the_others_of_a_group() {
    let ScratchStore { store, place: _place } = ScratchStore::new().await;
    let nobody = || by(UserKind::Native, "nobody", None);
    let add = async |id: &str, actor| store.add(vec![key(id)], ChangeAction::CreateApiKey, actor, NOW).await;
    let (first, refused, last) = tokio::join!(add("a", actor()), add("b", nobody()), add("c", actor()));
    assert!(first.is_ok() && last.is_ok());
    assert!(matches!(refused, Err(StoreError::PreconditionFailed(_))), "{refused:?}");
    assert!(store.find("b").await.unwrap().is_none());
    assert!(store.find("a").await.unwrap().is_some() && store.find("c").await.unwrap().is_some());
}

#[tokio::test]
async fn who_is_shut_out_changes_no_user_and_no_role() {
    let (ScratchStore { store, place: _place }, stamp) = with_alice().await;
    let own = || by(UserKind::Native, "alice", Some(stamp));
    store.users().disable(alice(), KeysOfUser::Keep, actor(), NOW).await.unwrap().unwrap();
    let password = store.users().change_password(alice(), hash("y"), own(), NOW).await;
    assert!(matches!(password, Err(StoreError::PreconditionFailed(_))), "{password:?}");
    assert!(matches!(
        store.users().enable(alice(), own(), NOW).await,
        Err(StoreError::PreconditionFailed(_))
    ));
    let role = store.directory().put_role("r".to_owned(), RoleDescriptor::default(), own(), NOW).await;
    assert!(matches!(role, Err(StoreError::PreconditionFailed(_))), "{role:?}");
    let kept = store.users().native("alice").await.unwrap().unwrap();
    assert!(!kept.profile.enabled && kept.password.as_ref().map(PasswordStamp::of) == Some(stamp));
}

// What comes too late is in the audit log like any refusal, whether or not somebody waits for the answer.
#[tokio::test]
async fn who_is_shut_out_is_in_the_trail() {
    let (ScratchStore { store, place: _place }, stamp) = with_alice().await;
    store.users().disable(alice(), KeysOfUser::Keep, actor(), NOW).await.unwrap().unwrap();
    store.create(key("parent"), actor(), NOW).await.unwrap();
    let ids = KeyFilter { ids: Some(vec!["parent".to_owned()]), ..KeyFilter::default() };
    store.invalidate(ids, actor(), NOW).await.unwrap();
    let (log, _guard) = Log::begin();
    let from_there =
        |precondition| Actor { source: "192.0.2.1".parse().ok(), ..actor().depending_on([precondition]) };
    let kind = UserKind::Native;
    let alice_alone = Precondition::User { kind, username: "alice".to_owned(), stamp: Some(stamp) };
    let parent = parent_key(None);
    let span = tracing::error_span!("request", request_id = "r-1");
    async {
        // With neighbours, so that all are written together first and one by one then.
        let add =
            async |id: &str, actor| store.add(vec![key(id)], ChangeAction::CreateApiKey, actor, NOW).await;
        let (good, by_alice, by_key) = tokio::join!(
            add("a", actor()),
            add("b", from_there(alice_alone.clone())),
            add("c", from_there(parent))
        );
        assert!(good.is_ok() && by_alice.is_err() && by_key.is_err());
        store.users().enable(alice(), from_there(alice_alone.clone()), NOW).await.unwrap_err();
        // Whoever hangs up is in it too.
        let gone = store.directory().put_role(
            "r".to_owned(),
            RoleDescriptor::default(),
            from_there(alice_alone),
            NOW,
        );
        tokio::select! {
            biased;
            outcome = gone => panic!("{outcome:?}"),
            () = async {} => {}
        }
    }
    .instrument(span)
    .await;
    let refused = || log.lines().into_iter().filter(|line| line["outcome"] == "unauthenticated");
    while refused().count() < 4 {
        tokio::task::yield_now().await;
    }
    let told: Vec<[Value; 3]> =
        refused().map(|line| ["action", "claimed", "reason"].map(|field| line[field].clone())).collect();
    let told_of = |action, claimed| [json!(action), json!(claimed), json!("shut_out")];
    assert_eq!(
        told,
        [
            told_of("create_api_key", "alice"),
            told_of("create_api_key", "parent"),
            told_of("enable_user", "alice"),
            told_of("put_role", "alice"),
        ]
    );
    for line in refused() {
        let who = ["target", "username", "source", "request_id"].map(|field| line[field].clone());
        assert_eq!(
            who,
            [json!("audit"), json!(actor().username), json!("192.0.2.1"), json!("r-1")],
            "{line}"
        );
    }
}
