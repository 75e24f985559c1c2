use latchkey_key_feed::KeyId;
use serde_json::{Map, json};

use super::*;
use crate::model::stored_token::{StoredToken, TokenClient, TokenId, TokenSubject};
use crate::model::token::IssuedTokens;
use crate::randomness::SystemRandomness;
use crate::store::tests::ScratchStore;

/// A pair that was just made.
pub(crate) fn stored_token(now: UnixMillis) -> StoredToken {
    StoredToken {
        id: TokenId(1),
        creation: now,
        access_expiration: UnixMillis(now.0 + 1_200_000),
        access_invalidation: None,
        refresh_invalidation: None,
        exchanged: None,
        subject: subject("alice", "file"),
        client: client(),
        runner_stamp: Some(PasswordStamp::from_bytes([8; 32])),
    }
}

fn subject(username: &str, realm: &str) -> TokenSubject {
    let user = KeyOwner {
        username: username.to_owned(),
        realm: realm.to_owned(),
        realm_type: Some("file".to_owned()),
        full_name: Some("Alice".to_owned()),
        email: None,
        metadata: Map::from_iter([("office".to_owned(), json!(7))]),
    };
    TokenSubject {
        user,
        roles: vec!["own".to_owned()],
        api_key: None,
        stamp: Some(PasswordStamp::from_bytes([7; 32])),
    }
}

fn client() -> TokenClient {
    let api_key = Some(KeyId::try_from("id").unwrap());
    TokenClient { username: "kibana".to_owned(), realm: "_es_api_key".to_owned(), api_key }
}

fn actor() -> Actor {
    Actor {
        username: "kibana".to_owned(),
        realm: "file".to_owned(),
        api_key: None,
        run_as: None,
        source: None,
        via: None,
        preconditions: Vec::new(),
    }
}

struct Made {
    access: TokenDigest<Access>,
    refresh: Option<TokenDigest<Refresh>>,
}

async fn make(store: &KeyStore, subject: TokenSubject, with_refresh: bool, at: u64) -> Made {
    let issued = IssuedTokens::draw(&SystemRandomness, with_refresh).unwrap();
    let token = new_token(&issued, subject, at);
    assert!(store.tokens().create(token, actor()).await.unwrap());
    Made { access: issued.access.digest(), refresh: issued.refresh.map(|token| token.digest()) }
}

fn new_token(issued: &IssuedTokens, subject: TokenSubject, at: u64) -> NewToken {
    NewToken {
        access: issued.access.digest(),
        refresh: issued.refresh.as_ref().map(|token| token.digest()),
        creation: UnixMillis(at),
        access_expiration: UnixMillis(at + 1_200_000),
        subject,
        client: client(),
        runner_stamp: Some(PasswordStamp::from_bytes([8; 32])),
        parent: None,
    }
}

fn of(username: Option<&str>, realm: Option<&str>) -> TokenSelection {
    TokenSelection::Of { username: username.map(str::to_owned), realm: realm.map(str::to_owned) }
}

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
const NOW: u64 = 10 * DAY_MS;

