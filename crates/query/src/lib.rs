//! Searching keys, users and roles with Elasticsearch's query language, as far as it applies to them.
//!
//! A search is checked in three steps. The first two come before the caller's authorization and the third
//! after it:
//!
//! 1. [`SearchRequest::parse`] reads a body and refuses a wrong shape.
//! 2. [`SearchRequest::check`] refuses invalid numbers (`action_request_validation_exception`).
//! 3. [`SearchRequest::into_search`] refuses what is not supported, and what is read only when a search
//!    begins: fields, dates, the size of the result.
//!
//! [`Search::run`] then reads every key once. It holds the hits of one page, and the buckets of the
//! aggregations.
//!
//! ```
//! use latchkey_key_feed::UnixMillis;
//! use latchkey_elastic::content::Node;
//! use latchkey_budget::{Allowance, Budget};
//! use latchkey_query::{SearchRequest, Searchable, Searched, TypedKeys};
//! use serde_json::{Map, Value, json};
//!
//! struct Key(&'static str, Map<String, Value>);
//!
//! impl Searchable for Key {
//!     fn id(&self) -> &str { self.0 }
//!     fn name(&self) -> &str { "ci" }
//!     fn username(&self) -> &str { "alice" }
//!     fn realm_name(&self) -> &str { "native" }
//!     fn creation(&self) -> UnixMillis { UnixMillis(1_767_225_600_000) }
//!     fn expiration(&self) -> Option<UnixMillis> { None }
//!     fn invalidation(&self) -> Option<UnixMillis> { None }
//!     fn metadata(&self) -> &Map<String, Value> { &self.1 }
//!     fn written_len(&self) -> usize { 100 }
//!     fn held_len(&self) -> usize { 200 }
//! }
//!
//! let body = Node::parse(br#"{"query":{"term":{"username":"alice"}},"sort":["creation"],"size":1}"#)?;
//! let request = SearchRequest::parse(body.as_ref(), UnixMillis(1_767_225_700_000), Searched::Keys)?;
//! request.check()?;
//! let search = request.into_search()?;
//! let keys = [Key("a", Map::new()), Key("b", Map::new())];
//! let mut budget = Budget::alone(Allowance { steps: 1_000, bytes: 100_000 });
//! let result = search.run(&keys, TypedKeys::Plain, &mut budget)?;
//! assert_eq!((result.total, result.hits.len()), (2, 1));
//! assert_eq!(result.hits[0].key.id(), "a");
//! assert_eq!(result.hits[0].sort_values, [json!(1_767_225_600_000_u64)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod aggregation;
mod clause;
mod condition;
mod date;
mod dsl;
mod field;
mod ordered_page;
mod page;
mod reading;
mod request;
pub mod search_limits;
mod sort;
mod wildcard;
mod words;

use latchkey_budget::Budget;
use latchkey_elastic::ErrorCause;
use latchkey_key_feed::UnixMillis;
use serde_json::{Map, Value};

use aggregation::{Aggregation, AggregationRun};
use clause::Query;
use page::Page;
use sort::{OrderedValue, SortField};

pub use condition::{ColumnTest, Condition, Narrowing, TextColumn};
pub use ordered_page::{ColumnValue, OrderedBy, OrderedPage, Reads, SortColumn};
pub use page::refuse_len;
pub use request::SearchRequest;

/// The cost of reading a key.
const STEPS_PER_KEY: usize = 8;

/// What is searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Searched {
    /// API keys.
    #[default]
    Keys,
    /// Roles.
    Roles,
    /// Users.
    Users,
}

/// A part of what a role grants for applications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplicationPart {
    /// The names of the applications.
    Application,
    /// The privileges.
    Privileges,
    /// The resources.
    Resources,
}

/// A key, a user or a role as a search sees it. What a kind does not have is empty.
pub trait Searchable {
    /// What names it: of a key the public half of the credential.
    fn id(&self) -> &str;
    /// The name its maker gave it.
    fn name(&self) -> &str {
        ""
    }
    /// The name of the user, or of the owner.
    fn username(&self) -> &str {
        ""
    }
    /// The owner's realm.
    fn realm_name(&self) -> &str {
        ""
    }
    /// Which type of key it is.
    fn key_type(&self) -> &str {
        "rest"
    }
    /// When it was made.
    fn creation(&self) -> UnixMillis {
        UnixMillis(0)
    }
    /// When it ends; `None` is never.
    fn expiration(&self) -> Option<UnixMillis> {
        None
    }
    /// When it was invalidated; `None` while it was not.
    fn invalidation(&self) -> Option<UnixMillis> {
        None
    }
    /// When it was last given another secret; `None` when it never was.
    fn rotation(&self) -> Option<UnixMillis> {
        None
    }
    /// When the secret before its latest one stops working; `None` when there is none.
    fn previous_secret_expiration(&self) -> Option<UnixMillis> {
        None
    }
    /// When it was last used; `None` when it never was.
    fn last_used(&self) -> Option<UnixMillis> {
        None
    }
    /// When it was last named with a wrong secret; `None` when it never was.
    fn last_wrong_secret(&self) -> Option<UnixMillis> {
        None
    }
    /// How often it was used.
    fn uses(&self) -> u64 {
        0
    }
    /// The names of the user's roles, or of the key's own.
    fn roles(&self) -> &[String] {
        &[]
    }
    /// The user's full name.
    fn full_name(&self) -> Option<&str> {
        None
    }
    /// The user's address.
    fn email(&self) -> Option<&str> {
        None
    }
    /// Whether the user is enabled.
    fn is_enabled(&self) -> bool {
        true
    }
    /// What the role is for.
    fn description(&self) -> Option<&str> {
        None
    }
    /// What the role grants for applications, one part of it.
    fn applications(&self, _part: ApplicationPart) -> Vec<&str> {
        Vec::new()
    }
    /// Its place in the order in which all were added; `None` for the place in the order of the search.
    fn position(&self) -> Option<i64> {
        None
    }
    /// What its maker attached to it.
    fn metadata(&self) -> &Map<String, Value>;
    /// The bytes that it takes in an answer, about.
    fn written_len(&self) -> usize;
    /// The bytes that it takes in memory, about.
    fn held_len(&self) -> usize;
}

