use super::*;
use crate::audit::{ChangeAction, ChangeEvent};
use crate::store::invalidation;
use crate::store::searches::Searches;
use crate::store::{NamePattern, StoreError};

async fn ids(store: &KeyStore, filter: KeyFilter) -> Vec<String> {
    store
        .scan(&filter, Cancellation::default())
        .all()
        .await
        .unwrap()
        .into_iter()
        .map(|key| key.id.to_string())
        .collect()
}

#[tokio::test]
async fn finds_a_key_as_it_was_made() {
    let scratch = ScratchStore::new().await;
    let key = scratch.create("one").await;
    assert_eq!(scratch.store.find("one").await.unwrap(), Some(key));
    assert_eq!(scratch.store.find("two").await.unwrap(), None);
}

#[tokio::test]
async fn keeps_everything_when_opened_again() {
    let scratch = ScratchStore::new().await;
    let key = scratch.create("one").await;
    let epoch = scratch.store.epoch();
    scratch.store.close().await;
    let again = open(&scratch.place, "another epoch").await;
    assert_eq!(again.find("one").await.unwrap(), Some(key));
    let page = again.parsed_page(latchkey_key_feed::Cursor(0), 10).await.unwrap();
    assert_eq!(page.epoch, epoch, "the epoch is the store's, not the caller's");
}

#[tokio::test]
async fn refuses_an_id_that_is_taken_and_leaves_no_trace() {
    let scratch = ScratchStore::new().await;
    scratch.create("one").await;
    let before = scratch.store.parsed_page(latchkey_key_feed::Cursor(0), 10).await.unwrap();
    let again = scratch.store.create(key("one"), actor(), UnixMillis(2)).await;
    assert!(matches!(again, Err(StoreError::IdTaken)));
    let after = scratch.store.parsed_page(latchkey_key_feed::Cursor(0), 10).await.unwrap();
    assert_eq!(before, after);
}

#[tokio::test]
async fn selects_by_each_condition_and_by_all() {
    let scratch = ScratchStore::new().await;
    for (id, name, username, realm, expiration) in [
        ("a", "ci", "alice", "file", None),
        ("b", "ci-2", "alice", "native", Some(50)),
        ("c", "CI", "bob", "file", Some(200)),
        ("d", "100%", "bob", "file", None),
    ] {
        let mut key = key(id);
        key.name = name.into();
        key.owner.username = username.into();
        key.owner.realm = realm.into();
        key.expiration = expiration.map(UnixMillis);
        scratch.store.create(key, actor(), UnixMillis(1)).await.unwrap();
    }
    scratch.invalidate("d").await;
    let all = KeyFilter::default;
    let exact = |name: &str| Some(NamePattern::Exact(name.into()));
    let prefix = |name: &str| Some(NamePattern::Prefix(name.into()));
    for (filter, expected) in [
        (all(), vec!["a", "b", "c", "d"]),
        (KeyFilter { ids: Some(vec!["a".into(), "c".into(), "zz".into()]), ..all() }, vec!["a", "c"]),
        (KeyFilter { ids: Some(Vec::new()), ..all() }, vec![]),
        (KeyFilter { name: exact("ci"), ..all() }, vec!["a"]),
        (KeyFilter { name: prefix("ci"), ..all() }, vec!["a", "b"]),
        (KeyFilter { name: prefix(""), ..all() }, vec!["a", "b", "c", "d"]),
        // Signs that mean something to SQL are letters like any other.
        (KeyFilter { name: prefix("100%"), ..all() }, vec!["d"]),
        (KeyFilter { name: prefix("c_"), ..all() }, vec![]),
        (KeyFilter { name: exact("' or true --"), ..all() }, vec![]),
        (KeyFilter { username: Some("alice".into()), ..all() }, vec!["a", "b"]),
        (KeyFilter { realm: Some("file".into()), ..all() }, vec!["a", "c", "d"]),
        (KeyFilter { active_at: Some(UnixMillis(49)), ..all() }, vec!["a", "b", "c"]),
        (KeyFilter { active_at: Some(UnixMillis(50)), ..all() }, vec!["a", "c"]),
        (
            KeyFilter {
                name: prefix("ci"),
                username: Some("alice".into()),
                realm: Some("file".into()),
                ..all()
            },
            vec!["a"],
        ),
    ] {
        assert_eq!(ids(&scratch.store, filter.clone()).await, expected, "{filter:?}");
    }
}

#[tokio::test]
async fn invalidates_what_it_selects_once() {
    let scratch = ScratchStore::new().await;
    for id in ["a", "b", "c"] {
        scratch.create(id).await;
    }
    assert_eq!(scratch.invalidate("b").await, [KeyId::try_from("b").unwrap()]);
    assert_eq!(scratch.invalidate("b").await, []);
    assert_eq!(scratch.store.find("b").await.unwrap().unwrap().invalidation, Some(UnixMillis(5)));
    let rest = scratch.store.invalidate(KeyFilter::default(), actor(), UnixMillis(9)).await.unwrap();
    assert_eq!(rest.outcome.len(), 2);
    let page = scratch.store.parsed_page(latchkey_key_feed::Cursor(0), 10).await.unwrap();
    assert_eq!((page.total, page.keys.len()), (0, 3));
    assert_eq!(rest.cursor, Some(page.cursor), "where the change left the feed");
    let again = scratch.store.invalidate(KeyFilter::default(), actor(), UnixMillis(9)).await.unwrap();
    assert_eq!((again.cursor, again.outcome.len()), (None, 0));
    assert_eq!(scratch.store.latest().await.unwrap(), page.cursor);
}