#[tokio::test]
async fn finds_a_pair_by_either_half_as_it_was_made() {
    let scratch = ScratchStore::new().await;
    assert!(!scratch.store.tokens().has_had_any().await.unwrap());
    let made = make(&scratch.store, subject("alice", "file"), true, NOW).await;
    assert!(scratch.store.tokens().has_had_any().await.unwrap());
    let by_access = scratch.store.tokens().find_access(&made.access).await.unwrap();
    let by_refresh = scratch.store.tokens().find_refresh(&made.refresh.unwrap()).await.unwrap();
    assert_eq!(by_access, by_refresh);
    let expected = stored_token(UnixMillis(NOW));
    assert_eq!(by_access, Some(expected));
    let other = TokenDigest::<Access>::from_bytes([9; 32]);
    assert_eq!(scratch.store.tokens().find_access(&other).await.unwrap(), None);
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_once() {
    let scratch = ScratchStore::new().await;
    let made = make(&scratch.store, subject("alice", "file"), true, NOW).await;
    let digest = made.refresh.unwrap();
    let old = scratch.store.tokens().find_refresh(&digest).await.unwrap().unwrap();
    let next = || {
        let issued = IssuedTokens::draw(&SystemRandomness, true).unwrap();
        (SuccessorSeed::draw(&SystemRandomness).unwrap(), new_token(&issued, old.subject.clone(), NOW + 5))
    };
    let (seed, token) = next();
    let access = token.access;
    assert!(scratch.store.tokens().exchange(old.id, seed, token, actor()).await.unwrap());
    let (second_seed, second) = next();
    let second_access = second.access;
    assert!(!scratch.store.tokens().exchange(old.id, second_seed, second, actor()).await.unwrap());
    let found = scratch.store.tokens().find_refresh(&digest).await.unwrap().unwrap();
    assert_eq!(found.exchanged, Some((UnixMillis(NOW + 5), seed)));
    assert!(scratch.store.tokens().find_access(&access).await.unwrap().is_some());
    assert!(scratch.store.tokens().find_access(&second_access).await.unwrap().is_none());
}

// A grant by password counts two, and each half ends without the other.
#[tokio::test]
async fn ends_the_selected_halves_and_counts_them() {
    let scratch = ScratchStore::new().await;
    let store = &scratch.store;
    let pair = make(store, subject("alice", "file"), true, NOW).await;
    make(store, subject("alice", "native"), true, NOW).await;
    make(store, subject("bob", "file"), false, NOW).await;
    make(store, subject("bob", "file"), true, NOW - DAY_MS).await;
    let end = async |selection: TokenSelection| {
        let done = store.tokens().invalidate(selection, actor(), UnixMillis(NOW + 1)).await.unwrap();
        (done.invalidated, done.previously_invalidated)
    };
    assert_eq!(end(TokenSelection::Access(pair.access)).await, (1, 0));
    assert_eq!(end(TokenSelection::Access(pair.access)).await, (0, 1));
    let found = store.tokens().find_access(&pair.access).await.unwrap().unwrap();
    assert_eq!(found.access_invalidation, Some(UnixMillis(NOW + 1)));
    assert_eq!(found.refresh_invalidation, None);
    assert_eq!(end(TokenSelection::Refresh(TokenDigest::from_bytes([9; 32]))).await, (0, 0));
    assert_eq!(end(of(Some("carol"), None)).await, (0, 0));
    assert_eq!(end(of(Some("alice"), Some("file"))).await, (1, 1), "the access token was ended before");
    assert_eq!(end(of(Some("alice"), Some("file"))).await, (0, 0), "nothing of it lives");
    assert_eq!(end(of(None, Some("file"))).await, (1, 0), "bob's; the pair of yesterday is dead");
    assert_eq!(end(of(Some("alice"), None)).await, (2, 0));
    let audit_log = store.database.token_events().await;
    let ended: Vec<&str> = audit_log
        .iter()
        .filter(|(action, _)| action == "invalidate_tokens")
        .map(|(_, tokens)| tokens.as_str())
        .collect();
    assert_eq!(
        ended,
        [
            r#"{"username":"alice","realm":"file","count":1}"#,
            r#"{"username":"alice","realm":"file","count":1}"#,
            r#"{"realm":"file","count":1}"#,
            r#"{"username":"alice","count":2}"#,
        ]
    );
}

#[tokio::test]
async fn removes_what_is_a_day_old_at_most_every_half_hour() {
    let scratch = ScratchStore::new().await;
    let store = &scratch.store;
    let old = make(store, subject("alice", "file"), true, NOW - DAY_MS).await;
    let young = make(store, subject("alice", "file"), true, NOW - DAY_MS + 1).await;
    assert_eq!(store.tokens().remove_dead(UnixMillis(NOW)).await.unwrap(), 1);
    assert!(store.tokens().find_access(&old.access).await.unwrap().is_none());
    let half_hour = 30 * 60 * 1_000;
    assert_eq!(store.tokens().remove_dead(UnixMillis(NOW + half_hour - 1)).await.unwrap(), 0);
    assert!(store.tokens().find_access(&young.access).await.unwrap().is_some());
    assert_eq!(store.tokens().remove_dead(UnixMillis(NOW + half_hour)).await.unwrap(), 1);
    assert!(store.tokens().has_had_any().await.unwrap(), "for good");
}

#[tokio::test]
async fn removes_more_than_fit_into_one_transaction() {
    let scratch = ScratchStore::new().await;
    let store = &scratch.store;
    store.database.fill_with_dead_tokens(TOKENS_REMOVED_MAX + 1).await;
    let removed = store.tokens().remove_dead(UnixMillis(NOW)).await.unwrap();
    assert_eq!(removed, u64::from(TOKENS_REMOVED_MAX) + 1);
}
