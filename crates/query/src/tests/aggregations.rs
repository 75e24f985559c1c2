use super::*;

/// The answer to one aggregation over all keys.
#[track_caller]
fn aggregate(aggregation: &Value) -> Value {
    let body = json!({"size": 0, "aggs": {"a": aggregation}}).to_string();
    search(&body).aggregations.expect("asked for")["a"].clone()
}

/// `terms` as Elasticsearch shows them.
fn terms_answer(buckets: &Value, others: u64) -> Value {
    json!({"doc_count_error_upper_bound": 0, "sum_other_doc_count": others, "buckets": buckets})
}

#[test]
fn terms_are_counted() {
    let bucket = |key: &str, count: u64| json!({"key": key, "doc_count": count});
    let rows = [
        (
            json!({"field": "username"}),
            terms_answer(&json!([bucket("alice", 2), bucket("bob", 2), bucket("carol", 1)]), 0),
        ),
        (json!({"field": "username", "size": 1}), terms_answer(&json!([bucket("alice", 2)]), 3)),
        (
            json!({"field": "username", "order": {"_key": "desc"}, "size": 2, "shard_size": 50}),
            terms_answer(&json!([bucket("carol", 1), bucket("bob", 2)]), 2),
        ),
        (
            json!({"field": "username", "order": [{"_count": "asc"}, {"_key": "desc"}], "min_doc_count": 2}),
            terms_answer(&json!([bucket("bob", 2), bucket("alice", 2)]), 0),
        ),
        (
            json!({"field": "metadata.tags"}),
            terms_answer(&json!([bucket("x", 2), bucket("y", 1), bucket("z", 1)]), 0),
        ),
        (
            json!({"field": "metadata.team", "missing": "none"}),
            terms_answer(&json!([bucket("blue", 2), bucket("none", 2), bucket("red", 1)]), 0),
        ),
        (
            json!({"field": "metadata.team", "include": ["blue", "red"], "exclude": ["blue"]}),
            terms_answer(&json!([bucket("red", 1)]), 0),
        ),
        (
            json!({"field": "invalidated"}),
            terms_answer(
                &json!([
                    {"key": 0, "key_as_string": "false", "doc_count": 4},
                    {"key": 1, "key_as_string": "true", "doc_count": 1}
                ]),
                0,
            ),
        ),
        (
            json!({"field": "invalidation", "show_term_doc_count_error": true}),
            terms_answer(
                &json!([{
                    "key": 1_768_474_800_000_i64, "key_as_string": "2026-01-15T11:00:00.000Z",
                    "doc_count_error_upper_bound": 0, "doc_count": 1
                }]),
                0,
            ),
        ),
    ];
    for (body, expected) in rows {
        assert_eq!(aggregate(&json!({"terms": body})), expected, "{body}");
    }
}

#[test]
fn single_numbers_are_counted() {
    let rows = [
        (json!({"cardinality": {"field": "username", "precision_threshold": 100}}), json!({"value": 3})),
        (json!({"cardinality": {"field": "metadata"}}), json!({"value": 9})),
        (json!({"value_count": {"field": "metadata.tags"}}), json!({"value": 4})),
        (json!({"value_count": {"field": "expiration"}}), json!({"value": 2})),
        (json!({"value_count": {"field": "expiration", "missing": "now"}}), json!({"value": 5})),
        (json!({"missing": {"field": "expiration"}}), json!({"doc_count": 3})),
        (
            json!({"filter": {"term": {"username": "bob"}}, "meta": {"x": [1]}}),
            json!({"doc_count": 2, "meta": {"x": [1]}}),
        ),
    ];
    for (aggregation, expected) in rows {
        assert_eq!(aggregate(&aggregation), expected, "{aggregation}");
    }
}

