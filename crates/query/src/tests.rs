//! Searches over a handful of keys.

mod aggregations;
mod cost;
mod narrowing;
mod properties;
mod queries;
mod refusals;
mod sorting;
mod syntax;

use latchkey_budget::{Allowance, Budget};
use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::Node;
use latchkey_key_feed::UnixMillis;
use serde_json::{Map, Value, json};

use super::{Search, SearchRequest, SearchResult, Searchable, Searched, TypedKeys};

/// What one search may cost.
const SEARCH_ALLOWANCE: Allowance = Allowance { steps: 100_000_000, bytes: 160 * 1024 * 1024 };

/// 2026-01-15T12:00:00Z.
const NOW: UnixMillis = UnixMillis(1_768_478_400_000);

/// One hour, in milliseconds.
const HOUR: u64 = 3_600_000;

#[derive(Clone, Debug, PartialEq)]
struct TestKey {
    id: String,
    name: String,
    username: String,
    key_type: &'static str,
    creation: UnixMillis,
    expiration: Option<UnixMillis>,
    invalidation: Option<UnixMillis>,
    metadata: Map<String, Value>,
}

impl Searchable for TestKey {
    fn id(&self) -> &str {
        &self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn username(&self) -> &str {
        &self.username
    }

    fn realm_name(&self) -> &str {
        "native"
    }

    fn key_type(&self) -> &str {
        self.key_type
    }

    fn creation(&self) -> UnixMillis {
        self.creation
    }

    fn expiration(&self) -> Option<UnixMillis> {
        self.expiration
    }

    fn invalidation(&self) -> Option<UnixMillis> {
        self.invalidation
    }

    fn metadata(&self) -> &Map<String, Value> {
        &self.metadata
    }

    /// What the field `len` of the metadata says.
    fn written_len(&self) -> usize {
        let len = self.metadata.get("len").and_then(Value::as_u64).unwrap_or(100);
        usize::try_from(len).unwrap()
    }

    fn held_len(&self) -> usize {
        1_000
    }
}

/// What one search may cost.
fn budget() -> Budget {
    Budget::alone(SEARCH_ALLOWANCE)
}

/// In the order of the index.
fn keys() -> Vec<TestKey> {
    let key = |id: &str, name: &str, username: &str, hours_ago: u64, metadata: Value| TestKey {
        id: id.to_owned(),
        name: name.to_owned(),
        username: username.to_owned(),
        key_type: "rest",
        creation: UnixMillis(NOW.0 - hours_ago * HOUR),
        expiration: None,
        invalidation: None,
        metadata: metadata.as_object().cloned().unwrap_or_default(),
    };
    vec![
        TestKey {
            expiration: Some(UnixMillis(NOW.0 + 24 * HOUR)),
            ..key("a", "ci", "alice", 48, json!({"team": "blue", "tags": ["x", "y"], "level": 42}))
        },
        key("b", "ci deploy", "alice", 36, json!({"team": "red", "on": {"call": true, "site.name": "Oslo"}})),
        TestKey {
            invalidation: Some(UnixMillis(NOW.0 - HOUR)),
            ..key("c", "Nightly", "bob", 13, json!({"team": "blue", "tags": [], "level": 7}))
        },
        TestKey {
            expiration: Some(UnixMillis(NOW.0 - 2 * HOUR)),
            ..key("d", "nightly*build", "bob", 12, json!({"team": null}))
        },
        TestKey { key_type: "cross_cluster", ..key("e", "ops", "carol", 0, json!({"tags": [["z"], "x"]})) },
    ]
}

fn prepare(body: &str) -> Result<Search, ErrorCause> {
    let body = Node::parse(body.as_bytes())?;
    let request = SearchRequest::parse(body.as_ref(), NOW, Searched::Keys)?;
    request.check()?;
    request.into_search()
}

#[track_caller]
fn search(body: &str) -> SearchResult<TestKey> {
    let search = prepare(body).unwrap_or_else(|error| panic!("{body}: {error:?}"));
    search.run(keys(), TypedKeys::Plain, &mut budget()).unwrap()
}

/// The ids on the page, in order.
fn ids(result: &SearchResult<TestKey>) -> String {
    result.hits.iter().map(|hit| hit.key.id.as_str()).collect()
}

/// The ids that a query matches.
#[track_caller]
fn matches(query: &str) -> String {
    ids(&search(&format!(r#"{{"query":{query}}}"#)))
}

/// The chain of a refusal: `type: reason <- type: reason`.
#[track_caller]
fn refusal(body: &str) -> String {
    let mut error = Some(prepare(body).map(|_| body).expect_err(body));
    let mut links = Vec::new();
    while let Some(cause) = error {
        links.push(cause.to_string());
        error = cause.cause().cloned();
    }
    links.join(" <- ")
}
