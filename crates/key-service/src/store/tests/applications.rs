//! What applications have registered, in the order of the feed.

use std::collections::BTreeMap;

use latchkey_key_feed::format_limits::APPLICATION_PRIVILEGES_LEN_MAX;
use latchkey_key_feed::{Cursor, FeedRow};
use proptest::prelude::*;

use super::*;
use crate::limits::FEED_ROWS_LEN_MAX;
use crate::store::directory::TooLong;
use crate::store::removal::{self, RemovalPolicy};
use crate::store::transfer::{self, StoreReader, WhenThere};

impl ScratchStore {
    async fn unregister(&self, application: &str, name: &str) {
        let names = vec![name.to_owned()];
        let store = &self.store;
        store
            .directory()
            .delete_application_privileges(application.into(), names, actor(), UnixMillis(6))
            .await
            .unwrap();
    }
}

/// Sequence number, application and privileges of each.
fn told(page: &FeedPageWithRights) -> Vec<(u64, &str, Option<&str>)> {
    page.applications.iter().map(|it| (it.seq.0, it.application.as_str(), it.privileges.as_deref())).collect()
}

#[tokio::test]
async fn a_registered_privilege_and_a_key_come_in_the_order_of_their_changes() {
    let scratch = ScratchStore::new().await;
    scratch.create("a").await;
    scratch.store.register("shop", "read", "data:read/*").await;
    scratch.create("b").await;
    scratch.store.register("bank", "pay", "pay:*").await;
    scratch.invalidate("a").await;
    scratch.store.register("shop", "read", "data:list/*").await;
    let page = scratch.store.page_with_rights(Cursor(0), None, 10).await;
    assert_eq!(page.page.cursor, Cursor(7));
    assert_eq!(
        told(&page),
        [(5, "bank", Some(r#"{"pay":["pay:*"]}"#)), (7, "shop", Some(r#"{"read":["data:list/*"]}"#))]
    );
    // With a row a page, an application comes with the first page that reaches its change.
    let first = scratch.store.page_with_rights(Cursor(0), None, 1).await;
    assert_eq!((first.page.cursor, first.page.more, told(&first).len()), (Cursor(4), true, 0));
    let second = scratch.store.page_with_rights(first.page.cursor, None, 1).await;
    assert_eq!((second.page.cursor, second.page.more, told(&second).len()), (Cursor(7), false, 2));
    let none = scratch.store.page_with_rights(second.page.cursor, None, 1).await;
    assert_eq!((none.page.cursor, told(&none).len()), (Cursor(7), 0));
}

#[tokio::test]
async fn a_change_of_what_is_registered_wakes_followers_of_both_versions() {
    let scratch = ScratchStore::new().await;
    let mut changes = scratch.store.changes();
    scratch.store.register("shop", "read", "data:read/*").await;
    assert_eq!(*changes.borrow_and_update(), Cursor(2));
    scratch.unregister("shop", "no such name").await;
    assert!(!changes.has_changed().unwrap(), "nothing was removed");
    scratch.unregister("shop", "read").await;
    assert_eq!(*changes.borrow_and_update(), Cursor(3));
    let page = scratch.store.parsed_page(Cursor(1), 10).await.unwrap();
    assert_eq!((page.cursor, page.keys.len()), (Cursor(3), 0));
}

#[tokio::test]
async fn an_application_without_privileges_is_told_until_that_is_forgotten() {
    let scratch = ScratchStore::new().await;
    scratch.store.register("shop", "read", "data:read/*").await;
    scratch.store.register("shop", "write", "data:write/*").await;
    scratch.unregister("shop", "read").await;
    let page = scratch.store.page_with_rights(Cursor(0), None, 10).await;
    assert_eq!(told(&page), [(4, "shop", Some(r#"{"write":["data:write/*"]}"#))]);
    scratch.unregister("shop", "write").await;
    scratch.store.register("bank", "pay", "pay:*").await;
    let page = scratch.store.page_with_rights(Cursor(4), None, 10).await;
    assert_eq!(told(&page), [(5, "shop", Some("{}")), (6, "bank", Some(r#"{"pay":["pay:*"]}"#))]);
    // A removal that is forgotten, here of a key, makes a follower from before load anew.
    scratch.create("a").await;
    scratch.invalidate("a").await;
    let policy = RemovalPolicy { retention: std::time::Duration::from_millis(1), ..RemovalPolicy::default() };
    assert_eq!(removal::remove_dead_keys(&scratch.store, &policy, UnixMillis(100_000_000)).await.unwrap(), 1);
    let page = scratch.store.page_with_rights(Cursor(0), None, 10).await;
    assert_eq!((page.page.purged, told(&page).len()), (Cursor(8), 1), "{page:?}");
    assert_eq!(told(&page)[0].1, "bank");
    assert!(scratch.store.page_with_rights(Cursor(4), None, 10).await.page.reset);
}

#[tokio::test]
async fn what_is_long_comes_in_several_pages_and_each_brings_the_feed_forward() {
    let scratch = ScratchStore::new().await;
    let long = format!("data:{}", "x".repeat(APPLICATION_PRIVILEGES_LEN_MAX - 100));
    for number in 0..7 {
        scratch.store.register(&format!("app{number}"), "read", &long).await;
        scratch.create(&format!("k{number}")).await;
    }
    let (mut after, mut applications, mut rows, mut pages) = (Cursor(0), Vec::new(), 0, 0);
    loop {
        let position = FeedPosition { version: FeedVersion::V2, ..after.into() };
        let text = scratch.store.feed_page(position, 100).await.unwrap().to_json().unwrap();
        assert!(text.len() < FEED_ROWS_LEN_MAX);
        let page = FeedPageWithRights::parse(&text, after).unwrap();
        assert!(page.page.cursor > after);
        after = page.page.cursor;
        applications.extend(page.applications.iter().map(|it| it.application.clone()));
        rows += page.page.keys.len();
        pages += 1;
        if !page.page.more {
            break;
        }
    }
    assert_eq!((applications.len(), rows, after), (7, 7, Cursor(15)));
    assert!(pages > 2, "{pages}");
}

#[tokio::test]
async fn an_application_cannot_register_more_than_an_edge_is_sent() {
    let scratch = ScratchStore::new().await;
    let privilege = |name: &str, len: usize| ApplicationPrivilege {
        application: "shop".to_owned(),
        name: name.to_owned(),
        actions: vec![format!("a:{}", "x".repeat(len))],
        ..ApplicationPrivilege::default()
    };
    let put = |privilege| {
        scratch.store.directory().put_application_privileges(vec![privilege], actor(), UnixMillis(5))
    };
    let half = APPLICATION_PRIVILEGES_LEN_MAX / 2;
    assert_eq!(put(privilege("p", half)).await.unwrap(), PutPrivileges::Done(vec![true]));
    // `{"p":["a:…"],"q":["a:…"]}`
    let rest = half - 23;
    let len = i64::try_from(APPLICATION_PRIVILEGES_LEN_MAX).unwrap() + 1;
    let too_long = TooLong { application: "shop".to_owned(), len };
    assert_eq!(put(privilege("q", rest + 1)).await.unwrap(), PutPrivileges::TooLong(too_long));
    assert_eq!(scratch.store.latest().await.unwrap(), Cursor(2), "nothing was changed");
    assert_eq!(put(privilege("q", rest)).await.unwrap(), PutPrivileges::Done(vec![true]));
    let page = scratch.store.page_with_rights(Cursor(0), None, 10).await;
    assert_eq!(
        page.applications[0].privileges.as_ref().map(String::len),
        Some(APPLICATION_PRIVILEGES_LEN_MAX)
    );
}

#[tokio::test]
async fn what_an_older_version_has_registered_reaches_a_follower_that_loads() {
    let scratch = ScratchStore::new().await;
    for application in ["shop", "bank"] {
        scratch.store.register(application, "read", "data:read/*").await;
    }
    scratch.store.database.forget_application_changes().await;
    scratch.store.close().await;
    let store = scratch.another_opening().await;
    let page = store.page_with_rights(Cursor(0), None, 10).await;
    let told: Vec<_> = told(&page).into_iter().map(|(seq, name, _)| (seq, name)).collect();
    assert_eq!(told, [(4, "bank"), (5, "shop")]);
    assert_eq!(page.page.cursor, Cursor(5));
    store.register("shop", "read", "data:list/*").await;
    assert_eq!(store.latest().await.unwrap(), Cursor(6));
}

#[tokio::test]
async fn what_is_imported_is_a_change_of_the_feed() {
    let from = ScratchStore::new().await;
    from.store.register("shop", "read", "data:read/*").await;
    from.store.register("shop", "write", "data:write/*").await;
    from.create("a").await;
    let (_, mut entries) = StoreReader { database: from.store.database.clone() }.entries().await.unwrap();
    let mut read = Vec::new();
    while let Some(entry) = entries.recv().await {
        read.push(entry);
    }
    let to = ScratchStore::new().await;
    transfer::import(&to.store, read.into_iter(), WhenThere::Refuse, actor(), UnixMillis(5)).await.unwrap();
    let page = to.store.page_with_rights(Cursor(0), None, 10).await;
    assert_eq!(page.page.cursor, Cursor(3));
    assert_eq!(told(&page), [(3, "shop", Some(r#"{"read":["data:read/*"],"write":["data:write/*"]}"#))]);
    assert_eq!(*to.store.changes().borrow(), Cursor(3));
}

#[tokio::test]
async fn a_change_of_what_is_registered_wakes_whoever_waits_at_another_replica() {
    let scratch = ScratchStore::in_postgres().await;
    let other = scratch.another_replica().await;
    let mut changes = other.changes();
    changes.borrow_and_update();
    scratch.store.register("shop", "read", "data:read/*").await;
    changes.wait_for(|latest| *latest == Cursor(2)).await.unwrap();
    let page = other.page_with_rights(Cursor(1), None, 10).await;
    assert_eq!(told(&page), [(2, "shop", Some(r#"{"read":["data:read/*"]}"#))]);
    // Changes of both, and of keys, share one order.
    let (one, two) = (scratch.store.clone(), other.clone());
    let (_, _, _) = tokio::join!(
        async {
            for _ in 0..10 {
                one.register("shop", "read", "data:a/*").await
            }
        },
        async {
            for _ in 0..10 {
                two.register("bank", "read", "data:b/*").await
            }
        },
        async {
            for number in 0..10 {
                scratch.create(&format!("k{number}")).await;
            }
        },
    );
    let page = other.page_with_rights(Cursor(2), None, 100).await;
    assert_eq!((page.page.cursor, page.page.keys.len(), told(&page).len()), (Cursor(32), 10, 2));
}

/// What a follower of version 2 holds.
#[derive(Clone, Debug, Default, PartialEq)]
struct Followed {
    cursor: Cursor,
    keys: BTreeMap<KeyId, Option<String>>,
    applications: BTreeMap<String, String>,
}

impl Followed {
    async fn catch_up(&mut self, store: &KeyStore, rows_max: u32) {
        loop {
            let FeedPageWithRights { page, applications, mut rights } =
                store.page_with_rights(self.cursor, None, rows_max).await;
            assert!(!page.reset);
            for it in applications {
                assert!(it.seq > self.cursor && it.seq <= page.cursor);
                match it.privileges.unwrap() {
                    nothing if nothing == "{}" => drop(self.applications.remove(&it.application)),
                    privileges => drop(self.applications.insert(it.application, privileges)),
                }
            }
            for row in page.keys {
                match row {
                    FeedRow::Live { record, .. } => {
                        let rights = rights.remove(&record.id);
                        self.keys.insert(record.id, rights);
                    }
                    FeedRow::Removed { id, .. } => drop(self.keys.remove(&id)),
                }
            }
            self.cursor = page.cursor;
            if !page.more {
                return;
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Create,
    Invalidate(usize),
    Register(&'static str, &'static str),
    Unregister(&'static str, &'static str),
    Follow(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let privilege =
        || (prop::sample::select(vec!["shop", "bank"]), prop::sample::select(vec!["read", "write"]));
    prop_oneof![
        3 => Just(Step::Create),
        2 => (0_usize..8).prop_map(Step::Invalidate),
        3 => privilege().prop_map(|(application, name)| Step::Register(application, name)),
        2 => privilege().prop_map(|(application, name)| Step::Unregister(application, name)),
        2 => (1_u32..4).prop_map(Step::Follow),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn deltas_in_any_split_equal_a_full_load(steps in prop::collection::vec(step(), 1..24), rows_max in 1_u32..5) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let scratch = ScratchStore::new().await;
            let mut live = Followed::default();
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Create => drop(scratch.create(&format!("k{number}")).await),
                    Step::Invalidate(number) => drop(scratch.invalidate(&format!("k{number}")).await),
                    Step::Register(application, name) => {
                        scratch.store.register(application, name, &format!("data:{number}")).await;
                    }
                    Step::Unregister(application, name) => scratch.unregister(application, name).await,
                    Step::Follow(rows_max) => live.catch_up(&scratch.store, rows_max).await,
                }
            }
            let mut late = Followed::default();
            late.catch_up(&scratch.store, rows_max).await;
            live.catch_up(&scratch.store, rows_max).await;
            assert_eq!(live, late);
            assert!(live.keys.values().all(Option::is_some));
        });
    }
}