#[test]
fn ranges_begin_inside_and_end_outside() {
    let ranges =
        json!([{"from": "now/d"}, {"to": "2026-01-15"}, {"key": "day", "from": "now-1d/d", "to": "now/d"}]);
    let day = "2026-01-15T00:00:00.000Z";
    assert_eq!(
        aggregate(&json!({"date_range": {"field": "creation", "ranges": ranges}})),
        json!({"buckets": [
            {"key": format!("*-{day}"), "to": 1_768_435_200_000.0, "to_as_string": day, "doc_count": 3},
            {
                "key": "day", "from": 1_768_348_800_000.0, "from_as_string": "2026-01-14T00:00:00.000Z",
                "to": 1_768_435_200_000.0, "to_as_string": day, "doc_count": 2
            },
            {"key": format!("{day}-*"), "from": 1_768_435_200_000.0, "from_as_string": day, "doc_count": 2}
        ]})
    );
    assert_eq!(
        aggregate(&json!({"range": {
            "field": "creation", "keyed": true, "format": "yyyy", "ranges": [{"to": 1_768_435_200_000_u64}]
        }})),
        json!({"buckets": {"*-2026": {"to": 1_768_435_200_000.0, "to_as_string": "2026", "doc_count": 3}}})
    );
}

#[test]
fn filters_have_names_or_places() {
    let (alice, blue) = (json!({"term": {"username": "alice"}}), json!({"term": {"metadata.team": "blue"}}));
    let count = |count: u64| json!({"doc_count": count});
    let rows = [
        (json!({"filters": {"x": alice, "y": blue}}), json!({"x": count(2), "y": count(2)})),
        (json!({"filters": [alice, blue]}), json!([count(2), count(2)])),
        (json!({"filters": [alice, blue], "other_bucket": true}), json!([count(2), count(2), count(2)])),
        (
            json!({"filters": {"x": alice, "y": blue}, "other_bucket_key": "rest"}),
            json!({"x": count(2), "y": count(2), "rest": count(2)}),
        ),
        (json!({"filters": {"x": alice}, "other_bucket": true}), json!({"x": count(2), "_other_": count(3)})),
        (
            json!({"filters": {"x": alice}, "other_bucket_key": "rest", "other_bucket": false}),
            json!({"x": count(2)}),
        ),
    ];
    for (body, expected) in rows {
        assert_eq!(aggregate(&json!({"filters": body})), json!({"buckets": expected}), "{body}");
    }
}

#[test]
fn composite_buckets_come_page_by_page() {
    let sources = json!([
        {"user": {"terms": {"field": "username"}}},
        {"team": {"terms": {"field": "metadata.team", "missing_bucket": true, "order": "desc"}}}
    ]);
    let key = |user: &str, team: Value| json!({"user": user, "team": team});
    let bucket = |user: &str, team: Value| json!({"key": key(user, team), "doc_count": 1});
    let all = [
        ("alice", json!("red")),
        ("alice", json!("blue")),
        ("bob", json!("blue")),
        ("bob", json!(null)),
        ("carol", json!(null)),
    ];
    let mut after = None;
    for page in all.chunks(2) {
        let mut composite = json!({"size": 2, "sources": sources});
        if let Some(after) = after {
            composite["after"] = after;
        }
        let last = page.last().map(|(user, team)| key(user, team.clone()));
        let buckets: Vec<Value> = page.iter().map(|(user, team)| bucket(user, team.clone())).collect();
        assert_eq!(
            aggregate(&json!({"composite": composite})),
            json!({"after_key": last, "buckets": buckets})
        );
        after = last;
    }
    let end = json!({"size": 2, "sources": sources, "after": after});
    assert_eq!(aggregate(&json!({"composite": end})), json!({"buckets": []}));
}

#[test]
fn composite_keys_are_shown_raw_unless_a_format_is_asked_for() {
    let rows = [
        (json!({"field": "expiration"}), json!([1_768_471_200_000_i64, 1_768_564_800_000_i64])),
        (json!({"field": "expiration", "format": "yyyy-MM-dd"}), json!(["2026-01-15", "2026-01-16"])),
        (json!({"field": "invalidated", "order": "desc"}), json!([true, false])),
        (json!({"field": "invalidation", "missing_bucket": true}), json!([null, 1_768_474_800_000_i64])),
        (
            json!({"field": "invalidation", "missing_bucket": true, "missing_order": "last"}),
            json!([1_768_474_800_000_i64, null]),
        ),
    ];
    for (source, expected) in rows {
        let answer = aggregate(&json!({"composite": {"sources": [{"s": {"terms": source}}]}}));
        let keys: Vec<&Value> =
            answer["buckets"].as_array().unwrap().iter().map(|b| &b["key"]["s"]).collect();
        assert_eq!(json!(keys), expected, "{source}");
    }
}

