//! What version 2 of the feed says that keys may do.

use latchkey_key_feed::format_limits::RIGHTS_LEN_MAX;
use latchkey_key_feed::{Cursor, FeedRow};
use latchkey_privileges::rights::Rights;

use super::*;
use crate::store::transfer::StoreReader;
use crate::store::update::{KeyUpdate, UpdateRefusal};

fn rights_of(page: &FeedPageWithRights, id: &str) -> Option<String> {
    page.rights.get(&KeyId::try_from(id).unwrap()).cloned()
}

/// So many bytes of rights, and some more.
fn long_roles(len: usize) -> RoleDescriptors {
    roles(json!({"long": {"indices": [{"names": ["x".repeat(len)], "privileges": ["read"]}]}}))
}

#[tokio::test]
async fn a_row_says_what_its_key_may_do_and_equal_rights_stand_there_once() {
    let scratch = ScratchStore::new().await;
    let key_a = scratch.create("a").await;
    // The same rights by a role of another name.
    let other =
        StoredKey { role_descriptors: roles(json!({"x": {"cluster": ["monitor", "monitor"]}})), ..key("b") };
    scratch.store.create(other, actor(), UnixMillis(1)).await.unwrap();
    let inherits = StoredKey { role_descriptors: RoleDescriptors::default(), ..key("c") };
    scratch.store.create(inherits, actor(), UnixMillis(1)).await.unwrap();
    scratch.create("d").await;
    scratch.invalidate("d").await;
    let page = scratch.store.page_with_rights(Cursor(0), None, 10).await;
    let expected = Rights::of_key(&key_a.role_descriptors, &key_a.limited_by).to_json();
    assert_eq!(expected, r#"{"own":{"cluster":["monitor"]},"limited_by":{"cluster":["all"]}}"#);
    assert_eq!(rights_of(&page, "a"), Some(expected.clone()));
    assert_eq!(rights_of(&page, "b"), Some(expected.clone()));
    assert_eq!(rights_of(&page, "c").as_deref(), Some(r#"{"limited_by":{"cluster":["all"]}}"#));
    assert_eq!(page.rights.len(), 3);
    let position = FeedPosition { version: FeedVersion::V2, ..Cursor(0).into() };
    let text = scratch.store.feed_page(position, 10).await.unwrap().to_json().unwrap();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.matches(&expected).count(), 1, "{text}");
    // One row a page, and each page has what it needs.
    let mut after = Cursor(0);
    for id in ["a", "b", "c"] {
        let page = scratch.store.page_with_rights(after, None, 1).await;
        assert!(rights_of(&page, id).is_some(), "{page:?}");
        after = page.page.cursor;
    }
}

// What services sent before there was a second version.
#[tokio::test]
async fn version_1_is_what_it_always_was() {
    let scratch = ScratchStore::new().await;
    scratch.create("a").await;
    scratch.create("b").await;
    scratch.store.register("shop", "read", "data:read/*").await;
    scratch.invalidate("b").await;
    let text = scratch.store.feed_page(Cursor(0), 10).await.unwrap().to_json().unwrap();
    let epoch = scratch.store.epoch();
    let expected = format!(
        "{}{}{}",
        format_args!(
            r#"{{"epoch":"{}","cursor":5,"purged":0,"total":1,"more":false,"reset":false,"keys":["#,
            epoch.as_str()
        ),
        concat!(
            r#"{"seq":2,"id":"a","salt":"AwMDAwMDAwMDAwMDAwMDAw==","digest":"y5p6Mfs8in+51isfbYeHCZhe1fS0Uq53aj4HJ8mK4Bk=","#,
            r#""expiration":1000,"name":"name of a","owner":{"username":"alice","realm":"file"},"roles":["reader"],"#,
            r#""vouched_roles":["reader"],"limited_by":["dev","ops"],"metadata":{"team":{"name":"x","size":2.5}}},"#,
        ),
        r#"{"seq":5,"id":"b","removed":true}]}"#,
    );
    assert_eq!(String::from_utf8(text).unwrap(), expected);
}

#[tokio::test]
async fn long_and_strange_descriptors_are_read_one_by_one() {
    let scratch = ScratchStore::new().await;
    for number in 0..6 {
        let role_descriptors = match number % 3 {
            0 => long_roles(20_000),
            1 => roles(
                json!({"r": {"applications": [{"application": "shop", "privileges": ["read"], "resources": ["\u{1f}"]}]}}),
            ),
            _ => roles(json!({})),
        };
        let made = StoredKey { role_descriptors, ..key(&format!("k{number}")) };
        scratch.store.create(made.clone(), actor(), UnixMillis(1)).await.unwrap();
        let page = scratch.store.page_with_rights(Cursor(0), None, 10).await;
        let expected = Rights::of_key(&made.role_descriptors, &made.limited_by).to_json();
        assert_eq!(rights_of(&page, made.id.as_str()), Some(expected));
        assert_eq!(page.page.keys.len(), number + 1);
    }
}

#[tokio::test]
async fn rights_that_are_too_long_or_not_readable_are_told_of_nobody_and_the_key_stays() {
    let scratch = ScratchStore::new().await;
    scratch.create("good").await;
    // An older version did not refuse it.
    let long = StoredKey { role_descriptors: long_roles(RIGHTS_LEN_MAX), ..key("long") };
    assert!(!long.problems_of_size().is_empty());
    scratch.store.create(long, actor(), UnixMillis(1)).await.unwrap();
    scratch.create("spoilt").await;
    scratch.store.database.spoil("spoilt", "limited_by", "{\"ops\":7}").await;
    let page = scratch.store.page_with_rights(Cursor(0), None, 10).await;
    assert!(page.page.keys.iter().all(|row| matches!(row, FeedRow::Live { .. })), "{page:?}");
    assert_eq!(page.page.keys.len(), 3);
    assert!(rights_of(&page, "good").is_some());
    assert_eq!(page.rights.len(), 1);
}

#[tokio::test]
async fn a_check_names_the_keys_with_more_rights_than_an_edge_reads() {
    let scratch = ScratchStore::new().await;
    scratch.create("good").await;
    let long = StoredKey { role_descriptors: long_roles(RIGHTS_LEN_MAX), ..key("long") };
    scratch.store.create(long, actor(), UnixMillis(1)).await.unwrap();
    let soundness = StoreReader::open(&location(&scratch.place)).await.unwrap().check().await.unwrap();
    let [long] = &soundness.too_large[..] else { panic!("{soundness:?}") };
    assert!(long.starts_with("the API key long of alice in file: what the key may do, by"), "{long}");
    assert_eq!(soundness.problems, Vec::<String>::new());
}

#[tokio::test]
async fn a_key_with_more_rights_than_an_edge_reads_is_refused_with_both_numbers() {
    let scratch = ScratchStore::new().await;
    let long =
        |roles| StoredKey { role_descriptors: roles, limited_by: RoleDescriptors::default(), ..key("a") };
    let frame = Rights::of_key(&long_roles(0), &RoleDescriptors::default()).to_json().len();
    assert_eq!(long(long_roles(RIGHTS_LEN_MAX - frame)).problems_of_size(), Vec::<String>::new());
    let problem = |len: usize| {
        format!(
            "what the key may do, by role_descriptors and by the roles of the owner, has {len} bytes as JSON, at most 65536 are allowed"
        )
    };
    assert_eq!(
        long(long_roles(RIGHTS_LEN_MAX - frame + 1)).problems_of_size(),
        [problem(RIGHTS_LEN_MAX + 1)]
    );
    // An update brings the roles that the owner has by now.
    let made = scratch.create("a").await;
    let update = KeyUpdate {
        owner: made.owner,
        limited_by: long_roles(RIGHTS_LEN_MAX),
        role_descriptors: None,
        metadata: None,
        expiration: None,
        lifetime_max: None,
        is_vouched: false,
    };
    let done = scratch.store.update(vec!["a".to_owned()], update, actor(), UnixMillis(6)).await.unwrap();
    let [(_, Err(UpdateRefusal::TooLarge(problems)))] = done.outcome.as_slice() else { panic!("{done:?}") };
    assert!(problems[0].starts_with("what the key may do"), "{problems:?}");
}
