//! What a search for keys asks the key service, from what a person has typed.

use serde_json::{Value, json};

use crate::fields::Fields;
use crate::keys::shown::SOON;
use crate::limits::{KEYS_SHOWN_AT_ONCE, SEARCH_LEN_MAX};

/// Which keys are shown: the value in the address, and the word on the page.
pub(super) const STATUSES: [(&str, &str); 6] = [
    ("", "All"),
    ("active", "Active"),
    ("soon", "Ends soon"),
    ("expired", "Expired"),
    ("revoked", "Revoked"),
    ("unused", "Not used for 90 days"),
];

/// The order in which keys were added. The database has it, so that a page is quick however many keys there are.
const ADDED: &str = "_doc";

/// Orders of the list: the value in the address, the word on the page, the field, and whether the greatest comes first.
pub(super) const ORDERS: [(&str, &str, &str, bool); 6] = [
    ("", "Newest first", ADDED, true),
    ("oldest", "Oldest first", ADDED, false),
    ("name", "Name", "name", false),
    ("owner", "Owner", "username", false),
    ("end", "Ends first", "expiration", false),
    ("used", "Last used first", "last_used", true),
];

/// A search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeySearch {
    /// A part of a name, the beginning of an owner's, or an id.
    pub(super) text: String,
    /// The whole name of an owner.
    pub(super) owner: String,
    /// The whole name of a role of the key's own.
    pub(super) role: String,
    pub(super) status: &'static str,
    pub(super) order: &'static str,
    /// Where the list goes on, as the key service has said it.
    after: Option<Vec<Value>>,
}

impl KeySearch {
    /// What the address says. What it says wrongly counts as not said.
    pub(super) fn read(query: &Fields) -> Self {
        let short = |name: &str| query.text(name).filter(|text| text.len() <= SEARCH_LEN_MAX);
        let status = STATUSES.iter().map(|(value, _)| *value).find(|value| *value == query.get("status"));
        let order = ORDERS.iter().map(|(value, ..)| *value).find(|value| *value == query.get("sort"));
        Self {
            text: short("q").unwrap_or_default().to_owned(),
            owner: short("owner").unwrap_or_default().to_owned(),
            role: short("role").unwrap_or_default().to_owned(),
            status: status.unwrap_or_default(),
            order: order.unwrap_or_default(),
            after: short("after").and_then(|after| serde_json::from_str(after).ok()),
        }
    }

    /// Whether the list begins later than at its first key.
    pub(super) fn is_continued(&self) -> bool {
        self.after.is_some()
    }

    /// Whether it shows everything, in some order.
    pub(super) fn is_of_all(&self) -> bool {
        [self.text.as_str(), &self.owner, &self.role, self.status].iter().all(|said| said.is_empty())
    }

    /// The address of this search, going on after a key.
    pub(super) fn path_after(&self, after: Option<&[Value]>) -> String {
        self.path(after, "")
    }

    /// The address of this page, with all of its keys selected or none.
    pub(super) fn path_here(&self, selects_all: bool) -> String {
        self.path(self.after.as_deref(), if selects_all { "all" } else { "" })
    }

    fn path(&self, after: Option<&[Value]>, select: &str) -> String {
        let after = after.map(|after| Value::from(after.to_vec()).to_string());
        let fields = [
            ("q", self.text.as_str()),
            ("owner", &self.owner),
            ("role", &self.role),
            ("status", self.status),
            ("sort", self.order),
            ("after", after.as_deref().unwrap_or_default()),
            ("select", select),
        ];
        let said = fields.into_iter().filter(|(_, value)| !value.is_empty());
        crate::rest::path_with_query("/console/keys", said)
    }

    /// The body of `POST /_security/_query/api_key`.
    pub(super) fn body(&self) -> Value {
        let (_, _, field, is_descending) =
            ORDERS.iter().find(|(value, ..)| *value == self.order).unwrap_or(&ORDERS[0]);
        let order = if *is_descending { "desc" } else { "asc" };
        // Keys that are alike in the field have an order too, so that no page leaves one out.
        let sort = match *field {
            ADDED => json!([{ADDED: {"order": order}}]),
            field => json!([{field: {"order": order}}, {ADDED: {"order": order}}]),
        };
        let mut body = json!({"size": KEYS_SHOWN_AT_ONCE, "sort": sort, "query": self.query()});
        if let (Value::Object(body), Some(after)) = (&mut body, &self.after) {
            body.insert("search_after".to_owned(), json!(after));
        }
        body
    }

