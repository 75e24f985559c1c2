//! Searches: what earlier versions have stored, and that pages are read along indexes.

use latchkey_query::{ColumnTest, Condition, OrderedBy, OrderedPage, SortColumn, TextColumn};

use super::*;
use crate::store::searches::{PagePart, Searches};

fn by(column: SortColumn, is_descending: bool) -> OrderedBy {
    // Keys that lack the moment come last.
    OrderedBy { column, is_descending, absent: if is_descending { i64::MIN } else { i64::MAX } }
}

/// The first keys in an order, and then in that in which they were added.
fn first(column: SortColumn, is_descending: bool, condition: Condition) -> OrderedPage {
    let position = by(SortColumn::Position, is_descending);
    let order = if column == SortColumn::Position {
        vec![position]
    } else {
        vec![by(column, is_descending), position]
    };
    OrderedPage { condition, order, after: None, from: 0, size: 10 }
}

async fn ids(store: &KeyStore, page: &OrderedPage) -> Vec<String> {
    let mut ids = Vec::new();
    for part in PagePart::in_order(page) {
        let keys = Searches::of(store).page(&page.condition, &part, (0, 10), Cancellation::default());
        let keys = keys.all().await.unwrap();
        ids.extend(keys.iter().map(|key| latchkey_query::Searchable::id(key).to_owned()));
    }
    ids
}

async fn used(store: &KeyStore, id: &str, at: u64) {
    let usage = KeyUsage { uses: 1, last_used: Some(UnixMillis(at)), ..KeyUsage::default() };
    crate::store::usage::add(store, &[(KeyId::try_from(id).unwrap(), usage)]).await.unwrap();
}

// An older replica adds rows of uses that lack what the order needs, and the database completes them.
#[tokio::test]
async fn keys_of_an_earlier_version_are_found_in_every_order() {
    for scratch in [ScratchStore::new().await, ScratchStore::in_postgres().await] {
        for id in ["d", "c", "b", "a"] {
            scratch.create(id).await;
        }
        used(&scratch.store, "b", 50).await;
        used(&scratch.store, "d", 50).await;
        scratch.invalidate("c").await;
        scratch.store.database.forget_search_orders().await;
        scratch.store.close().await;
        let store = scratch.another_opening().await;
        used(&store, "a", 40).await;
        for (column, is_descending, expected) in [
            (SortColumn::LastUsed, true, ["b", "d", "a", "c"]),
            (SortColumn::LastUsed, false, ["a", "d", "b", "c"]),
            (SortColumn::Invalidation, false, ["c", "d", "b", "a"]),
            (SortColumn::Expiration, false, ["d", "c", "b", "a"]),
            (SortColumn::Uses, true, ["a", "b", "d", "c"]),
            (SortColumn::Name, false, ["a", "b", "c", "d"]),
        ] {
            let page = first(column, is_descending, Condition::everything());
            assert_eq!(ids(&store, &page).await, expected, "{column:?}");
        }
        let ending = Searches::of(&store).ending_in(UnixMillis(999), UnixMillis(1_000)).await.unwrap();
        assert_eq!(ending, 3, "one was invalidated");
    }
}

// The numbers of rows are not in a dump of SQLite.
#[tokio::test]
async fn the_last_used_keys_are_found_in_a_store_whose_rows_have_other_numbers() {
    let scratch = ScratchStore::new().await;
    if scratch.store.may_have_replicas() {
        return;
    }
    for id in ["a", "b", "c"] {
        scratch.create(id).await;
    }
    used(&scratch.store, "b", 50).await;
    used(&scratch.store, "c", 40).await;
    scratch.store.database.number_keys_anew().await;
    scratch.store.close().await;
    let store = scratch.another_opening().await;
    let page = first(SortColumn::LastUsed, true, Condition::everything());
    assert_eq!(ids(&store, &page).await, ["b", "c", "a"]);
}