#[tokio::test]
async fn many_are_ended_in_parts_old_ones_last_and_all_are_told() {
    let scratch = ScratchStore::new().await;
    for id in ["a", "b", "c", "d", "e"] {
        scratch.create(id).await;
    }
    let event = ChangeEvent {
        at: UnixMillis(9),
        action: ChangeAction::InvalidateApiKeys,
        actor: actor(),
        key_ids: Vec::new(),
    };
    let ended = invalidation::in_parts(scratch.store.clone(), KeyFilter::default(), event, 2).await.unwrap();
    assert_eq!(ended.outcome.iter().map(KeyId::as_str).collect::<Vec<_>>(), ["d", "e", "b", "c", "a"]);
    assert_eq!(ended.cursor, Some(scratch.store.latest().await.unwrap()));
    let events = scratch.store.database.events().await;
    let ends = events.into_iter().filter(|(action, ..)| action == "invalidate_api_keys");
    assert_eq!(ends.map(|(_, _, ids)| ids).collect::<Vec<_>>(), [r#"["d","e"]"#, r#"["b","c"]"#, r#"["a"]"#]);
}

#[tokio::test]
async fn every_change_leaves_an_event_in_the_store() {
    let scratch = ScratchStore::new().await;
    scratch.create("a").await;
    scratch.create("b").await;
    scratch.store.invalidate(KeyFilter::default(), actor(), UnixMillis(9)).await.unwrap();
    assert_eq!(
        scratch.store.database.events().await,
        [
            ("create_api_key".to_owned(), "elastic".to_owned(), r#"["a"]"#.to_owned()),
            ("create_api_key".to_owned(), "elastic".to_owned(), r#"["b"]"#.to_owned()),
            ("invalidate_api_keys".to_owned(), "elastic".to_owned(), r#"["a","b"]"#.to_owned()),
        ]
    );
}

#[tokio::test]
async fn a_change_goes_on_when_its_caller_has_gone() {
    let scratch = ScratchStore::new().await;
    let mut changes = scratch.store.changes();
    let creation = scratch.store.create(key("a"), actor(), UnixMillis(1));
    // Polled once, then dropped: as when a client hangs up.
    futures_util::future::select(Box::pin(creation), futures_util::future::ready(())).await;
    changes.changed().await.unwrap();
    assert!(scratch.store.find("a").await.unwrap().is_some());
}

// PostgreSQL keeps no NUL in a text (manual, section 8.3).
#[tokio::test]
async fn a_text_with_a_nul_is_kept_as_it_is_or_refused_whole() {
    let scratch = ScratchStore::new().await;
    let key = StoredKey { name: "a\0b".into(), ..key("one") };
    match scratch.store.create(key.clone(), actor(), UnixMillis(1)).await {
        Ok(()) => assert_eq!(scratch.store.find("one").await.unwrap(), Some(key)),
        Err(error) => {
            assert!(matches!(error, StoreError::NulInText), "{error:?}");
            assert!(scratch.store.database.may_have_replicas(), "SQLite keeps it");
            let page = scratch.store.parsed_page(latchkey_key_feed::Cursor(0), 10).await.unwrap();
            assert_eq!((page.keys.len(), page.total), (0, 0));
        }
    }
}

// Those who ask at the same moment are answered together, and each with what was asked.
#[tokio::test]
async fn keys_that_are_looked_up_together_are_each_as_they_are_now() {
    let scratch = ScratchStore::new().await;
    for number in 0..5 {
        scratch.create(&format!("k{number}")).await;
    }
    scratch.invalidate("k3").await;
    let ids = ["k0", "k1", "unknown", "k1", "k3", "a\0b", "k4", "\u{1}'\""];
    for _ in 0..3 {
        let lookups = ids.map(|id| {
            let store = scratch.store.clone();
            tokio::spawn(async move {
                store.find(id).await.map(|found| found.map(|key| (key.id, key.invalidation)))
            })
        });
        for (id, lookup) in ids.into_iter().zip(lookups) {
            // PostgreSQL keeps no NUL and says so; nobody else is to suffer for it.
            let found = lookup.await.unwrap();
            if id.contains('\0') {
                assert!(matches!(found, Ok(None) | Err(StoreError::NulInText)), "{found:?}");
                continue;
            }
            let ended = (id == "k3").then_some(UnixMillis(5));
            let expected = KeyId::try_from(id).ok().filter(|_| id.starts_with('k')).map(|id| (id, ended));
            assert_eq!(found.unwrap(), expected, "{id}");
        }
    }
}

#[tokio::test]
async fn the_keys_that_end_soon_are_those_that_work_and_end_in_time() {
    let ScratchStore { store, place: _place } = ScratchStore::new().await;
    for (id, expiration) in [
        ("never", None),
        ("now", Some(10)),
        ("soon", Some(11)),
        ("last", Some(20)),
        ("late", Some(21)),
        ("ended", Some(15)),
    ] {
        let key = StoredKey { expiration: expiration.map(UnixMillis), ..key(id) };
        store.create(key, actor(), UnixMillis(1)).await.unwrap();
    }
    let ended = KeyFilter { ids: Some(vec!["ended".to_owned()]), ..KeyFilter::default() };
    store.invalidate(ended, actor(), UnixMillis(2)).await.unwrap();
    assert_eq!(Searches::of(&store).ending_in(UnixMillis(10), UnixMillis(20)).await.unwrap(), 2);
    assert_eq!(Searches::of(&store).ending_in(UnixMillis(21), UnixMillis(30)).await.unwrap(), 0);
}
