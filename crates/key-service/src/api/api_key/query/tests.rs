//! What the store finds by itself is what a search finds that looks at each key.

use std::time::Duration;

use latchkey_budget::{Budget, Cancellation};
use latchkey_elastic::content::Node;
use latchkey_key_feed::{KeyId, UnixMillis};
use latchkey_query::{
    ColumnTest, Condition, Reads, Search, SearchRequest, SearchResult, Searchable as _, Searched, TextColumn,
    TypedKeys,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::audit::ChangeAction;
use crate::limits::work_limits::{KEYS_SORTED_MAX, SEARCH_ALLOWANCE};
use crate::model::key_usage::KeyUsage;
use crate::model::stored_key::StoredKey;
use crate::store::KeyStore;
use crate::store::removal::{RemovalPolicy, remove_dead_keys};
use crate::store::searches::Searches;
use crate::store::tests::{ScratchStore, actor, key};

use super::finding::{find, searched, whole};

const NOW: UnixMillis = UnixMillis(1_000_000);

/// What hits show: the id and the values by which they are sorted.
type Shown = Vec<(String, Vec<Value>)>;

fn moment() -> impl Strategy<Value = Option<UnixMillis>> {
    // The last one is as late as an absent one.
    let moments = vec![NOW.0 - 1, NOW.0, NOW.0 + 1, NOW.0 + 2, i64::MAX.unsigned_abs()];
    prop::option::of(prop::sample::select(moments).prop_map(UnixMillis))
}

fn usage() -> impl Strategy<Value = KeyUsage> {
    (moment(), moment(), 0_u64..3).prop_map(|(last_used, last_wrong_secret, uses)| KeyUsage {
        last_used,
        last_wrong_secret,
        uses,
        ..KeyUsage::default()
    })
}

fn some_key() -> impl Strategy<Value = StoredKey> {
    let name = prop::sample::select(vec!["ci", "Ci", "c!i%", "k_ci", "\u{212a}ey", "Key", "élan", ""]);
    let owner = prop::sample::select(vec![
        ("alice", "file"),
        ("alice", "native"),
        ("älice", "file"),
        ("bob", "file"),
    ]);
    let roles = prop::sample::select(vec![
        json!({}),
        json!({"reader": {}}),
        json!({"reader": {}, "a\"reader\"": {}}),
        json!({"\"reader\"": {}}),
        json!({"writer%": {}, "Reader": {}}),
        json!({"a,": {}, ",b": {}, "[\"c": {}}),
    ]);
    (name, owner, 0_u64..3, moment(), moment(), moment(), roles, usage()).prop_map(
        |(name, (username, realm), creation, expiration, invalidation, rotation, roles, usage)| {
            let mut key = StoredKey {
                name: name.to_owned(),
                creation: UnixMillis(creation),
                expiration,
                invalidation,
                rotation,
                role_descriptors: serde_json::from_value(roles).unwrap(),
                usage,
                ..key("x")
            };
            key.owner.username = username.to_owned();
            key.owner.realm = realm.to_owned();
            key
        },
    )
}

fn some_query() -> impl Strategy<Value = Value> {
    let dates =
        || prop::sample::select(vec!["expiration", "invalidation", "last_used", "creation", "rotation"]);
    let texts = || prop::sample::select(vec!["name", "username", "realm_name"]);
    let part = || prop::sample::select(vec!["ci", "k", "reader", "a", "é", "!i%", "file", "", "\u{0}"]);
    let at = || NOW.0 - 1..NOW.0 + 3;
    let leaf = prop_oneof![
        Just(json!({"match_all": {}})),
        any::<bool>().prop_map(|value| json!({"term": {"invalidated": value}})),
        (dates(), at()).prop_map(|(field, at)| json!({"range": {field: {"lte": at}}})),
        (dates(), at()).prop_map(|(field, at)| json!({"range": {field: {"gt": at}}})),
        dates().prop_map(|field| json!({"exists": {"field": field}})),
        (texts(), part()).prop_map(|(field, text)| json!({"prefix": {field: text}})),
        (texts(), part()).prop_map(|(field, text)| json!({"terms": {field: [text, "alice"]}})),
        (texts(), part(), any::<bool>()).prop_map(|(field, part, folds)| {
            json!({"wildcard": {field: {"value": format!("*{part}*"), "case_insensitive": folds}}})
        }),
        part().prop_map(|part| json!({"wildcard": {"name": format!("?{part}*i")}})),
        prop::sample::select(vec!["reader", "Reader", "\"reader\"", "writer%", "none", ",", "b", "c", "a,"])
            .prop_map(|role| json!({"term": {"roles": role}})),
        Just(json!({"exists": {"field": "roles"}})),
        (0_usize..20).prop_map(|id| json!({"ids": {"values": [id.to_string(), "k3"]}})),
        part().prop_map(|part| json!({"prefix": {"roles": part}})),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let some = || prop::collection::vec(inner.clone(), 0..3);
        (some(), some(), some(), prop::option::of(0_usize..3)).prop_map(|(must, should, must_not, min)| {
            let mut body = json!({"must": must, "should": should, "must_not": must_not});
            if let Some(min) = min {
                body["minimum_should_match"] = json!(min);
            }
            json!({"bool": body})
        })
    })
}

