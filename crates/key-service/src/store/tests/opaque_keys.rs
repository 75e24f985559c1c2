//! By what opaque keys are found: in the store, the feed and an export.

use latchkey_key_feed::{Cursor, FeedHead, OpaqueKeyPepper, WirePart};

use super::*;
use crate::store::opaque_keys;
use crate::store::transfer::{self, Entry, ImportError, StoreReader, WhenThere};

fn pepper(byte: u8) -> OpaqueKeyPepper {
    OpaqueKeyPepper::from_bytes([byte; 32])
}

/// What a page of the feed says.
async fn told(store: &KeyStore, version: FeedVersion) -> Option<OpaqueKeyPepper> {
    let position = FeedPosition { after: Cursor(0), purged: None, version };
    let page = store.feed_page(position, 100).await.unwrap().to_json().unwrap();
    let mut found = None;
    FeedHead::read_parts(&page, Cursor(0), &mut |part| {
        if let WirePart::OpaqueKeyPepper(pepper) = part {
            found = Some(pepper);
        }
        Ok(())
    })
    .unwrap();
    found
}

#[tokio::test]
async fn the_first_opaque_key_brings_what_all_are_found_by() {
    let scratch = ScratchStore::new().await;
    let store = &scratch.store;
    assert_eq!(opaque_keys::pepper(store).await.unwrap(), None);
    opaque_keys::import(store, vec![key("with-id")], None, actor(), UnixMillis(1)).await.unwrap();
    for version in [FeedVersion::V1, FeedVersion::V2] {
        assert_eq!(told(store, version).await, None, "nothing is told where there are no such keys");
    }
    opaque_keys::import(store, vec![key("a")], Some(pepper(1)), actor(), UnixMillis(2)).await.unwrap();
    opaque_keys::import(store, vec![key("b")], Some(pepper(1)), actor(), UnixMillis(3)).await.unwrap();
    for version in [FeedVersion::V1, FeedVersion::V2] {
        assert_eq!(told(store, version).await, Some(pepper(1)));
    }
    let other = opaque_keys::import(store, vec![key("c")], Some(pepper(2)), actor(), UnixMillis(4)).await;
    assert!(matches!(other, Err(StoreError::OtherPepper)), "{other:?}");
    assert_eq!(opaque_keys::pepper(store).await.unwrap(), Some(pepper(1)));
    assert!(store.find_entry("c").await.unwrap().is_none());
}

#[tokio::test]
async fn a_key_that_is_there_leaves_nothing_of_an_import() {
    let scratch = ScratchStore::new().await;
    let store = &scratch.store;
    store.create(key("a"), actor(), UnixMillis(1)).await.unwrap();
    let again =
        opaque_keys::import(store, vec![key("b"), key("a")], Some(pepper(1)), actor(), UnixMillis(2)).await;
    assert!(matches!(again, Err(StoreError::IdTaken)), "{again:?}");
    assert_eq!(opaque_keys::pepper(store).await.unwrap(), None);
    assert!(store.find_entry("b").await.unwrap().is_none());
}

#[tokio::test]
async fn an_export_holds_it_and_only_a_store_without_another_takes_it() {
    let scratch = ScratchStore::new().await;
    opaque_keys::import(&scratch.store, vec![key("a")], Some(pepper(1)), actor(), UnixMillis(1))
        .await
        .unwrap();
    let reader = StoreReader::open(&location(&scratch.place)).await.unwrap();
    let (_, mut entries) = reader.entries().await.unwrap();
    let mut exported = Vec::new();
    while let Some(entry) = entries.recv().await {
        exported.push(entry.unwrap());
    }
    assert!(matches!(exported.as_slice(), [Entry::OpaqueKeyPepper(_), Entry::ApiKey(_)]));
    let import = async |store: &KeyStore, when_there| {
        let entries = exported.iter().cloned().map(Ok::<_, std::convert::Infallible>);
        transfer::import(store, entries, when_there, actor(), UnixMillis(2)).await
    };
    let [empty, other] = [ScratchStore::new().await, ScratchStore::new().await];
    assert_eq!(import(&empty.store, WhenThere::Refuse).await.unwrap().api_keys, 1);
    assert_eq!(opaque_keys::pepper(&empty.store).await.unwrap(), Some(pepper(1)));
    assert_eq!(import(&empty.store, WhenThere::Skip).await.unwrap().api_keys, 0, "the same may come again");
    opaque_keys::import(&other.store, vec![key("b")], Some(pepper(2)), actor(), UnixMillis(1)).await.unwrap();
    for when_there in [WhenThere::Refuse, WhenThere::Skip] {
        let refused = import(&other.store, when_there).await;
        assert!(matches!(refused, Err(ImportError::OtherPepper)), "{refused:?}");
    }
    assert!(other.store.find_entry("a").await.unwrap().is_none());
}
