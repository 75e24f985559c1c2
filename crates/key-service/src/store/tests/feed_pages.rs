use std::collections::BTreeMap;

use latchkey_key_feed::{Cursor, FeedPage, FeedRow};
use proptest::prelude::*;

use super::*;
use crate::limits::row_limits::DESCRIPTORS_LEN_MAX;
use crate::limits::{FEED_ROWS_LEN_MAX, FEED_TEXTS_LEN_AT_ONCE};
use crate::store::FeedPosition;

/// What a follower holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Followed {
    pub(super) cursor: Cursor,
    /// While it loads: what had been forgotten when the load began.
    loading: Option<Cursor>,
    pub(super) keys: BTreeMap<KeyId, FeedRow>,
}

impl Followed {
    fn apply(&mut self, page: FeedPage) {
        assert!(!page.reset);
        let seqs: Vec<Cursor> = page.keys.iter().map(FeedRow::seq).collect();
        assert!(seqs.is_sorted_by(|left, right| left < right), "{seqs:?}");
        for row in page.keys {
            match &row {
                FeedRow::Live { .. } => self.keys.insert(row.id().clone(), row),
                FeedRow::Removed { id, .. } => self.keys.remove(id),
            };
        }
        self.cursor = page.cursor;
    }

    /// Reads one page as the filter does, and begins again when it is told to. Whether there is more to read.
    pub(super) async fn read_on(&mut self, store: &KeyStore, rows_max: u32) -> bool {
        let position = FeedPosition { purged: self.loading, ..self.cursor.into() };
        let page = store.parsed_page(position, rows_max).await.unwrap();
        if page.reset {
            *self = Self::default();
            return true;
        }
        if self.cursor == Cursor(0) {
            self.loading = Some(page.purged);
        }
        let more = page.more;
        self.apply(page);
        if !more {
            self.loading = None;
        }
        more
    }

    /// Reads on to the end.
    pub(super) async fn catch_up(&mut self, store: &KeyStore, rows_max: u32) -> u64 {
        loop {
            let page = store.parsed_page(self.cursor, rows_max).await.unwrap();
            let (more, total) = (page.more, page.total);
            self.apply(page);
            if !more {
                return total;
            }
        }
    }
}

#[tokio::test]
async fn an_empty_store_has_a_position_to_wait_at() {
    let scratch = ScratchStore::new().await;
    let page = scratch.store.parsed_page(Cursor(0), 10).await.unwrap();
    assert_eq!((page.cursor, page.total, page.more, page.reset), (Cursor(1), 0, false, false));
    assert_eq!(page.keys, []);
}

#[tokio::test]
async fn a_row_carries_what_an_edge_needs() {
    let scratch = ScratchStore::new().await;
    let key = scratch.create("a").await;
    scratch.create("b").await;
    scratch.invalidate("b").await;
    let page = scratch.store.parsed_page(Cursor(0), 10).await.unwrap();
    let [FeedRow::Live { seq: Cursor(2), record }, FeedRow::Removed { seq: Cursor(4), id }] =
        page.keys.as_slice()
    else {
        panic!("{:?}", page.keys);
    };
    assert_eq!(id.as_str(), "b");
    assert_eq!((&record.id, record.secrets), (&key.id, key.secrets));
    assert_eq!((&record.name, record.expiration), (&key.name, key.expiration));
    assert_eq!((record.owner.username.as_str(), record.owner.realm.as_str()), ("alice", "file"));
    assert_eq!((record.roles.as_slice(), record.limited_by.len()), (["reader".to_owned()].as_slice(), 2));
    assert_eq!(record.metadata, json!(key.metadata).to_string());
    assert_eq!((page.cursor, page.total), (Cursor(4), 1));
}

#[tokio::test]
async fn a_cursor_that_missed_a_purge_or_comes_from_the_future_is_reset() {
    let scratch = ScratchStore::new().await;
    for id in ["a", "b", "c"] {
        scratch.create(id).await;
    }
    scratch.store.database.set_purged_through(3).await;
    for (after, reset) in
        [(0, false), (1, true), (2, true), (3, false), (4, false), (5, true), (u64::MAX, true)]
    {
        let page = scratch.store.parsed_page(Cursor(after), 10).await.unwrap();
        assert_eq!(page.reset, reset, "after {after}");
    }
}

#[tokio::test]
async fn a_load_begun_after_the_purge_goes_on() {
    let scratch = ScratchStore::new().await;
    for id in ["a", "b", "c"] {
        scratch.create(id).await;
    }
    scratch.store.database.set_purged_through(3).await;
    let begun = scratch.store.parsed_page(Cursor(0), 1).await.unwrap();
    assert_eq!((begun.purged, begun.cursor, begun.more), (Cursor(3), Cursor(2), true));
    let loading = FeedPosition { purged: Some(begun.purged), ..begun.cursor.into() };
    assert!(!scratch.store.parsed_page(loading, 1).await.unwrap().reset);
    scratch.store.database.set_purged_through(4).await;
    assert!(scratch.store.parsed_page(loading, 1).await.unwrap().reset, "it may hold what was purged since");
}