fn some_sort() -> impl Strategy<Value = Value> {
    let field = prop::sample::select(vec![
        "_doc",
        "creation",
        "expiration",
        "invalidated",
        "invalidation",
        "last_used",
        "last_wrong_secret",
        "name",
        "realm_name",
        "roles",
        "rotation",
        "username",
        "uses",
    ]);
    let order = prop::sample::select(vec!["asc", "desc"]);
    let missing =
        prop::option::of(prop::sample::select(vec![json!("_first"), json!("_last"), json!(NOW.0 + 1)]));
    let criterion = (field, order, missing).prop_map(|(field, order, missing)| {
        let is_moment =
            !["_doc", "name", "realm_name", "roles", "username", "invalidated", "uses"].contains(&field);
        match missing.filter(|_| is_moment) {
            Some(missing) => json!({field: {"order": order, "missing": missing}}),
            None => json!({field: {"order": order}}),
        }
    });
    prop::collection::vec(criterion, 0..4).prop_map(Value::from)
}

/// A search: its query, its order, and where the page lies.
fn some_search() -> impl Strategy<Value = (Value, Value, usize, usize, Option<usize>)> {
    (some_query(), some_sort(), 0_usize..6, 0_usize..9, prop::option::of(0_usize..20))
}

fn prepare(body: &Value) -> Search {
    let body = Node::parse(body.to_string().as_bytes()).unwrap();
    SearchRequest::parse(body.as_ref(), NOW, Searched::Keys).unwrap().into_search().unwrap()
}

async fn filled(keys: Vec<StoredKey>, in_postgres: bool) -> ScratchStore {
    let scratch = if in_postgres { ScratchStore::in_postgres().await } else { ScratchStore::new().await };
    let mut usage = Vec::new();
    let mut numbered = Vec::new();
    for (number, key) in keys.into_iter().enumerate() {
        let id = KeyId::try_from(format!("k{}", number * 7 % 20)).unwrap();
        if !key.usage.is_empty() {
            usage.push((id.clone(), key.usage.clone()));
        }
        numbered.push(StoredKey { id, ..key });
    }
    scratch.store.add(numbered, ChangeAction::CreateApiKey, actor(), UnixMillis(1)).await.unwrap();
    crate::store::usage::add(&scratch.store, &usage).await.unwrap();
    scratch
}

