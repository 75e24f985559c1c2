//! What is written into a page is what a look-up reads, and a page only moves forward.

use latchkey_key_feed::{FeedRow, KeyId};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::table::fake_store::{changes, key, live, removed};

const GENERATION: Generation = Generation(3);

fn with(page: &Page, rows: &[FeedRow]) -> Option<Vec<u8>> {
    page.with(GENERATION, &changes(rows).iter().collect::<Vec<_>>()).unwrap()
}

fn page(rows: &[FeedRow]) -> Page {
    Page::decode(with(&Page::empty(GENERATION), rows).unwrap()).unwrap()
}

fn id(text: &str) -> KeyId {
    KeyId::try_from(text).unwrap()
}

#[test]
fn finds_a_key_among_others() {
    let page = page(&[live(1, key("one")), live(2, key("two")), live(3, key("three"))]);
    assert_eq!(page.generation, GENERATION);
    assert_eq!(page.find(&id("two")).unwrap().unwrap().id(), "two");
    assert!(page.find(&id("four")).unwrap().is_none());
    assert!(page.find(&id("tw")).unwrap().is_none());
}

#[test]
fn a_late_change_cannot_bring_a_revoked_key_back() {
    let revoked = page(&[live(1, key("one")), removed(5, "one")]);
    let late = live(4, key("one"));
    assert_eq!(with(&revoked, &[late]), None);
    assert!(revoked.find(&id("one")).unwrap().is_none());
}

#[test]
fn applying_a_change_twice_changes_nothing() {
    let change = live(2, key("one"));
    let once = page(std::slice::from_ref(&change));
    assert_eq!(with(&once, &[change]), None);
}

#[test]
fn a_change_replaces_the_record_and_keeps_its_neighbours() {
    let before = page(&[live(1, key("one")), live(2, key("two"))]);
    let mut renamed = key("one");
    renamed.name = "renamed".to_owned();
    let after = Page::decode(with(&before, &[live(3, renamed)]).unwrap()).unwrap();
    assert_eq!(after.find(&id("one")).unwrap().unwrap().texts().unwrap().name, "renamed");
    assert!(after.find(&id("two")).unwrap().is_some());
}

#[test]
fn identity_is_stored_ready_to_be_a_header() {
    let mut record = key("one");
    record.name = "näme, 100%".to_owned();
    record.roles = vec!["a,b".to_owned(), "c".to_owned()];
    record.metadata = json!({"team": {"name": "x y", "ids": [1, true, "z"]}, "none": null, "deep": [[1]]})
        .as_object()
        .unwrap()
        .clone();
    let page = page(&[live(1, record)]);
    let view = page.find(&id("one")).unwrap().unwrap();
    let texts = view.texts().unwrap();
    assert_eq!((texts.name, texts.roles), ("n%C3%A4me%2C%20100%25", "a%2Cb,c"));
    assert_eq!(view.metadata("team.name"), Some("x%20y"));
    assert_eq!(view.metadata("team.ids"), Some("1,true,z"));
    assert_eq!(view.metadata("team"), None);
    assert_eq!(view.metadata("none"), None);
    assert_eq!(view.metadata("deep"), None);
}

#[test]
fn a_key_without_own_roles_shows_its_owners() {
    let mut record = key("one");
    record.roles.clear();
    record.limited_by = vec!["ops".to_owned()];
    let page = page(&[live(1, record)]);
    let texts = page.find(&id("one")).unwrap().unwrap().texts().unwrap();
    assert_eq!((texts.roles, texts.limited_by), ("ops", "ops"));
}

#[test]
fn a_record_over_the_limit_keeps_its_credential_and_says_so() {
    let fitting = RECORD_LEN_MAX - 1_000;
    for (len, too_long) in [(fitting, false), (RECORD_LEN_MAX, true), (usize::from(u16::MAX) + 1, true)] {
        let mut record = key("one");
        record.name = "n".repeat(len);
        let page = page(&[live(1, record.clone()), live(2, key("two"))]);
        let view = page.find(&id("one")).unwrap().unwrap();
        assert_eq!(view.is_too_long(), too_long, "{len} bytes");
        assert!(*view.digest() == record.digest && view.expiration() == record.expiration);
        assert!(page.find(&id("two")).unwrap().is_some());
    }
}

#[test]
fn a_cut_page_is_unreadable_and_not_empty() {
    let whole = with(&Page::empty(GENERATION), &[live(1, key("one"))]).unwrap();
    let cut = Page::decode(whole[..whole.len() - 1].to_vec()).unwrap();
    assert_eq!(cut.find(&id("two")).map(|_| ()), Err(Unreadable));
    assert_eq!(Page::decode(vec![1]), Err(Unreadable));
}

proptest! {
    #[test]
    fn any_key_survives_the_layout(
        ids in proptest::collection::hash_set("[a-z0-9_-]{1,20}", 1..6),
        texts in proptest::collection::vec(".{0,40}", 4),
        expiration in proptest::option::of(0..u64::MAX),
    ) {
        let records: Vec<_> = ids.iter().map(|id| {
            let mut record = key(id);
            record.name.clone_from(&texts[0]);
            record.owner.username.clone_from(&texts[1]);
            record.roles = vec![texts[2].clone()];
            record.metadata.insert("field".to_owned(), json!(texts[3]));
            record.expiration = expiration.map(latchkey_key_feed::UnixMillis);
            record
        }).collect();
        let rows: Vec<_> = (1..).zip(records.clone()).map(|(seq, record)| live(seq, record)).collect();
        let page = page(&rows);
        for record in records {
            let view = page.find(&record.id).unwrap().unwrap();
            let shown = view.texts().unwrap();
            prop_assert_eq!(shown.name, header_value::encode(&record.name));
            prop_assert_eq!(shown.owner, header_value::encode(&record.owner.username));
            prop_assert_eq!(shown.roles, header_value::encode(&record.roles[0]));
            prop_assert_eq!(view.metadata("field").unwrap_or_default(), header_value::encode(&texts[3]));
            prop_assert_eq!(view.expiration(), record.expiration);
            prop_assert!(*view.digest() == record.digest && *view.salt() == record.salt);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        if let Ok(page) = Page::decode(bytes) {
            let _ = page.find(&id("k")).map(|found| found.map(|view| (view.texts(), view.metadata("a"))));
            let _ = page.with(GENERATION, &changes(&[live(u64::MAX, key("k"))]).iter().collect::<Vec<_>>());
        }
    }
}
