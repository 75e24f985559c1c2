use std::time::Duration;

use latchkey_key_feed::Cursor;
use proptest::prelude::*;

use super::feed_pages::Followed;
use super::*;
use crate::store::removal::{self, RemovalPolicy};

/// Keys go once they have been dead for 100 ms; every run is due.
const POLICY: RemovalPolicy =
    RemovalPolicy { interval: Duration::ZERO, retention: Duration::from_millis(100), audit_retention: None };

impl ScratchStore {
    async fn remove_at(&self, now: u64) -> usize {
        removal::remove_dead_keys(&self.store, &POLICY, UnixMillis(now)).await.unwrap()
    }

    async fn create_with(&self, id: &str, expiration: Option<u64>) {
        let key = StoredKey { expiration: expiration.map(UnixMillis), ..key(id) };
        self.store.create(key, actor(), UnixMillis(1)).await.unwrap();
    }

    async fn ids(&self) -> Vec<String> {
        let keys = self.store.scan(&KeyFilter::default(), Cancellation::default()).all().await.unwrap();
        keys.iter().map(|key| key.id.to_string()).collect()
    }
}

// Elasticsearch, `InactiveApiKeysRemover`.
#[tokio::test]
async fn removes_keys_that_have_been_dead_for_the_retention_period() {
    let scratch = ScratchStore::new().await;
    scratch.create_with("alive", None).await;
    scratch.create_with("expires-later", Some(2_000)).await;
    scratch.create_with("expired", Some(10)).await;
    scratch.create_with("ended", None).await;
    scratch.invalidate("ended").await;
    assert_eq!(scratch.remove_at(104).await, 0);
    assert_eq!(scratch.remove_at(105).await, 1, "invalidated at 5");
    assert!(scratch.store.find("ended").await.unwrap().is_none());
    assert_eq!(scratch.remove_at(109).await, 0);
    assert_eq!(scratch.remove_at(110).await, 1, "expired at 10");
    assert_eq!(scratch.ids().await, ["alive", "expires-later"]);
    let page = scratch.store.parsed_page(Cursor(0), 10).await.unwrap();
    assert_eq!(page.total, 2);
    let removals = scratch.store.database.events().await;
    let removals: Vec<_> = removals.iter().filter(|(action, ..)| action == "remove_api_keys").collect();
    let event = |ids: &str| ("remove_api_keys".to_owned(), "_latchkey".to_owned(), ids.to_owned());
    assert_eq!(removals, [&event("[\"ended\"]"), &event("[\"expired\"]")]);
}

#[tokio::test]
async fn removes_more_keys_than_go_at_once() {
    let scratch = ScratchStore::new().await;
    let count = crate::limits::KEYS_REMOVED_AT_ONCE_MAX as usize + 3;
    let expired = |number| StoredKey { expiration: Some(UnixMillis(1)), ..key(&format!("k{number}")) };
    let keys = (0..count).map(expired).collect();
    let action = crate::audit::ChangeAction::CreateApiKey;
    scratch.store.add(keys, action, actor(), UnixMillis(1)).await.unwrap();
    assert_eq!(scratch.remove_at(1_000).await, count);
    assert_eq!(scratch.ids().await, Vec::<String>::new());
}

#[tokio::test]
async fn keeps_the_interval_across_starts_and_clocks_that_are_put_back() {
    let scratch = ScratchStore::new().await;
    let policy = RemovalPolicy { interval: Duration::from_millis(50), ..POLICY };
    let run = async |store: &KeyStore, now| {
        let id = format!("dead-at-{now}");
        let dead = StoredKey { expiration: Some(UnixMillis(1)), ..key(&id) };
        store.create(dead, actor(), UnixMillis(1)).await.unwrap();
        removal::remove_dead_keys(store, &policy, UnixMillis(now)).await.unwrap()
    };
    assert_eq!(run(&scratch.store, 1_000).await, 1);
    assert_eq!(run(&scratch.store, 1_049).await, 0);
    let reopened = open(&scratch.place, "another").await;
    assert_eq!(run(&reopened, 1_048).await, 0, "the store remembers");
    assert_eq!(run(&reopened, 1_050).await, 3, "this one and those left before");
    assert_eq!(run(&reopened, 999).await, 1, "the last run is yet to come");
}

