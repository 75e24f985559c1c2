//! What is written into a page is what a look-up reads, and a page only moves forward.

use latchkey_key_feed::{FeedRow, KeyId, KeyRecord, SecretDigest, UnixMillis};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::table::sample_keys::{
    answer, changes, changes_after_forgetting, key, live, removed, shape, text_of,
};
use crate::table::{Changes, Found};

const GENERATION: Generation = Generation(3);

fn with(page: &Page, rows: &[FeedRow]) -> Option<Vec<u8>> {
    page.with(GENERATION, &changes(rows).iter().collect::<Vec<_>>(), Cursor(0)).unwrap()
}

fn page(rows: &[FeedRow]) -> Page {
    Page::decode(with(&Page::empty(GENERATION), rows).unwrap()).unwrap()
}

fn id(text: &str) -> KeyId {
    KeyId::try_from(text).unwrap()
}

/// What a page knows of an id, in a word.
fn found(page: &Page, text: &str) -> &'static str {
    match page.find(&id(text)).unwrap() {
        Found::Key(record) if record.texts().is_some() => "key",
        Found::Key(_) => "too long",
        Found::SetAside => "set aside",
        Found::Removed => "removed",
        Found::Nothing => "nothing",
    }
}

/// What a record of that key tells.
fn told(record: KeyRecord, text: &RecordText) -> Option<String> {
    let id = record.id.as_str().to_owned();
    text_of(&page(&[live(1, record)]), &id, text)
}

fn metadata(path: &str, claims: bool) -> RecordText {
    RecordText::Metadata { path: path.to_owned(), claims }
}

#[test]
fn finds_a_key_among_others() {
    let page = page(&[live(1, key("one")), live(2, key("two")), live(3, key("three"))]);
    assert_eq!(page.generation, GENERATION);
    assert_eq!(text_of(&page, "two", &RecordText::Name).as_deref(), Some("name-of-two"));
    assert_eq!((found(&page, "four"), found(&page, "tw")), ("nothing", "nothing"));
}

#[test]
fn a_late_change_cannot_bring_a_revoked_key_back() {
    let revoked = page(&[live(1, key("one")), removed(5, "one")]);
    let late = live(4, key("one"));
    assert_eq!(with(&revoked, &[late]), None);
    assert_eq!(found(&revoked, "one"), "removed");
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
    assert_eq!(text_of(&after, "one", &RecordText::Name).unwrap(), "renamed");
    assert_eq!(found(&after, "two"), "key");
}

#[test]
fn identity_is_stored_ready_to_be_a_header() {
    let mut record = key("one");
    record.name = "näme, 100%".to_owned();
    record.roles = vec!["a,b".to_owned(), "c".to_owned()];
    record.vouched_roles = record.roles.clone();
    record.metadata = json!({"team": {"name": "x y", "ids": [1, true, "z"]}, "field": null}).to_string();
    assert_eq!(told(record.clone(), &RecordText::Name).unwrap(), "n%C3%A4me%2C%20100%25");
    assert_eq!(told(record.clone(), &RecordText::Roles).unwrap(), "a%2Cb,c");
    assert_eq!(told(record.clone(), &metadata("team.name", false)).unwrap(), "x%20y");
    assert_eq!(told(record.clone(), &metadata("team.ids", false)).unwrap(), "1,true,z");
    assert_eq!(told(record, &metadata("field", false)).unwrap(), "");
}

#[test]
fn a_key_without_own_roles_shows_its_owners() {
    let mut record = key("one");
    record.roles.clear();
    record.vouched_roles.clear();
    record.limited_by = vec!["ops".to_owned()];
    assert_eq!(told(record.clone(), &RecordText::Roles).unwrap(), "ops");
    assert_eq!(told(record.clone(), &RecordText::LimitedBy).unwrap(), "ops");
    assert_eq!(told(record, &RecordText::ClaimedRoles).unwrap(), "");
}

#[test]
fn roles_that_nobody_vouches_for_are_claims() {
    let mut record = key("one");
    record.roles = ["admin", "reader", "super,user"].map(str::to_owned).to_vec();
    record.vouched_roles = vec!["reader".to_owned()];
    assert_eq!(told(record.clone(), &RecordText::Roles).unwrap(), "reader");
    assert_eq!(told(record.clone(), &RecordText::ClaimedRoles).unwrap(), "admin,super%2Cuser");
    record.vouched_roles.clear();
    assert_eq!(told(record.clone(), &RecordText::Roles).unwrap(), "", "not its owner's either");
    assert_eq!(told(record, &RecordText::ClaimedRoles).unwrap(), "admin,reader,super%2Cuser");
}

#[test]
fn metadata_that_nobody_vouches_for_is_told_as_a_claim_only() {
    let mut record = key("one");
    record.metadata = json!({"field": "acme"}).to_string();
    assert_eq!(told(record.clone(), &metadata("field", false)).unwrap(), "acme");
    record.metadata_vouched = false;
    assert_eq!(told(record.clone(), &metadata("field", false)).unwrap(), "");
    assert_eq!(told(record, &metadata("field", true)).unwrap(), "acme");
}