/// A search that may begin.
#[derive(Clone, Debug)]
pub struct Search {
    searched: Searched,
    query: Query,
    from: usize,
    size: usize,
    sort: Vec<SortField>,
    after: Option<Vec<OrderedValue>>,
    aggregations: Option<Vec<Aggregation>>,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchResult<K> {
    /// How many keys match, on this page or not.
    pub total: u64,
    /// The page.
    pub hits: Vec<Hit<K>>,
    /// The value of `aggregations` in the answer; `None` when none were asked for.
    pub aggregations: Option<Value>,
}

/// A key on the page.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit<K> {
    /// The key.
    pub key: K,
    /// The value of `_sort` in the answer, one for each criterion; empty, and not to be shown, without a
    /// sort.
    pub sort_values: Vec<Value>,
}

impl Search {
    /// Searches the keys that the caller may see, and takes the first ones in the order.
    ///
    /// Without a sort, and between keys that sort alike, the order is by creation, then by id. `_doc` is the
    /// [position](Searchable::position) of a key, or else that in `keys`. With `typed_keys`, the names of
    /// aggregations in the answer begin with their type.
    ///
    /// # Errors
    ///
    /// `illegal_argument_exception` when the aggregations make more buckets than one answer may hold, when
    /// the keys up to the end of the page are longer than one answer may be, and when all of it takes more
    /// than the budget.
    pub fn run<I>(
        &self,
        keys: I,
        typed_keys: TypedKeys,
        budget: &mut Budget,
    ) -> Result<SearchResult<I::Item>, ErrorCause>
    where
        I: IntoIterator<Item: Searchable>,
    {
        let mut total = 0_u64;
        let mut page = Page::new(self.from, self.size, self.searched);
        let aggregations = self.aggregations.as_deref();
        let mut aggregations = aggregations.map(|all| AggregationRun::new(all, budget)).transpose()?;
        for (position, key) in keys.into_iter().enumerate() {
            budget.spend(STEPS_PER_KEY)?;
            if !self.query.matches(&key, budget)? {
                continue;
            }
            total += 1;
            if let Some(run) = &mut aggregations {
                run.collect(&key, budget)?;
            }
            let mut values = Vec::with_capacity(self.sort.len());
            for field in &self.sort {
                values.push(field.value_of(&key, position, budget)?);
            }
            if self.after.as_ref().is_none_or(|after| values > *after) {
                page.offer(values, key, budget)?;
            }
        }
        let show = |values: &[OrderedValue]| {
            self.sort.iter().zip(values).map(|(field, value)| field.show(value)).collect()
        };
        let hits = page.into_hits(show);
        let aggregations = aggregations.map(|run| run.into_json(typed_keys, budget)).transpose()?;
        Ok(SearchResult { total, hits, aggregations })
    }
}

/// Whether the answer names the types of aggregations: the URL parameter `typed_keys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypedKeys {
    /// `colours`.
    Plain,
    /// `sterms#colours`.
    Typed,
}

impl<K: Searchable + ?Sized> Searchable for &K {
    fn id(&self) -> &str {
        (**self).id()
    }

    fn name(&self) -> &str {
        (**self).name()
    }

    fn username(&self) -> &str {
        (**self).username()
    }

    fn realm_name(&self) -> &str {
        (**self).realm_name()
    }

    fn key_type(&self) -> &str {
        (**self).key_type()
    }

    fn creation(&self) -> UnixMillis {
        (**self).creation()
    }

    fn expiration(&self) -> Option<UnixMillis> {
        (**self).expiration()
    }

    fn invalidation(&self) -> Option<UnixMillis> {
        (**self).invalidation()
    }

    fn rotation(&self) -> Option<UnixMillis> {
        (**self).rotation()
    }

    fn previous_secret_expiration(&self) -> Option<UnixMillis> {
        (**self).previous_secret_expiration()
    }

    fn last_used(&self) -> Option<UnixMillis> {
        (**self).last_used()
    }

    fn last_wrong_secret(&self) -> Option<UnixMillis> {
        (**self).last_wrong_secret()
    }

    fn uses(&self) -> u64 {
        (**self).uses()
    }

    fn roles(&self) -> &[String] {
        (**self).roles()
    }

    fn full_name(&self) -> Option<&str> {
        (**self).full_name()
    }

    fn email(&self) -> Option<&str> {
        (**self).email()
    }

    fn is_enabled(&self) -> bool {
        (**self).is_enabled()
    }

    fn description(&self) -> Option<&str> {
        (**self).description()
    }

    fn applications(&self, part: ApplicationPart) -> Vec<&str> {
        (**self).applications(part)
    }

    fn position(&self) -> Option<i64> {
        (**self).position()
    }

    fn metadata(&self) -> &Map<String, Value> {
        (**self).metadata()
    }

    fn written_len(&self) -> usize {
        (**self).written_len()
    }

    fn held_len(&self) -> usize {
        (**self).held_len()
    }
}

#[cfg(test)]
mod tests;