// Without statistics SQLite would rather sort a million keys than walk along an index.
#[tokio::test]
async fn pages_are_read_along_an_index_and_nothing_is_sorted() {
    let scratch = ScratchStore::new().await;
    let store = &scratch.store;
    if store.may_have_replicas() {
        return;
    }
    let invalidated = Condition::Moment(SortColumn::Invalidation, vec![(i64::MIN, i64::MAX)]);
    let ended = Condition::Moment(SortColumn::Expiration, vec![(i64::MIN, 5)]);
    let not = |condition: &Condition| Condition::Not(Box::new(condition.clone()));
    let conditions = [
        Condition::everything(),
        Condition::All(vec![not(&invalidated), not(&ended)]),
        Condition::All(vec![not(&invalidated), ended]),
        invalidated,
    ];
    for column in [
        SortColumn::Position,
        SortColumn::Name,
        SortColumn::Username,
        SortColumn::Expiration,
        SortColumn::LastUsed,
    ] {
        for (is_descending, condition) in
            [true, false].iter().flat_map(|is| conditions.iter().map(|it| (*is, it)))
        {
            let page = first(column, is_descending, condition.clone());
            for part in PagePart::in_order(&page) {
                let steps = store.database.plan_of(&page.condition, &part).await;
                assert!(steps.iter().all(|step| !step.contains("TEMP B-TREE")), "{page:?}: {steps:?}");
            }
        }
    }
}

// An index that begins with the invalidation would be taken instead, and all keys be looked at.
#[tokio::test]
async fn what_else_is_asked_of_keys_that_work_has_its_own_index() {
    let scratch = ScratchStore::new().await;
    if scratch.store.may_have_replicas() {
        return;
    }
    for (statement, index) in [
        (
            "select id from api_key where invalidation is null and (vouched_seq is null or vouched_seq <> seq) order by id",
            "api_key_undecided",
        ),
        ("select id from api_key where invalidation is null and name = 'a'", "api_key_by_name"),
        ("select id from api_key where invalidation is null and owner_realm = 'a'", "api_key_by_owner"),
    ] {
        let steps = scratch.store.database.plan_of_statement(statement).await;
        assert!(steps.iter().any(|step| step.contains(index)), "{statement}: {steps:?}");
    }
}

// One key was enough to have the uses of all read, once for each test of a use. An API key that sees itself alone had the
// database read the keys of whomever it asked for, and could tell by the time how many these were.
#[tokio::test]
async fn whoever_may_see_few_keys_has_no_others_read() {
    let scratch = ScratchStore::new().await;
    if scratch.store.may_have_replicas() {
        return;
    }
    let is = |column, text: &str| Condition::Text(column, ColumnTest::OneOf(vec![text.to_owned()]));
    let any = [(i64::MIN, i64::MAX)];
    let lacks = |column| Condition::Not(Box::new(Condition::Moment(column, any.to_vec())));
    let itself = Condition::Ids(vec!["a".to_owned()]);
    let alice = Condition::All(vec![is(TextColumn::Username, "alice"), is(TextColumn::RealmName, "native")]);
    for (visible, index) in [(itself, "(id=?)"), (alice, "(owner_realm=? AND owner_username=?)")] {
        for asked in [
            lacks(SortColumn::LastUsed),
            lacks(SortColumn::Expiration).and(lacks(SortColumn::Invalidation)),
            is(TextColumn::Name, "a").and(is(TextColumn::Username, "bob")),
            is(TextColumn::Username, "bob").and(is(TextColumn::RealmName, "file")),
            Condition::Any(vec![is(TextColumn::Name, "a"), is(TextColumn::Username, "bob")]),
        ] {
            let page = first(SortColumn::Name, false, visible.clone().and(asked));
            for part in PagePart::sorted(&page) {
                let steps = scratch.store.database.plan_of(&page.condition, &part).await;
                let of_keys: Vec<_> = steps.iter().filter(|step| step.contains(" api_key")).collect();
                assert_eq!(of_keys.len(), 1, "{steps:?}");
                assert!(of_keys[0].starts_with("SEARCH") && of_keys[0].ends_with(index), "{steps:?}");
                assert!(steps.iter().all(|step| !step.contains("SCAN key_usage")), "{steps:?}");
            }
        }
    }
}
