//! Searches of keys.

use std::collections::BTreeMap;

use latchkey_budget::{Allowance, Budget};
use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::Node;
use latchkey_key_feed::UnixMillis;
use latchkey_query::{Search, SearchRequest, SearchResult, Searchable, Searched, TypedKeys};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

use crate::allocation::within;

/// How many times its bytes a search may cost to be read, and what it may cost however short it is.
const COST_PER_BYTE: usize = 64;
const COST_BASE: usize = 256 * 1024;

/// What one search may cost: a case that needs more time than this is ended by the budget.
const ALLOWANCE: Allowance = Allowance { steps: 400_000, bytes: 1024 * 1024 };

/// How many times the bytes that a search is charged it may really hold.
const HELD_PER_CHARGED: usize = 4;

/// The moment that `now` means: 2026-01-15T12:00:00Z.
pub(crate) const NOW: UnixMillis = UnixMillis(1_768_478_400_000);

/// The fields of a search, each as it was written: of two upper bounds of a range the last counts, so that the same fields
/// in another order are another search.
type Body<'a> = BTreeMap<String, &'a RawValue>;

const HOUR_MS: u64 = 3_600_000;

/// A key that is searched.
pub(crate) struct Key {
    id: &'static str,
    name: &'static str,
    username: &'static str,
    creation: UnixMillis,
    expiration: Option<UnixMillis>,
    invalidation: Option<UnixMillis>,
    metadata: Map<String, Value>,
}

/// * Reading and running a search stay within their memory, and a search that fails has spent its budget or
///   says what is wrong.
/// * The same search finds the same, and every query and its opposite find each key once between them.
/// * A page is as long as was asked for, and its keys are a part of a longer page.
pub fn query(data: &[u8]) {
    let search = within(COST_PER_BYTE * data.len() + COST_BASE, || prepare(data));
    let Ok(search) = search else { return };
    let keys = keys();
    let found = run(&search, &keys, TypedKeys::Plain);
    let typed = run(&search, &keys, TypedKeys::Typed);
    let Ok(found) = found else { return };
    assert!(found.total <= keys.len() as u64 && found.hits.len() as u64 <= found.total);
    if let Ok(typed) = typed {
        assert_eq!(
            (typed.total, ids(&typed)),
            (found.total, ids(&found)),
            "the same search finds another thing"
        );
    }
    let Ok(mut body) = serde_json::from_slice::<Body<'_>>(data) else { return };
    if let Some(query) = body.get("query") {
        let opposite = format!(r#"{{"size":0,"query":{{"bool":{{"must_not":[{query}]}}}}}}"#);
        if let Some(other) = total(&opposite, &keys) {
            assert_eq!(found.total + other, keys.len() as u64, "neither or both find a key");
        }
    }
    if !body.contains_key("search_after") {
        let (from, size) = (number(0), number(keys.len()));
        body.extend([("from".to_owned(), &*from), ("size".to_owned(), &*size)]);
        let longer = serde_json::to_vec(&body).expect("texts of JSON");
        let longer = prepare(&longer);
        if let Some(Ok(all)) = longer.ok().map(|search| run(&search, &keys, TypedKeys::Plain)) {
            assert_eq!(all.hits.len() as u64, found.total);
            let (all, found) = (ids(&all), ids(&found));
            assert!(found.is_empty() || all.windows(found.len()).any(|page| page == found), "{found:?}");
        }
    }
}

fn number(number: usize) -> Box<RawValue> {
    to_raw_value(&number).expect("a number is JSON")
}

pub(crate) fn prepare(body: &[u8]) -> Result<Search, ErrorCause> {
    let body = Node::parse(body)?;
    let request = SearchRequest::parse(body.as_ref(), NOW, Searched::Keys)?;
    request.check()?;
    request.into_search()
}

/// How many keys a search finds; `None` when it is refused or costs too much.
pub(crate) fn total(body: &str, keys: &[Key]) -> Option<u64> {
    let search = prepare(body.as_bytes()).ok()?;
    run(&search, keys, TypedKeys::Plain).ok().map(|found| found.total)
}

fn run<'k>(search: &Search, keys: &'k [Key], typed: TypedKeys) -> Result<SearchResult<&'k Key>, ErrorCause> {
    let mut budget = Budget::alone(ALLOWANCE);
    let bytes_max = HELD_PER_CHARGED * ALLOWANCE.bytes;
    within(bytes_max, || search.run(keys.iter(), typed, &mut budget))
}

fn ids(found: &SearchResult<&Key>) -> Vec<&'static str> {
    found.hits.iter().map(|hit| hit.key.id).collect()
}

/// Keys in the order of the index.
pub(crate) fn keys() -> Vec<Key> {
    let key = |id, name, username, hours_ago: u64, metadata: Value| Key {
        id,
        name,
        username,
        creation: UnixMillis(NOW.0 - hours_ago * HOUR_MS),
        expiration: None,
        invalidation: None,
        metadata: metadata.as_object().cloned().unwrap_or_default(),
    };
    vec![
        Key {
            expiration: Some(UnixMillis(NOW.0 + 24 * HOUR_MS)),
            ..key("a", "ci", "alice", 48, json!({"team": "blue", "tags": ["x", "y"], "level": 42}))
        },
        key("b", "ci deploy", "alice", 36, json!({"team": "red", "on": {"call": true, "site.name": "Oslo"}})),
        Key {
            invalidation: Some(UnixMillis(NOW.0 - HOUR_MS)),
            ..key("c", "Nightly", "bob", 13, json!({"team": "blue", "tags": [], "level": 7.5}))
        },
        Key {
            expiration: Some(UnixMillis(NOW.0 - 2 * HOUR_MS)),
            ..key("d", "nightly*build", "bob", 12, json!({"team": null}))
        },
        key("e", "ops", "carol", 0, json!({"tags": [["z"], "x"], "long": "語".repeat(500)})),
    ]
}

impl Searchable for Key {
    fn id(&self) -> &str {
        self.id
    }

    fn name(&self) -> &str {
        self.name
    }

    fn username(&self) -> &str {
        self.username
    }

    fn realm_name(&self) -> &str {
        "native"
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

    fn written_len(&self) -> usize {
        200
    }

    fn held_len(&self) -> usize {
        1_000
    }
}
