use proptest::prelude::*;

use super::*;

/// A condition on one key, in the query language and in plain Rust.
#[derive(Clone, Debug)]
enum Model {
    Username(&'static str),
    Name(&'static str),
    Team(&'static str),
    HasTags,
    Invalidated(bool),
    Bool { must: Vec<Self>, should: Vec<Self>, must_not: Vec<Self>, should_min: Option<usize> },
}

impl Model {
    fn to_query(&self) -> Value {
        let all = |models: &[Self]| models.iter().map(Self::to_query).collect::<Vec<_>>();
        match self {
            Self::Username(text) => json!({"term": {"username": text}}),
            Self::Name(prefix) => json!({"prefix": {"name": prefix}}),
            Self::Team(text) => json!({"terms": {"metadata.team": [text, "nothing"]}}),
            Self::HasTags => json!({"exists": {"field": "metadata.tags"}}),
            Self::Invalidated(value) => json!({"match": {"invalidated": value}}),
            Self::Bool { must, should, must_not, should_min } => {
                let mut body = json!({"must": all(must), "should": all(should), "must_not": all(must_not)});
                if let Some(count) = should_min {
                    body["minimum_should_match"] = json!(count);
                }
                json!({"bool": body})
            }
        }
    }

    fn holds(&self, key: &TestKey) -> bool {
        match self {
            Self::Username(text) => key.username == *text,
            Self::Name(prefix) => key.name.starts_with(prefix),
            Self::Team(text) => key.metadata.get("team") == Some(&json!(text)),
            Self::HasTags => {
                key.metadata.get("tags").and_then(Value::as_array).is_some_and(|tags| !tags.is_empty())
            }
            Self::Invalidated(value) => key.invalidation.is_some() == *value,
            Self::Bool { must, should, must_not, should_min } => {
                let held = should.iter().filter(|model| model.holds(key)).count();
                let least = if must.is_empty() && !should.is_empty() { 1 } else { 0 };
                let asked = if should.is_empty() { 0 } else { should_min.unwrap_or(0) };
                must.iter().all(|model| model.holds(key))
                    && !must_not.iter().any(|model| model.holds(key))
                    && held >= least.max(asked)
            }
        }
    }
}

fn model() -> impl Strategy<Value = Model> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["alice", "bob", "nobody"]).prop_map(Model::Username),
        prop::sample::select(vec!["", "ci", "n"]).prop_map(Model::Name),
        prop::sample::select(vec!["blue", "red"]).prop_map(Model::Team),
        Just(Model::HasTags),
        any::<bool>().prop_map(Model::Invalidated),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let some = || prop::collection::vec(inner.clone(), 0..4);
        (some(), some(), some(), prop::option::of(0_usize..5)).prop_map(
            |(must, should, must_not, should_min)| Model::Bool { must, should, must_not, should_min },
        )
    })
}

fn some_key() -> impl Strategy<Value = TestKey> {
    let moment = || prop::option::of((0_u64..6).prop_map(|hours| UnixMillis(NOW.0 + hours * HOUR)));
    let metadata = prop_oneof![
        Just(json!({})),
        "[a-c]{0,2}".prop_map(|team| json!({"team": team})),
        prop::collection::vec("[a-c]", 0..3).prop_map(|tags| json!({"tags": tags, "team": "blue"})),
    ];
    let of = prop::sample::select(vec!["alice", "bob", "carol"]);
    ("[a-c]{1,2}", of, 0_u64..6, moment(), moment(), metadata).prop_map(
        |(name, username, hours, expiration, invalidation, metadata)| TestKey {
            id: String::new(),
            name,
            username: username.to_owned(),
            key_type: "rest",
            creation: UnixMillis(NOW.0 - hours * HOUR),
            expiration,
            invalidation,
            metadata: metadata.as_object().cloned().unwrap_or_default(),
        },
    )
}

/// Keys with ids of their own, in the order of the index.
fn some_keys() -> impl Strategy<Value = Vec<TestKey>> {
    prop::collection::vec(some_key(), 0..20).prop_map(|mut keys| {
        for (number, key) in keys.iter_mut().enumerate() {
            key.id = format!("{number:02}");
        }
        keys.sort_by(|one, other| (one.creation, &one.id).cmp(&(other.creation, &other.id)));
        keys
    })
}

fn criterion() -> impl Strategy<Value = Value> {
    let field = prop::sample::select(vec![
        "name",
        "username",
        "creation",
        "expiration",
        "invalidation",
        "invalidated",
        "metadata",
        "metadata.team",
        "metadata.tags",
    ]);
    let order = prop::sample::select(vec!["asc", "desc"]);
    let missing = prop::option::of(prop::sample::select(vec!["_first", "_last"]));
    (field, order, missing).prop_map(|(field, order, missing)| {
        let mut options = json!({"order": order});
        if let Some(missing) = missing {
            options["missing"] = json!(missing);
        }
        json!({field: options})
    })
}

/// Names that mean something in a search.
const WORDS: &str = "query bool must should must_not minimum_should_match term terms range gte lt format time_zone prefix \
    wildcard exists field match simple_query_string fields ids values value sort order missing mode search_after aggs \
    filters filter composite sources after date_range ranges from to size cardinality name creation expiration \
    invalidated metadata metadata.team match_all _doc boost include keyed other_bucket_key";