#[test]
fn a_record_over_the_limit_keeps_its_credential_and_says_so() {
    let fitting = RECORD_LEN_MAX - 1_000;
    for (len, expected) in
        [(fitting, "key"), (RECORD_LEN_MAX, "too long"), (usize::from(u16::MAX) + 1, "too long")]
    {
        let mut record = key("one");
        record.name = "n".repeat(len);
        let page = page(&[live(1, record.clone()), live(2, key("two"))]);
        assert_eq!(found(&page, "one"), expected, "{len} bytes");
        let view = page.find(&id("one")).unwrap().key().unwrap();
        assert!(*view.secrets() == record.secrets && view.expiration() == record.expiration);
        assert_eq!(found(&page, "two"), "key");
    }
}

#[test]
fn a_key_with_one_secret_takes_no_more_room_than_before_and_a_rotated_one_forty_bytes() {
    let record = key("one");
    let mut rotated = record.clone();
    rotated.secrets = record.secrets.rotated(record.secrets.current, UnixMillis(7));
    let (once, twice) = (page(&[live(1, record)]), page(&[live(1, rotated.clone())]));
    assert_eq!(twice.records().0.len(), once.records().0.len() + 40);
    let view = twice.find(&id("one")).unwrap().key().unwrap();
    assert_eq!(*view.secrets(), rotated.secrets);
}

#[test]
fn what_nobody_asks_for_makes_no_record_too_long() {
    let mut record = key("one");
    record.name = "n".repeat(RECORD_LEN_MAX);
    record.metadata = json!({"other": "語".repeat(RECORD_LEN_MAX)}).to_string();
    let shape = RecordShape::of(vec![RecordText::Owner, metadata("field", true)]);
    let (_, changes) = Changes::read(&answer(0, &[live(1, record)]), Cursor(0), &shape).unwrap();
    assert_eq!(changes.set_aside().count, 0);
    assert!(changes.iter().map(|change| change.bytes.len()).sum::<usize>() < 200);
}

#[test]
fn a_cut_page_is_unreadable_and_not_empty() {
    let whole = with(&Page::empty(GENERATION), &[live(1, key("one"))]).unwrap();
    let cut = Page::decode(whole[..whole.len() - 1].to_vec()).unwrap();
    assert_eq!(cut.find(&id("two")).map(|_| ()), Err(Unreadable));
    assert_eq!(Page::decode(vec![1]), Err(Unreadable));
}

#[test]
fn a_removed_key_is_known_until_the_service_has_forgotten_it() {
    let with_removed = page(&[live(1, key("one")), removed(5, "gone"), removed(6, "later")]);
    assert_eq!((found(&with_removed, "gone"), found(&with_removed, "one")), ("removed", "key"));
    let forgotten = changes_after_forgetting(5, &[live(7, key("two"))]);
    let bytes = with_removed.with(GENERATION, &forgotten.iter().collect::<Vec<_>>(), forgotten.forgotten);
    let after = Page::decode(bytes.unwrap().unwrap()).unwrap();
    let seen = ["one", "two", "gone", "later"].map(|id| found(&after, id));
    assert_eq!(seen, ["key", "key", "nothing", "removed"]);
}

#[test]
fn a_key_that_is_made_again_is_a_key() {
    let page = page(&[removed(5, "one")]);
    let again = Page::decode(with(&page, &[live(6, key("one"))]).unwrap()).unwrap();
    assert_eq!(found(&again, "one"), "key");
}

#[test]
fn removed_keys_take_a_bounded_part_of_a_page_and_the_latest_are_known() {
    const REMOVED: u64 = 500;
    let keys: Vec<_> = (1..=8).map(|seq| live(seq, key(&format!("VuaCfGcBCdbkQm-{seq:05}")))).collect();
    let without = page(&keys).len();
    let gone: Vec<_> =
        (9..9 + REMOVED).map(|seq| removed(seq, &format!("VuaCfGcBCdbkQm-{seq:05}"))).collect();
    let at_once = page(&[keys.clone(), gone.clone()].concat());
    let one_by_one = gone.iter().fold(page(&keys), |page, row| {
        Page::decode(with(&page, std::slice::from_ref(row)).unwrap()).unwrap()
    });
    for page in [at_once, one_by_one] {
        assert!(
            page.len() <= without + REMOVED_LEN_MAX && page.len() <= CACHED_PAGE_LEN_MAX,
            "{}",
            page.len()
        );
        assert!(keys.iter().all(|row| found(&page, row.id().as_str()) == "key"));
        let known: Vec<bool> = gone.iter().map(|row| found(&page, row.id().as_str()) == "removed").collect();
        let first = known.iter().position(|is_known| *is_known).unwrap();
        assert!(known[first..].iter().all(|is_known| *is_known), "the latest, and none between is missing");
        assert!(known.len() - first > 40, "only {} are known", known.len() - first);
    }
}

