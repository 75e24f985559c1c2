//! What a store can test of a query.

use super::*;
use crate::condition::{TESTS_PER_ROLE, TESTS_PER_USAGE};
use crate::search_limits::{CONDITION_RANGES_MAX, CONDITION_TESTS_MAX};
use crate::{ColumnTest, Condition, Narrowing, SortColumn, TextColumn};

fn narrowing(query: &Value) -> Narrowing {
    prepare(&json!({"query": query}).to_string()).unwrap().narrowing()
}

fn text(column: TextColumn, test: ColumnTest) -> Condition {
    Condition::Text(column, test)
}

#[test]
fn what_a_store_has_columns_for_it_tests_alone() {
    let alice = || text(TextColumn::Username, ColumnTest::OneOf(vec!["alice".to_owned()]));
    let ended = || Condition::Moment(SortColumn::Expiration, vec![(i64::MIN, 5)]);
    let not = |condition| Condition::Not(Box::new(condition));
    for (query, condition) in [
        (json!({"match_all": {}}), Condition::everything()),
        (json!({"term": {"username": "alice"}}), alice()),
        (
            json!({"terms": {"roles": ["reader", "b,c"]}}),
            text(TextColumn::Roles, ColumnTest::OneOf(vec!["b,c".to_owned(), "reader".to_owned()])),
        ),
        (json!({"ids": {"values": ["b", "a"]}}), Condition::Ids(vec!["a".to_owned(), "b".to_owned()])),
        (json!({"exists": {"field": "name"}}), Condition::everything()),
        (
            json!({"bool": {"filter": [{"term": {"username": "alice"}}], "must_not": [{"range": {"expiration": {"lte": 5}}}]}}),
            Condition::All(vec![alice(), not(ended())]),
        ),
        (
            json!({"bool": {"should": [{"range": {"expiration": {"lte": 5}}}, {"prefix": {"name": "ci"}}]}}),
            Condition::Any(vec![ended(), text(TextColumn::Name, ColumnTest::Prefix("ci".to_owned()))]),
        ),
        (
            json!({"bool": {"should": [{"match_all": {}}], "minimum_should_match": 2}}),
            Condition::Any(Vec::new()),
        ),
    ] {
        assert_eq!(narrowing(&query), Narrowing { condition, is_exact: true }, "{query}");
    }
}

#[test]
fn what_it_tests_roughly_still_rules_keys_out() {
    let part_of = |part: &str| text(TextColumn::Name, ColumnTest::Part(part.to_owned()));
    let part = || part_of("ci");
    let wildcard = json!({"wildcard": {"name": {"value": "*CI*", "case_insensitive": true}}});
    let metadata = json!({"term": {"metadata.a": "b"}});
    for (query, condition) in [
        (wildcard.clone(), part()),
        (json!({"wildcard": {"name": format!("*{}b", "a".repeat(150))}}), part_of(&"a".repeat(16))),
        // JSON writes it in another way, or it may stand inside of another.
        (json!({"term": {"roles": "a\"b"}}), Condition::everything()),
        (json!({"term": {"roles": ",a"}}), Condition::everything()),
        (json!({"bool": {"must": [wildcard, metadata]}}), part()),
        (json!({"bool": {"should": [wildcard, metadata]}}), Condition::everything()),
        (json!({"bool": {"must_not": [wildcard]}}), Condition::everything()),
        (metadata.clone(), Condition::everything()),
        (json!({"term": {"name": "a\u{0}"}}), Condition::everything()),
    ] {
        assert_eq!(narrowing(&query), Narrowing { condition, is_exact: false }, "{query}");
    }
}

#[test]
fn beyond_a_limit_each_key_is_looked_at() {
    let clauses = |count: usize| json!({"bool": {"should": vec![json!({"prefix": {"name": "ci"}}); count]}});
    let roles =
        |count: usize| json!({"terms": {"roles": (0..count).map(|n| n.to_string()).collect::<Vec<_>>()}});
    let moments =
        |count: usize| json!({"terms": {"creation": (0..count).map(|n| 10 * n).collect::<Vec<_>>()}});
    let uses =
        |count: usize| json!({"bool": {"should": vec![json!({"range": {"last_used": {"lt": 5}}}); count]}});
    for (query, max) in [
        (&clauses as &dyn Fn(usize) -> Value, CONDITION_TESTS_MAX),
        (&roles as &dyn Fn(usize) -> Value, CONDITION_TESTS_MAX / TESTS_PER_ROLE),
        (&uses as &dyn Fn(usize) -> Value, CONDITION_TESTS_MAX / TESTS_PER_USAGE),
        (&moments as &dyn Fn(usize) -> Value, CONDITION_RANGES_MAX),
    ] {
        assert!(!narrowing(&query(max)).condition.is_everything());
        let beyond = narrowing(&query(max + 1));
        assert!(beyond.condition.is_everything() && !beyond.is_exact, "{max}");
    }
}

#[test]
fn a_search_reads_no_more_of_keys_than_it_asks_for() {
    for (body, metadata, roles, usage) in [
        (json!({"query": {"term": {"name": "a"}}, "sort": ["expiration"]}), false, false, false),
        (json!({"query": {"exists": {"field": "metadata.a"}}}), true, false, false),
        (json!({"query": {"bool": {"must_not": [{"prefix": {"roles": "a"}}]}}}), false, true, false),
        (json!({"query": {"range": {"last_used": {"gt": 1}}}}), false, false, true),
        (json!({"sort": ["uses"]}), false, false, true),
        (json!({"aggs": {"a": {"terms": {"field": "name"}}}}), true, true, true),
    ] {
        let reads = prepare(&body.to_string()).unwrap().reads();
        assert_eq!((reads.metadata, reads.roles, reads.usage), (metadata, roles, usage), "{body}");
    }
}