/// Values that mean something in a search, and boundary values.
const TEXTS: [&str; 19] = [
    "now-1d/d",
    "2026-01-15T",
    "now/",
    "||",
    "2026||/M",
    "now+9999999999y",
    "-25%",
    "3<90%",
    "<",
    "a + (b",
    r#""-~9*"#,
    "yyyy",
    "'",
    "\u{1f600}*",
    "+01:00",
    "-9223372036854775808",
    "desc",
    "_first",
    "true",
];

/// JSON that often resembles a search.
fn nearly_a_search() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(WORDS.split_whitespace().collect::<Vec<_>>()).prop_map(str::to_owned);
    let text = prop_oneof![word.clone(), prop::sample::select(&TEXTS[..]).prop_map(str::to_owned), ".{0,12}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-3_i64..3).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(7, 64, 4, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            4 => prop::collection::btree_map(word.clone(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_query_matches_what_its_logic_says(model in model(), mut keys in some_keys()) {
        keys.extend(super::keys());
        let search = prepare(&json!({"query": model.to_query(), "size": 100}).to_string()).unwrap();
        let result = search.run(&keys, TypedKeys::Plain, &mut budget()).unwrap();
        let expected = keys.iter().filter(|key| model.holds(key)).count();
        prop_assert_eq!(result.total, expected as u64);
        prop_assert!(result.hits.iter().all(|hit| model.holds(hit.key)));
        prop_assert_eq!(result.hits.len(), expected);
    }

    #[test]
    fn small_pages_make_up_one_big_page(
        keys in some_keys(),
        mut sort in prop::collection::vec(criterion(), 0..3),
        size in 1_usize..5,
    ) {
        // The position makes the values of every key unique, so that none is skipped.
        sort.push(json!("_doc"));
        let whole = prepare(&json!({"sort": sort, "size": 100}).to_string()).unwrap();
        let whole = whole.run(&keys, TypedKeys::Plain, &mut budget()).unwrap();
        prop_assert_eq!(whole.hits.len(), keys.len());
        let mut hits = Vec::new();
        let mut body = json!({"sort": sort, "size": size});
        loop {
            let page = prepare(&body.to_string()).unwrap().run(&keys, TypedKeys::Plain, &mut budget()).unwrap();
            prop_assert_eq!(page.total, whole.total);
            let Some(last) = page.hits.last() else { break };
            body["search_after"] = json!(last.sort_values);
            hits.extend(page.hits);
        }
        prop_assert_eq!(hits, whole.hits);
        let paged: Vec<_> = (0..keys.len()).step_by(size).flat_map(|from| {
            let body = json!({"sort": sort, "from": from, "size": size}).to_string();
            prepare(&body).unwrap().run(&keys, TypedKeys::Plain, &mut budget()).unwrap().hits
        }).collect();
        prop_assert_eq!(paged, prepare(&json!({"sort": sort, "size": 100}).to_string()).unwrap().run(&keys, TypedKeys::Plain, &mut budget()).unwrap().hits);
    }

    #[test]
    fn composite_pages_make_up_one_big_page(keys in some_keys(), descending in any::<bool>(), size in 1_usize..4) {
        let order = if descending { "desc" } else { "asc" };
        let sources = json!([
            {"tag": {"terms": {"field": "metadata.tags", "missing_bucket": true, "order": order}}},
            {"user": {"terms": {"field": "username"}}}
        ]);
        let run = |composite: Value| {
            let body = json!({"size": 0, "aggs": {"c": {"composite": composite}}}).to_string();
            let answer = prepare(&body).unwrap().run(&keys, TypedKeys::Plain, &mut budget()).unwrap().aggregations.unwrap();
            answer["c"].clone()
        };
        let whole = run(json!({"size": 1000, "sources": sources}));
        let mut buckets = Vec::new();
        let mut composite = json!({"size": size, "sources": sources});
        loop {
            let page = run(composite.clone());
            let Some(after) = page.get("after_key") else { break };
            composite["after"] = after.clone();
            buckets.extend(page["buckets"].as_array().unwrap().clone());
        }
        prop_assert_eq!(&whole["buckets"], &Value::from(buckets));
    }

    #[test]
    fn any_json_is_answered_or_refused(body in nearly_a_search()) {
        for body in [body.clone(), json!({"query": body}), json!({"aggs": {"a": body}}), json!({"sort": [body]})] {
            if let Ok(search) = prepare(&body.to_string()) {
                let _ = search.run(keys(), TypedKeys::Typed, &mut budget());
            }
        }
    }

    #[test]
    fn any_simple_query_string_is_answered(text in r#"[a-c()+|\-"*~\\ 0-9]{0,40}"#) {
        let query = json!({"simple_query_string": {"query": text}});
        search(&json!({"query": query}).to_string());
    }

    #[test]
    fn any_date_is_read_or_refused(text in r"(now)?[0-9+\-/yMwdhHms|:.TZ]{0,20}", format in "[yMdHmsSXZ/'. -]{0,12}") {
        let query = json!({"range": {"creation": {"gt": text, "lte": text, "format": format}}});
        let _ = prepare(&json!({"query": query}).to_string());
        let query = json!({"term": {"creation": text}});
        let _ = prepare(&json!({"query": query}).to_string());
    }
}
