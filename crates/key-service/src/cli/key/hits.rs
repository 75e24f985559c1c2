//! Which keys a selection hits, and which of them are the edges' own.

use http::Method;
use serde_json::{Map, Value, json};

use crate::cli::CommandFailed;
use crate::cli::key::KEYS;
use crate::cli::key::invalidate::KeyChoice;
use crate::cli::report::{Table, harmless, items, text};
use crate::cli::service_client::{ServiceClient, with_query};

/// The privilege by which an edge reads the feed, and the only one that its key needs.
const FEED: &str = "read_key_feed";

/// What is needed of each key.
const FIELDS: &str = "api_keys.id,api_keys.name,api_keys.username,api_keys.realm,api_keys.invalidated,\
                      api_keys.role_descriptors,api_keys.limited_by";

/// Most names of keys in one line.
const NAMED_MAX: usize = 10;

/// Keys that an invalidation would end.
#[derive(Debug, Default)]
pub(super) struct Hits(Vec<Hit>);

/// One of them.
#[derive(Debug)]
pub(super) struct Hit {
    pub(super) id: String,
    name: String,
    pub(super) owner: String,
    pub(super) realm: String,
    /// Whether to read the feed is all that it may do.
    is_of_edge: bool,
}

impl Hits {
    /// The keys of this choice that are not invalidated yet.
    pub(super) fn of(service: &ServiceClient, choice: &KeyChoice) -> Result<Self, CommandFailed> {
        let path = with_query(
            KEYS,
            &[
                ("name", choice.name.as_deref()),
                ("username", choice.username.as_deref()),
                ("realm_name", choice.realm.as_deref()),
                ("owner", choice.mine.then_some("true")),
                ("with_limited_by", Some("true")),
                ("filter_path", Some(FIELDS)),
            ],
        );
        Ok(Self::read(&service.ask(Method::GET, &path, None)?.json))
    }

    /// The same of keys that are named by their ids.
    pub(super) fn named(service: &ServiceClient, ids: &[String]) -> Result<Self, CommandFailed> {
        let path = with_query(
            "/_security/_query/api_key",
            &[("with_limited_by", Some("true")), ("filter_path", Some(FIELDS))],
        );
        let body = json!({"query": {"ids": {"values": ids}}, "size": ids.len()});
        Ok(Self::read(&service.ask(Method::POST, &path, Some(&body))?.json))
    }

    fn read(answer: &Value) -> Self {
        let keys = items(answer, "api_keys").iter();
        let alive = keys.filter(|key| key.get("invalidated") != Some(&Value::Bool(true)));
        Self(alive.map(Hit::read).collect())
    }

    /// The edges' own keys, and all others.
    pub(super) fn split(self) -> (Self, Self) {
        let (edges, others) = self.0.into_iter().partition(|hit| hit.is_of_edge);
        (Self(edges), Self(others))
    }

    /// These and those.
    pub(super) fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    pub(super) fn edges(&self) -> Vec<&Hit> {
        self.0.iter().filter(|hit| hit.is_of_edge).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Hit> {
        self.0.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn ids(&self) -> Vec<&str> {
        self.0.iter().map(|hit| hit.id.as_str()).collect()
    }

    /// As rows for people.
    pub(super) fn table(&self) -> String {
        let mut table = Table::new(&["ID", "NAME", "OWNER", "REALM", "KIND"]);
        for hit in &self.0 {
            let kind = if hit.is_of_edge { "edge" } else { "" };
            table.row([
                hit.id.clone(),
                hit.name.clone(),
                hit.owner.clone(),
                hit.realm.clone(),
                kind.to_owned(),
            ]);
        }
        table.into_text()
    }
}

/// The names of keys, with commas between them; of many only some.
pub(super) fn names<'a>(hits: impl IntoIterator<Item = &'a Hit>) -> String {
    let mut hits = hits.into_iter();
    let mut names: Vec<String> = hits.by_ref().take(NAMED_MAX).map(Hit::named).collect();
    let more = hits.count();
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    names.join(", ")
}

impl Hit {
    fn read(key: &Value) -> Self {
        Self {
            id: text(key, "id"),
            name: text(key, "name"),
            owner: text(key, "username"),
            realm: text(key, "realm"),
            is_of_edge: may_only_read_the_feed(key),
        }
    }