#[tokio::test]
async fn a_clock_younger_than_the_retention_period_removes_nothing() {
    let scratch = ScratchStore::new().await;
    scratch.create_with("expired", Some(0)).await;
    assert_eq!(scratch.remove_at(99).await, 0);
    assert_eq!(scratch.remove_at(100).await, 1);
}

// An expired key is in the tables of edges until they are told.
#[tokio::test]
async fn a_follower_is_told_that_an_expired_key_is_gone() {
    let scratch = ScratchStore::new().await;
    scratch.create_with("expired", Some(10)).await;
    let mut followed = Followed::default();
    followed.catch_up(&scratch.store, 10).await;
    assert_eq!(followed.keys.len(), 1);
    scratch.remove_at(110).await;
    let page = scratch.store.parsed_page(followed.cursor, 10).await.unwrap();
    assert!(!page.reset, "nobody loads everything again because of one key");
    followed.catch_up(&scratch.store, 10).await;
    assert_eq!(followed.keys.len(), 0);
}

// An edge that slept through an invalidation and its removal loads again.
#[tokio::test]
async fn a_follower_that_missed_what_was_forgotten_is_reset() {
    let scratch = ScratchStore::new().await;
    scratch.create_with("ended", None).await;
    scratch.create_with("expired", Some(10)).await;
    let mut asleep = Followed::default();
    asleep.catch_up(&scratch.store, 10).await;
    scratch.invalidate("ended").await;
    let told = scratch.store.parsed_page(asleep.cursor, 10).await.unwrap().cursor;
    scratch.remove_at(110).await;
    assert!(scratch.store.parsed_page(asleep.cursor, 10).await.unwrap().reset);
    assert!(!scratch.store.parsed_page(told, 10).await.unwrap().reset);
    // The removal of the expired key is itself forgotten after another retention period.
    scratch.remove_at(210).await;
    assert!(scratch.store.parsed_page(told, 10).await.unwrap().reset);
}

/// One step in the life of a store and of one who follows it.
#[derive(Clone, Debug)]
enum Step {
    Create { expires_in: Option<u64> },
    Follow { rows_max: u32, pages: u8 },
    Invalidate(prop::sample::Index),
    Pass { millis: u64 },
    Remove,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop::option::of(1_u64..200).prop_map(|expires_in| Step::Create { expires_in }),
        3 => (1_u32..4, 1_u8..4).prop_map(|(rows_max, pages)| Step::Follow { rows_max, pages }),
        2 => any::<prop::sample::Index>().prop_map(Step::Invalidate),
        3 => (1_u64..120).prop_map(|millis| Step::Pass { millis }),
        3 => Just(Step::Remove),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_follower_ever_keeps_a_removed_key(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let scratch = ScratchStore::new().await;
            let mut followed = Followed::default();
            let mut made: Vec<String> = Vec::new();
            let mut now = 1;
            for step in steps {
                match step {
                    Step::Create { expires_in } => {
                        let id = format!("key-{}", made.len());
                        scratch.create_with(&id, expires_in.map(|after| now + after)).await;
                        made.push(id);
                    }
                    Step::Follow { rows_max, pages } => {
                        for _ in 0..pages {
                            followed.read_on(&scratch.store, rows_max).await;
                        }
                    }
                    Step::Invalidate(index) if !made.is_empty() => {
                        let filter = KeyFilter { ids: Some(vec![index.get(&made).clone()]), ..KeyFilter::default() };
                        scratch.store.invalidate(filter, actor(), UnixMillis(now)).await.unwrap();
                    }
                    Step::Invalidate(_) => {}
                    Step::Pass { millis } => now += millis,
                    Step::Remove => {
                        scratch.remove_at(now).await;
                    }
                }
            }
            while followed.read_on(&scratch.store, 2).await {}
            let filter = KeyFilter { active_at: Some(UnixMillis(0)), ..KeyFilter::default() };
            let stored = scratch.store.scan(&filter, Cancellation::default()).all().await.unwrap();
            let mut stored: Vec<KeyId> = stored.into_iter().map(|key| key.id).collect();
            stored.sort();
            let held: Vec<KeyId> = followed.keys.keys().cloned().collect();
            assert_eq!(held, stored);
        });
    }
}