#[test]
fn aggregations_nest() {
    let body = json!({
        "terms": {"field": "username", "order": {"teams.value": "desc"}},
        "aggs": {
            "teams": {"cardinality": {"field": "metadata.team"}},
            "dead": {"filter": {"term": {"invalidated": true}}, "aggs": {"names": {"terms": {"field": "name"}}}}
        }
    });
    let none = terms_answer(&json!([]), 0);
    assert_eq!(
        aggregate(&body),
        terms_answer(
            &json!([
                {"key": "alice", "doc_count": 2, "teams": {"value": 2}, "dead": {"doc_count": 0, "names": none}},
                {"key": "bob", "doc_count": 2, "teams": {"value": 1}, "dead": {
                    "doc_count": 1, "names": terms_answer(&json!([{"key": "Nightly", "doc_count": 1}]), 0)
                }},
                {"key": "carol", "doc_count": 1, "teams": {"value": 0}, "dead": {"doc_count": 0, "names": none}}
            ]),
            0
        )
    );
}

// Elasticsearch, parameter `typed_keys`.
#[test]
fn names_begin_with_types_when_asked_for() {
    let body = json!({"aggregations": {
        "a": {"terms": {"field": "name"}},
        "b": {"terms": {"field": "creation"}},
        "c": {"terms": {"field": "invalidated"}},
        "d": {"date_range": {"field": "creation", "ranges": [{"to": "now"}]}},
        "e": {"range": {"field": "creation", "ranges": [{"to": 0}]}},
        "f": {"missing": {"field": "name"}, "aggs": {"inside": {"value_count": {"field": "name"}}}},
        "g": {"cardinality": {"field": "name"}},
        "h": {"composite": {"sources": [{"s": {"terms": {"field": "name"}}}]}},
        "i": {"filter": {"match_all": {}}},
        "j": {"filters": {"filters": [{"match_all": {}}]}}
    }});
    let answer = prepare(&body.to_string())
        .unwrap()
        .run(keys(), TypedKeys::Typed, &mut budget())
        .unwrap()
        .aggregations
        .unwrap();
    let names: Vec<&String> = answer.as_object().unwrap().keys().collect();
    let mut expected = [
        "sterms#a",
        "lterms#b",
        "lterms#c",
        "date_range#d",
        "range#e",
        "missing#f",
        "cardinality#g",
        "composite#h",
        "filter#i",
        "filters#j",
    ];
    expected.sort_unstable();
    let mut names_sorted = names.clone();
    names_sorted.sort_unstable();
    assert_eq!(names_sorted, expected);
    assert_eq!(answer["missing#f"]["value_count#inside"], json!({"value": 0}));
}

#[test]
fn aggregations_count_what_the_query_matches_and_not_just_the_page() {
    let body = json!({
        "query": {"term": {"username": "alice"}}, "size": 1, "sort": ["name"], "search_after": ["ci"],
        "aggs": {"names": {"value_count": {"field": "name"}}}
    });
    let result = search(&body.to_string());
    assert_eq!((ids(&result).as_str(), result.total), ("b", 2));
    assert_eq!(result.aggregations, Some(json!({"names": {"value": 2}})));
}

#[test]
fn refuses_an_answer_of_too_many_buckets() {
    let first = keys().remove(0);
    let keys = |count: u32| (0..count).map(|number| TestKey { name: number.to_string(), ..first.clone() });
    let body =
        json!({"size": 0, "aggs": {"names": {"terms": {"field": "name", "size": 100_000}}}}).to_string();
    let search = prepare(&body).unwrap();
    assert!(search.run(keys(65_536), TypedKeys::Plain, &mut budget()).is_ok());
    let error = search.run(keys(65_537), TypedKeys::Plain, &mut budget()).unwrap_err();
    assert_eq!(
        error.reason(),
        "Trying to create too many buckets. Must be less than or equal to: [65536] but was [65537]."
    );
}
