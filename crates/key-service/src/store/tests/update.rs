use latchkey_key_feed::{Cursor, FeedRow};

use super::*;
use crate::limits::GROUP_LEN_MAX;
use crate::store::update::{KeyChange, KeyUpdate, UpdateOutcome, UpdateRefusal};

fn update() -> KeyUpdate {
    let key = key("any");
    KeyUpdate {
        owner: key.owner,
        limited_by: key.limited_by,
        role_descriptors: None,
        metadata: None,
        expiration: None,
        lifetime_max: None,
        is_vouched: false,
    }
}

impl ScratchStore {
    async fn update(&self, ids: &[&str], update: KeyUpdate) -> Vec<UpdateOutcome> {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        self.store.update(ids, update, actor(), UnixMillis(5)).await.unwrap().outcome
    }
}

#[tokio::test]
async fn the_feed_tells_of_an_update_and_not_of_one_that_changes_nothing() {
    let scratch = ScratchStore::new().await;
    scratch.create("a").await;
    let before = scratch.store.parsed_page(Cursor(0), 10).await.unwrap().cursor;
    let outcome = scratch.update(&["a"], update()).await;
    assert_eq!(outcome, [("a".to_owned(), Ok(KeyChange::Unchanged))]);
    assert_eq!(scratch.store.parsed_page(before, 10).await.unwrap().cursor, before);
    let writer = KeyUpdate { role_descriptors: Some(roles(json!({"writer": {}}))), ..update() };
    let outcome = scratch.update(&["a"], writer.clone()).await;
    assert_eq!(outcome, [("a".to_owned(), Ok(KeyChange::Updated))]);
    let page = scratch.store.parsed_page(before, 10).await.unwrap();
    let [FeedRow::Live { seq, record }] = page.keys.as_slice() else { panic!("{:?}", page.keys) };
    assert_eq!((*seq, record.roles.as_slice()), (Cursor(before.0 + 1), ["writer".to_owned()].as_slice()));
    assert_eq!(page.total, 1);
    assert_eq!(scratch.update(&["a"], writer).await, [("a".to_owned(), Ok(KeyChange::Unchanged))]);
}

#[tokio::test]
async fn everything_that_an_update_may_change_is_stored() {
    let scratch = ScratchStore::new().await;
    let before = scratch.create("a").await;
    let changed = KeyUpdate {
        owner: KeyOwner {
            realm_type: None,
            full_name: None,
            email: Some("alice@example.org".into()),
            metadata: Map::new(),
            ..before.owner.clone()
        },
        limited_by: roles(json!({"dev": {"cluster": ["monitor"]}})),
        role_descriptors: Some(roles(json!({}))),
        metadata: Some(object(json!({"a": [1, 2.5, null]}))),
        expiration: Some(UnixMillis(7_000)),
        lifetime_max: None,
        is_vouched: true,
    };
    scratch.update(&["a"], changed.clone()).await;
    let expected = StoredKey {
        owner: changed.owner,
        limited_by: changed.limited_by,
        role_descriptors: changed.role_descriptors.unwrap(),
        metadata: changed.metadata.unwrap(),
        expiration: changed.expiration,
        vouching: Vouching { roles: true, metadata: true },
        ..before
    };
    assert_eq!(scratch.store.find("a").await.unwrap(), Some(expected));
}

// However many long keys a request names, no transaction takes long.
#[tokio::test]
async fn an_update_of_long_keys_is_made_in_parts_and_leaves_none_out() {
    let scratch = ScratchStore::new().await;
    let ids: Vec<String> = (0..5).map(|number| format!("k{number}")).collect();
    for id in &ids {
        scratch.create(id).await;
    }
    let before = scratch.store.latest().await.unwrap();
    let metadata = object(json!({"long": "x".repeat(GROUP_LEN_MAX / 2)}));
    let update = KeyUpdate { owner: KeyOwner { metadata, ..update().owner }, ..update() };
    let changed = scratch.store.update(ids.clone(), update, actor(), UnixMillis(5)).await.unwrap();
    let updated: Vec<UpdateOutcome> = ids.into_iter().map(|id| (id, Ok(KeyChange::Updated))).collect();
    assert_eq!(changed.outcome, updated);
    assert_eq!(changed.cursor, Some(Cursor(before.0 + 5)), "where the last part left the feed");
    let events = scratch.store.database.events().await;
    let parts: Vec<&str> = events.iter().skip(5).map(|(_, _, ids)| ids.as_str()).collect();
    assert_eq!(parts, [r#"["k0","k1"]"#, r#"["k2","k3"]"#, r#"["k4"]"#]);
}

#[tokio::test]
async fn keys_that_are_refused_do_not_stop_the_others() {
    let scratch = ScratchStore::new().await;
    scratch.create("a").await;
    scratch.create("ended").await;
    scratch.create("b").await;
    scratch.invalidate("ended").await;
    let cleared = KeyUpdate { metadata: Some(Map::new()), ..update() };
    let outcomes = scratch.update(&["b", "nobody", "ended", "a"], cleared).await;
    let outcome = |id: &str, outcome| (id.to_owned(), outcome);
    assert_eq!(
        outcomes,
        [
            outcome("b", Ok(KeyChange::Updated)),
            outcome("nobody", Err(UpdateRefusal::NotFound)),
            outcome("ended", Err(UpdateRefusal::Invalidated)),
            outcome("a", Ok(KeyChange::Updated)),
        ]
    );
    let events = scratch.store.database.events().await;
    let last = events.last().unwrap();
    assert_eq!((last.0.as_str(), last.2.as_str()), ("update_api_keys", "[\"b\",\"a\"]"));
}