#[tokio::test]
async fn a_page_ends_before_it_is_too_long_for_the_proxy() {
    let scratch = ScratchStore::new().await;
    let keys = 12;
    for number in 0..keys {
        let mut key = key(&format!("k{number}"));
        // Within two lists it is no header, and so an edge holds it. It can be no longer than a body, in a
        // store of an earlier version.
        key.metadata.insert("blob".into(), json!([["x".repeat(DESCRIPTORS_LEN_MAX - 100)]]));
        scratch.store.create(key, actor(), UnixMillis(1)).await.unwrap();
    }
    let page = scratch.store.parsed_page(Cursor(0), 1_000).await.unwrap();
    assert!(page.more);
    let len = scratch.store.feed_page(Cursor(0), 1_000).await.unwrap().to_json().unwrap().len();
    assert!(len < FEED_ROWS_LEN_MAX + 2 * DESCRIPTORS_LEN_MAX, "{len}");
    let mut followed = Followed::default();
    followed.catch_up(&scratch.store, 1_000).await;
    assert_eq!(followed.keys.len(), keys);
}

// What a page is read by must not care how its keys came: many as one text, one by one, or removed for good.
#[tokio::test]
async fn keys_of_any_length_and_removed_ones_are_in_the_order_of_their_changes() {
    let scratch = ScratchStore::new().await;
    for number in 0..20 {
        let mut made = key(&format!("k{number}"));
        if number % 7 == 3 {
            made.metadata.insert("blob".into(), "x".repeat(FEED_TEXTS_LEN_AT_ONCE).into());
        }
        if number % 5 == 2 {
            made.name = "tab\t newline\n quote\" \u{1} \u{2028} ü, '".into();
        }
        if number % 11 == 6 {
            made.name.push('\u{1f}');
        }
        scratch.store.create(made, actor(), UnixMillis(1)).await.unwrap();
    }
    let whole = scratch.store.parsed_page(Cursor(0), 100).await.unwrap();
    assert_eq!(whole.keys.len(), 20);
    for (number, row) in whole.keys.iter().enumerate() {
        let FeedRow::Live { seq, record } = row else { panic!("{row:?}") };
        assert_eq!((seq.0, record.id.as_str()), (number as u64 + 2, format!("k{number}").as_str()));
        assert_eq!(record.metadata.contains("\"blob\""), number % 7 == 3, "{number}");
        assert_eq!(record.name.contains('\u{2028}'), number % 5 == 2, "{number}");
        assert_eq!(record.name.ends_with('\u{1f}'), number % 11 == 6, "{number}");
    }
    for seq in [30, 31, 33, 40] {
        scratch.store.database.remember_removed(&format!("gone-{seq}"), seq).await;
    }
    for rows_max in [1, 2, 3, 20, 22, 23, 24, 25] {
        let (mut after, mut seen) = (Cursor(0), Vec::new());
        loop {
            let page = scratch.store.parsed_page(after, rows_max).await.unwrap();
            assert!(page.keys.len() <= rows_max as usize);
            seen.extend(page.keys.iter().map(|row| row.seq().0));
            after = page.cursor;
            if !page.more {
                break;
            }
        }
        let expected: Vec<u64> = (2..22).chain([30, 31, 33, 40]).collect();
        assert_eq!((seen, after), (expected, Cursor(40)), "{rows_max} a page");
    }
}

/// One step of the life of a store: a key is made, or some key made before is ended.
#[derive(Clone, Debug)]
enum Step {
    Create,
    Invalidate(prop::sample::Index),
    Follow { rows_max: u32 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Create),
        2 => any::<prop::sample::Index>().prop_map(Step::Invalidate),
        2 => (1_u32..5).prop_map(|rows_max| Step::Follow { rows_max }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn deltas_in_any_split_equal_a_full_load(steps in prop::collection::vec(step(), 1..24), rows_max in 1_u32..7) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let scratch = ScratchStore::new().await;
            let mut live = Followed::default();
            let mut made: Vec<String> = Vec::new();
            for step in steps {
                match step {
                    Step::Create => {
                        let id = format!("key-{}", made.len());
                        scratch.create(&id).await;
                        made.push(id);
                    }
                    Step::Invalidate(index) if !made.is_empty() => {
                        scratch.invalidate(index.get::<String>(&made)).await;
                    }
                    Step::Invalidate(_) => {}
                    Step::Follow { rows_max } => {
                        live.catch_up(&scratch.store, rows_max).await;
                    }
                }
            }
            let mut late = Followed::default();
            let total = late.catch_up(&scratch.store, rows_max).await;
            live.catch_up(&scratch.store, rows_max).await;
            assert_eq!(live, late);
            assert_eq!(total, u64::try_from(late.keys.len()).unwrap());
        });
    }
}
