use latchkey_key_feed::{Cursor, FeedRow};

use super::*;
use crate::store::sql::key_rows;
use crate::store::transfer::StoreReader;

/// Of each key that lives: its id, the role descriptors that somebody vouches for, and whether somebody does
/// for its metadata.
async fn told(store: &KeyStore) -> Vec<(String, String, bool)> {
    let page = store.parsed_page(Cursor(0), 100).await.unwrap();
    let live = page.keys.into_iter().filter_map(|row| match row {
        FeedRow::Live { record, .. } => {
            Some((record.id.to_string(), record.vouched_roles.join(","), record.metadata_vouched))
        }
        FeedRow::Removed { .. } => None,
    });
    live.collect()
}

fn key_of(id: &str, vouching: Vouching) -> StoredKey {
    StoredKey { role_descriptors: roles(json!({"admin": {}, "dev": {}, "ops": {}})), vouching, ..key(id) }
}

// However a row is read, together with others or by itself.
#[tokio::test]
async fn the_feed_tells_what_is_vouched_for() {
    let scratch = ScratchStore::new().await;
    for (number, vouching) in [
        Vouching::default(),
        Vouching { roles: true, metadata: false },
        Vouching { roles: false, metadata: true },
        Vouching { roles: true, metadata: true },
    ]
    .into_iter()
    .enumerate()
    {
        scratch.store.create(key_of(&format!("k{number}"), vouching), actor(), UnixMillis(1)).await.unwrap();
    }
    let expected = |id: &str, names: &str, metadata| (id.to_owned(), names.to_owned(), metadata);
    let all = [
        expected("k0", "dev", false),
        expected("k1", "admin,dev,ops", false),
        expected("k2", "dev", true),
        expected("k3", "admin,dev,ops", true),
    ];
    assert_eq!(told(&scratch.store).await, all);
    let mut separated = key_of("k4", Vouching { roles: false, metadata: true });
    separated.name.push('\u{1f}');
    scratch.store.create(separated, actor(), UnixMillis(1)).await.unwrap();
    assert_eq!(told(&scratch.store).await, [&all[..], &[expected("k4", "dev", true)]].concat());
    let mut bare = key_of("k5", Vouching { roles: true, metadata: true });
    (bare.role_descriptors, bare.metadata) = (RoleDescriptors::default(), Map::new());
    scratch.store.create(bare, actor(), UnixMillis(1)).await.unwrap();
    assert_eq!(
        told(&scratch.store).await.pop(),
        Some(expected("k5", "", false)),
        "there is nothing to vouch for"
    );
}

#[tokio::test]
async fn it_is_decided_when_the_store_is_opened_for_keys_of_an_earlier_version() {
    let scratch = ScratchStore::new().await;
    let of_little = roles(json!({"dev": {}}));
    let little = StoredKey { limited_by: of_little, ..key_of("little", Vouching::default()) };
    for key in [key_of("all", Vouching::default()), little] {
        scratch.store.create(key, actor(), UnixMillis(1)).await.unwrap();
    }
    scratch.store.database.forget_vouching().await;
    let undecided = [("all".to_owned(), String::new(), false), ("little".to_owned(), String::new(), false)];
    assert_eq!(told(&scratch.store).await, undecided);
    let opened = open(&scratch.place, "epoch-2").await;
    let decided = [
        ("all".to_owned(), "admin,dev,ops".to_owned(), true),
        ("little".to_owned(), "dev".to_owned(), false),
    ];
    assert_eq!(told(&opened).await, decided);
}

// While replicas are upgraded one after the other, an older one may change what somebody vouched for.
#[tokio::test]
async fn what_an_older_replica_has_changed_is_not_vouched_for_any_more() {
    let scratch = ScratchStore::new().await;
    let vouched = key_of("a", Vouching { roles: true, metadata: true });
    scratch.store.create(vouched, actor(), UnixMillis(1)).await.unwrap();
    scratch.store.database.update_as_before("a", r#"{"tenant":"other"}"#).await;
    assert_eq!(told(&scratch.store).await, [("a".to_owned(), String::new(), false)]);
    assert_eq!(scratch.store.find("a").await.unwrap().unwrap().vouching, Vouching::default());
}

// One row that is damaged stopped every edge, and everybody whose key was looked up together with it.
#[tokio::test]
async fn a_damaged_key_stops_nothing_but_itself_and_a_check_names_it() {
    let scratch = ScratchStore::new().await;
    for id in ["a", "damaged", "b"] {
        scratch.create(id).await;
    }
    scratch.store.database.corrupt("damaged").await;
    let page = scratch.store.parsed_page(Cursor(0), 10).await.unwrap();
    let live = |row: &FeedRow| matches!(row, FeedRow::Live { .. });
    assert_eq!(page.keys.iter().map(live).collect::<Vec<_>>(), [true, false, true]);
    let ids = ["a", "damaged", "b"].map(str::to_owned).to_vec();
    let found = key_rows::find_all(&scratch.store.database, ids).await.unwrap();
    let readable: Vec<_> = found.iter().filter(|(_, key)| key.is_ok()).map(|(id, _)| id.as_str()).collect();
    assert_eq!(readable, ["a", "b"]);
    let trouble = scratch.store.find("damaged").await.unwrap_err();
    assert_eq!(trouble.kind(), "corrupt", "it is not told as a key that is unknown");
    let soundness = StoreReader::open(&location(&scratch.place)).await.unwrap().check().await.unwrap();
    assert_eq!(soundness.problems, ["the API key damaged: what is stored as metadata is not readable"]);
}

#[tokio::test]
async fn a_check_names_the_keys_that_no_edge_can_hold() {
    let scratch = ScratchStore::new().await;
    scratch.create("a").await;
    let metadata = object(json!({"team": "鍵".repeat(3_700)}));
    for id in ["long", "long-ended"] {
        let long = StoredKey { metadata: metadata.clone(), ..key(id) };
        scratch.store.create(long, actor(), UnixMillis(1)).await.unwrap();
    }
    scratch.invalidate("long-ended").await;
    let page = scratch.store.parsed_page(Cursor(0), 10).await.unwrap();
    assert!(matches!(&page.keys[1], FeedRow::Removed { id, .. } if id.as_str() == "long"));
    let soundness = StoreReader::open(&location(&scratch.place)).await.unwrap().check().await.unwrap();
    let [long] = &soundness.too_large[..] else { panic!("{soundness:?}") };
    assert!(long.starts_with("the API key long of alice in file: the key has 66"), "{long}");
    assert_eq!(soundness.problems, Vec::<String>::new());
}