/// What a search shows that looks at each key.
async fn looked_at(store: &KeyStore, visible: &Condition, body: &Value) -> (u64, Shown) {
    let reads = Reads { metadata: true, roles: true, usage: true };
    let keys = Searches::of(store).all(visible, reads, Cancellation::default()).all().await.unwrap();
    let result = prepare(body).run(&keys, TypedKeys::Plain, &mut Budget::alone(SEARCH_ALLOWANCE)).unwrap();
    let SearchResult { total, hits, .. } = result;
    (total, hits.into_iter().map(|hit| (hit.key.id().to_owned(), hit.sort_values)).collect())
}

/// What the search of the interface shows.
async fn found(store: &KeyStore, visible: &Condition, body: &Value, sorted_max: u64) -> (u64, Shown) {
    let (store, visible, search) = (store.clone(), visible.clone(), prepare(body));
    let find = move || {
        let mut budget = Budget::alone(SEARCH_ALLOWANCE);
        find(&store, &visible, &search, TypedKeys::Plain, sorted_max, &mut budget).unwrap()
    };
    let SearchResult { total, hits, .. } = tokio::task::spawn_blocking(find).await.unwrap();
    (total, hits.into_iter().map(|hit| (hit.key.id.to_string(), hit.sort_values)).collect())
}

/// The keys that a caller may see.
fn visible(is_own: bool) -> Condition {
    let is = |column, text: &str| Condition::Text(column, ColumnTest::OneOf(vec![text.to_owned()]));
    if is_own {
        Condition::All(vec![is(TextColumn::Username, "alice"), is(TextColumn::RealmName, "file")])
    } else {
        Condition::everything()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_store_finds_what_is_found_by_a_look_at_each_key(
        keys in prop::collection::vec(some_key(), 1..20),
        searches in prop::collection::vec(some_search(), 24),
        is_own in prop::bool::weighted(0.2),
        in_postgres in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let scratch = filled(keys, in_postgres).await;
            let visible = visible(is_own);
            for (query, sort, from, size, after) in searches {
                let mut body = json!({"query": query, "sort": sort, "size": size, "from": from});
                let all = json!({"query": query, "sort": sort, "size": 100});
                let (_, all) = looked_at(&scratch.store, &visible, &all).await;
                if let Some((_, values)) = after.and_then(|after| all.get(after)).filter(|(_, values)| !values.is_empty()) {
                    body["from"] = json!(0);
                    body["search_after"] = json!(values);
                }
                let expected = looked_at(&scratch.store, &visible, &body).await;
                for sorted_max in [0, KEYS_SORTED_MAX] {
                    let found = found(&scratch.store, &visible, &body, sorted_max).await;
                    prop_assert_eq!(&found, &expected, "{} with {}", body, sorted_max);
                }
            }
            Ok(())
        })?;
    }
}

// SQLite gives the number of the last row to the next one.
#[tokio::test]
async fn a_key_is_not_taken_for_one_that_was_removed_since_it_was_found() {
    for scratch in [ScratchStore::new().await, ScratchStore::in_postgres().await] {
        scratch.create("alices").await;
        let store = scratch.store.clone();
        let search = prepare(&json!({}));
        let found = tokio::task::spawn_blocking(move || {
            let mut budget = Budget::alone(SEARCH_ALLOWANCE);
            searched(&store, &visible(false), &search, TypedKeys::Plain, 0, &mut budget).unwrap()
        });
        let found = found.await.unwrap();
        assert_eq!(found.hits.len(), 1);
        scratch.invalidate("alices").await;
        let policy =
            RemovalPolicy { interval: Duration::ZERO, retention: Duration::ZERO, audit_retention: None };
        assert_eq!(remove_dead_keys(&scratch.store, &policy, NOW).await.unwrap(), 1);
        scratch.create("bobs").await;
        let store = scratch.store.clone();
        let shown = tokio::task::spawn_blocking(move || {
            whole(&store, found, &mut Budget::alone(SEARCH_ALLOWANCE)).unwrap()
        });
        assert!(shown.await.unwrap().hits.is_empty());
    }
}