#[test]
fn a_page_of_long_keys_is_not_made_longer_than_a_vm_keeps() {
    let mut long = key("one");
    long.name = "n".repeat(CACHED_PAGE_LEN_MAX - 300);
    let long = page(&[live(1, long)]);
    let gone: Vec<_> = (2..50).map(|seq| removed(seq, &format!("gone-{seq}"))).collect();
    let with_removed = Page::decode(with(&long, &gone).unwrap()).unwrap();
    assert!(with_removed.len() > long.len() && with_removed.len() <= CACHED_PAGE_LEN_MAX);
}

/// Any metadata: names with dots and of any length, deep and wide.
fn any_metadata() -> impl Strategy<Value = serde_json::Map<String, Value>> {
    let name = prop_oneof![
        Just("field".to_owned()),
        Just("team.name".to_owned()),
        Just("team".to_owned()),
        Just("name".to_owned()),
        ".{0,5}",
        Just("n".repeat(60_000))
    ];
    let plain = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        ".{0,9}".prop_map(Value::from),
        (0..40_000_usize).prop_map(|len| json!("語".repeat(len)))
    ];
    let value = plain.prop_recursive(5, 80, 8, move |inner| {
        let object = prop::collection::vec((name.clone(), inner.clone()), 0..8);
        prop_oneof![
            prop::collection::vec(inner, 0..8).prop_map(Value::from),
            object.prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    });
    prop::collection::vec(("(field|team|other)", value), 0..6).prop_map(|fields| fields.into_iter().collect())
}

proptest! {
    #[test]
    fn any_key_survives_the_layout(
        ids in proptest::collection::hash_set("[a-z0-9_-]{1,20}", 1..6),
        texts in proptest::collection::vec(".{0,40}", 4),
        expiration in proptest::option::of(0..u64::MAX),
        previous in proptest::option::of((any::<[u8; 32]>(), any::<u64>())),
    ) {
        let records: Vec<_> = ids.iter().map(|id| {
            let mut record = key(id);
            record.name.clone_from(&texts[0]);
            record.owner.username.clone_from(&texts[1]);
            record.roles = vec![texts[2].clone()];
            record.vouched_roles = record.roles.clone();
            record.metadata = json!({"field": texts[3]}).to_string();
            record.expiration = expiration.map(UnixMillis);
            record.secrets.previous = previous
                .map(|(digest, until)| PreviousSecret { digest: SecretDigest::from_bytes(digest), until: UnixMillis(until) });
            record
        }).collect();
        let rows: Vec<_> = (1..).zip(records.clone()).map(|(seq, record)| live(seq, record)).collect();
        let page = page(&rows);
        for record in records {
            let shown = |text: &RecordText| text_of(&page, record.id.as_str(), text);
            prop_assert_eq!(shown(&RecordText::Name), Some(header_value::encode(&record.name)));
            prop_assert_eq!(shown(&RecordText::Owner), Some(header_value::encode(&record.owner.username)));
            prop_assert_eq!(shown(&RecordText::Roles), Some(header_value::encode(&record.roles[0])));
            prop_assert_eq!(shown(&metadata("field", false)), Some(header_value::encode(&texts[3])));
            let view = page.find(&record.id).unwrap().key().unwrap();
            prop_assert_eq!(view.expiration(), record.expiration);
            prop_assert_eq!(*view.secrets(), record.secrets);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        if let Ok(page) = Page::decode(bytes) {
            let found = page.find(&id("k")).ok().and_then(Found::key).and_then(|view| view.texts());
            let _ = found.map(|texts| (crate::table::record::are_texts(texts, 3), crate::table::text_in(texts, 2).map(str::len)));
            let _ = page.with(GENERATION, &changes(&[live(u64::MAX, key("k"))]).iter().collect::<Vec<_>>(), Cursor(7));
        }
    }
}

proptest! {
    // Each case may be megabytes.
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn no_key_has_a_longer_record_than_a_record_may_have(metadata in any_metadata(), name_len in 0..70_000_usize) {
        let mut record = key("one");
        record.metadata = json!(metadata).to_string();
        record.name = "n".repeat(name_len);
        let rows = changes(&[live(1, record), live(2, key("two"))]);
        prop_assert!(rows.iter().all(|change| change.record.unwrap().len() <= RECORD_LEN_MAX));
        let page = Page::empty(GENERATION).with(GENERATION, &rows.iter().collect::<Vec<_>>(), Cursor(0));
        let page = Page::decode(page.unwrap().unwrap()).unwrap();
        let is_set_aside = found(&page, "one") != "key";
        prop_assert_eq!(rows.set_aside().count, usize::from(is_set_aside));
        prop_assert_eq!(found(&page, "two"), "key");
        let view = page.find(&id("one")).unwrap().key().unwrap();
        prop_assert!(view.texts().is_none_or(|texts| crate::table::record::are_texts(texts, shape().texts().len())));
    }
}