    fn query(&self) -> Value {
        if self.is_of_all() {
            // The database finds and sorts these by itself.
            return json!({"match_all": {}});
        }
        let mut filter = Vec::new();
        if !self.text.is_empty() {
            let pattern = format!("*{}*", escaped(&self.text));
            filter.push(json!({"bool": {"should": [
                {"wildcard": {"name": {"value": pattern, "case_insensitive": true}}},
                {"prefix": {"username": self.text}},
                {"ids": {"values": [self.text]}},
            ]}}));
        }
        if !self.owner.is_empty() {
            filter.push(json!({"term": {"username": self.owner}}));
        }
        if !self.role.is_empty() {
            filter.push(json!({"term": {"roles": self.role}}));
        }
        let works = || json!({"bool": {"must_not": [{"term": {"invalidated": true}}, {"range": {"expiration": {"lte": "now"}}}]}});
        match self.status {
            "active" => filter.push(works()),
            "soon" => {
                let end = format!("now+{}s", SOON.as_secs());
                filter.push(json!({"range": {"expiration": {"gt": "now", "lte": end}}}));
                filter.push(json!({"term": {"invalidated": false}}));
            }
            "expired" => {
                filter.push(json!({"range": {"expiration": {"lte": "now"}}}));
                filter.push(json!({"term": {"invalidated": false}}));
            }
            "revoked" => filter.push(json!({"term": {"invalidated": true}})),
            "unused" => {
                filter.push(works());
                filter.push(json!({"bool": {"must_not": [{"range": {"last_used": {"gte": "now-90d"}}}]}}));
                filter.push(json!({"range": {"creation": {"lt": "now-90d"}}}));
            }
            _ => {}
        }
        json!({"bool": {"filter": filter}})
    }
}

/// A text that a pattern takes as it is (Elasticsearch, wildcard query: `*`, `?` and `\`).
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '*' | '?' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> KeySearch {
        KeySearch::read(&Fields::parse(query.as_bytes()).unwrap())
    }

    #[test]
    fn the_first_page_is_one_that_the_database_makes_by_itself() {
        let body = read("").body();
        assert_eq!(body["query"], json!({"match_all": {}}));
        assert_eq!(body["sort"], json!([{"_doc": {"order": "desc"}}]), "in an order that it keeps");
        let by_name = read("sort=name").body();
        assert_eq!(by_name["sort"], json!([{"name": {"order": "asc"}}, {"_doc": {"order": "asc"}}]));
    }

    #[test]
    fn what_was_typed_is_no_pattern() {
        let body = read("q=a*b%3F%5C").body();
        let pattern = &body["query"]["bool"]["filter"][0]["bool"]["should"][0]["wildcard"]["name"]["value"];
        assert_eq!(pattern, r"*a\*b\?\\*");
    }

    #[test]
    fn what_the_address_says_wrongly_counts_as_not_said() {
        let owner = "\u{1d11e}".repeat(507);
        let of_owner = crate::rest::path_with_query("/console/keys", [("owner", owner.as_str())]);
        let (_, of_owner) = of_owner.split_once('?').unwrap();
        assert_eq!(read(of_owner).owner, owner, "the longest name");
        let long = format!("q={}", "x".repeat(SEARCH_LEN_MAX + 1));
        for query in ["status=other&sort=other&after=nonsense", &long] {
            assert_eq!(read(query), KeySearch::default(), "{query}");
        }
    }

    #[test]
    fn the_next_page_is_of_the_same_search() {
        let search = read("q=%20ci%26&role=reader&status=active&sort=name");
        let path = search.path_after(Some(&[json!("z"), json!(7)]));
        assert_eq!(path, "/console/keys?q=ci%26&role=reader&status=active&sort=name&after=%5B%22z%22%2C7%5D");
        let next = read(path.split_once('?').unwrap().1);
        let said = (next.text.as_str(), next.role.as_str(), next.status, next.order);
        assert_eq!(said, ("ci&", "reader", "active", "name"));
        assert_eq!(next.body()["query"]["bool"]["filter"][1], json!({"term": {"roles": "reader"}}));
        assert_eq!(next.body()["search_after"], json!(["z", 7]));
        assert_eq!(next.path_here(false), path);
        assert_eq!(next.path_here(true), format!("{path}&select=all"));
    }
}
