//! Searches that a store answers by itself: a page of what it can test, in an order of what it has columns for.
//!
//! Such a search needs no look at each key: a client that reads all keys page by page costs as much as it is shown.

use std::cmp::Reverse;

use super::condition::Condition;
use super::field::{Field, Term};
use super::sort::OrderedValue;
use super::{Hit, Search, Searchable};

/// Most criteria of an order that a store is given. Each comparison with where a page begins names those before it.
const COLUMNS_MAX: usize = 8;

/// What a store has a column for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortColumn {
    /// When the key was made.
    Creation,
    /// When it ends.
    Expiration,
    /// Whether it was invalidated, as 0 or 1.
    Invalidated,
    /// When it was.
    Invalidation,
    /// When it was last used.
    LastUsed,
    /// When it was last named with a wrong secret.
    LastWrongSecret,
    /// Its name.
    Name,
    /// Its place in the order in which all were added.
    Position,
    /// When the secret before its latest one ends.
    PreviousSecretExpiration,
    /// The realm of its owner.
    RealmName,
    /// When it was last given another secret.
    Rotation,
    /// The name of its owner.
    Username,
    /// How often it was used.
    Uses,
}

/// A value to sort by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnValue {
    /// A moment in milliseconds since 1970, a place, or 0 and 1.
    Number(i64),
    /// A text, which sorts by its bytes.
    Text(String),
}

/// A criterion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderedBy {
    /// What is compared.
    pub column: SortColumn,
    /// The greatest comes first.
    pub is_descending: bool,
    /// Where a moment that is absent goes: it counts as this one.
    pub absent: i64,
}

/// A page of the keys of a condition. Keys that sort alike come by creation, then by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderedPage {
    /// Which keys are meant.
    pub condition: Condition,
    /// The criteria; the first counts most.
    pub order: Vec<OrderedBy>,
    /// The page begins after these values, one for each criterion.
    pub after: Option<Vec<ColumnValue>>,
    /// How many are left out.
    pub from: usize,
    /// How many are shown.
    pub size: usize,
}

impl Search {
    /// The search as a page that the store can make; `None` when keys must be looked at one by one.
    #[must_use]
    pub fn ordered_page(&self) -> Option<OrderedPage> {
        let narrowing = self.narrowing();
        if !narrowing.is_exact || self.aggregations.is_some() || self.sort.len() > COLUMNS_MAX {
            return None;
        }
        let order = self.sort.iter().map(super::sort::SortField::column).collect::<Option<Vec<_>>>()?;
        let after = match &self.after {
            Some(values) => Some(values.iter().map(column_value).collect::<Option<Vec<_>>>()?),
            None => None,
        };
        let condition = narrowing.condition;
        Some(OrderedPage { condition, order, after, from: self.from, size: self.size })
    }

    /// A key on the page that the store has made.
    #[must_use]
    pub fn hit_of_page<K: Searchable>(&self, page: &OrderedPage, key: K) -> Hit<K> {
        let values = page.order.iter().map(|criterion| criterion.value_of(&key));
        let sort_values =
            self.sort.iter().zip(values).map(|(field, value)| field.show_column(value)).collect();
        Hit { key, sort_values }
    }

    /// What it reads of keys that takes a store some work.
    #[must_use]
    pub fn reads(&self) -> Reads {
        let reads = |is_meant: fn(&Field) -> bool| {
            self.aggregations.is_some()
                || self.query.reads(is_meant)
                || self.sort.iter().any(|field| field.reads(is_meant))
        };
        Reads {
            metadata: reads(Field::is_metadata),
            roles: reads(Field::is_roles),
            usage: reads(Field::is_usage) || self.sort.iter().any(super::sort::SortField::is_by_uses),
        }
    }
}

/// What a search reads of keys besides what every search reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Their metadata.
    pub metadata: bool,
    /// The names of their own roles.
    pub roles: bool,
    /// When and how often they were used.
    pub usage: bool,
}

impl OrderedBy {
    fn value_of<K: Searchable>(&self, key: &K) -> ColumnValue {
        let moment = |moment: Option<latchkey_key_feed::UnixMillis>| {
            ColumnValue::Number(moment.map_or(self.absent, |at| i64::try_from(at.0).unwrap_or(i64::MAX)))
        };
        match self.column {
            SortColumn::Creation => moment(Some(key.creation())),
            SortColumn::Expiration => moment(key.expiration()),
            SortColumn::Invalidated => ColumnValue::Number(key.invalidation().is_some().into()),
            SortColumn::Invalidation => moment(key.invalidation()),
            SortColumn::LastUsed => moment(key.last_used()),
            SortColumn::LastWrongSecret => moment(key.last_wrong_secret()),
            SortColumn::Name => ColumnValue::Text(key.name().to_owned()),
            SortColumn::Position => ColumnValue::Number(key.position().unwrap_or(0)),
            SortColumn::PreviousSecretExpiration => moment(key.previous_secret_expiration()),
            SortColumn::RealmName => ColumnValue::Text(key.realm_name().to_owned()),
            SortColumn::Rotation => moment(key.rotation()),
            SortColumn::Username => ColumnValue::Text(key.username().to_owned()),
            SortColumn::Uses => ColumnValue::Number(i64::try_from(key.uses()).unwrap_or(i64::MAX)),
        }
    }
}

/// A store of texts may not know the character NUL.
fn column_value(value: &OrderedValue) -> Option<ColumnValue> {
    match value {
        OrderedValue::Ascending(term) | OrderedValue::Descending(Reverse(term)) => match term {
            Term::Number(number) => Some(ColumnValue::Number(*number)),
            Term::Text(text) if !text.contains('\0') => Some(ColumnValue::Text(text.clone())),
            Term::Boolean(_) | Term::Text(_) => None,
        },
        OrderedValue::AbsentFirst | OrderedValue::AbsentLast => None,
    }
}

impl From<ColumnValue> for Term {
    fn from(value: ColumnValue) -> Self {
        match value {
            ColumnValue::Number(number) => Self::Number(number),
            ColumnValue::Text(text) => Self::Text(text),
        }
    }
}