    /// On one line, whatever its maker called it.
    fn named(&self) -> String {
        format!("{} ({})", harmless(&self.name).replace('\n', " "), harmless(&self.id))
    }
}

/// Whether to read the feed is all that a key may do: because of its own role descriptors, or of what its
/// owner could do.
fn may_only_read_the_feed(key: &Value) -> bool {
    let empty = Map::new();
    let own = key.get("role_descriptors").and_then(Value::as_object).unwrap_or(&empty);
    let limits = items(key, "limited_by").iter();
    let limits: Vec<&Value> = limits.filter_map(Value::as_object).flat_map(Map::values).collect();
    let own: Vec<&Value> = own.values().collect();
    let own_may = Rights::of(&own);
    match (own.is_empty(), Rights::of(&limits)) {
        (true, limits) => limits == Rights::FeedOnly,
        (false, Rights::FeedOnly) => own_may != Rights::None,
        (false, _) => own_may == Rights::FeedOnly,
    }
}

/// What role descriptors grant together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rights {
    None,
    FeedOnly,
    More,
}

impl Rights {
    fn of(descriptors: &[&Value]) -> Self {
        let mut rights = Self::None;
        for (field, value) in descriptors.iter().filter_map(|it| it.as_object()).flatten() {
            let granted = match (field.as_str(), value) {
                // What these hold grants nothing.
                ("metadata" | "transient_metadata" | "description" | "restriction", _) => Self::None,
                ("cluster", Value::Array(privileges)) if privileges.iter().all(|name| name == "none") => {
                    Self::None
                }
                ("cluster", Value::Array(privileges)) if privileges.iter().all(|name| name == FEED) => {
                    Self::FeedOnly
                }
                (_, Value::Array(items)) if items.is_empty() => Self::None,
                (_, Value::Object(fields)) if fields.is_empty() => Self::None,
                _ => Self::More,
            };
            rights = match (rights, granted) {
                (Self::More, _) | (_, Self::More) => Self::More,
                (Self::FeedOnly, _) | (_, Self::FeedOnly) => Self::FeedOnly,
                (Self::None, Self::None) => Self::None,
            };
        }
        rights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_an_edges_own_when_the_feed_is_all_that_it_may() {
        let all = json!([{"superuser": {"cluster": ["all"], "indices": [{"names": ["*"], "privileges": ["all"]}]}}]);
        let feed = json!([{"edge": {"cluster": ["read_key_feed"], "indices": [], "metadata": {}}}]);
        let shown = json!({"edge": {"cluster": ["read_key_feed"], "indices": [], "applications": [], "run_as": [],
                                    "metadata": {"a": 1}, "transient_metadata": {"enabled": true}}});
        for (own, limits, expected) in [
            (shown.clone(), all.clone(), true),
            (json!({}), feed.clone(), true),
            (json!({"x": {"cluster": ["all"]}}), feed.clone(), true),
            (json!({"label": {}}), feed.clone(), false),
            (json!({"label": {}, "edge": {"cluster": ["read_key_feed"]}}), all.clone(), true),
            (json!({}), all.clone(), false),
            (json!({"label": {}}), all.clone(), false),
            (json!({"a": {"cluster": ["read_key_feed", "monitor"]}}), all.clone(), false),
            (json!({"a": {"cluster": ["read_key_feed"], "run_as": ["b"]}}), all.clone(), false),
            (json!({"a": {"cluster": ["read_key_feed"]}, "b": {"cluster": ["monitor"]}}), all, false),
        ] {
            let key = json!({"role_descriptors": own, "limited_by": limits});
            assert_eq!(may_only_read_the_feed(&key), expected, "{key}");
        }
    }

    #[test]
    fn many_names_are_cut_short_and_none_breaks_the_line() {
        let hit = |number: usize| Hit::read(&json!({"id": number.to_string(), "name": "a\nb\u{1b}"}));
        let hits: Vec<Hit> = (0..NAMED_MAX + 2).map(hit).collect();
        assert_eq!(names(hits.iter().take(1)), "a b\\u{1b} (0)");
        assert!(names(&hits).ends_with("(9), and 2 more"), "{}", names(&hits));
    }
}
