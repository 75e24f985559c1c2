//! Keys as a search looks at them, and the pages that the database makes by itself.

use latchkey_budget::json_len::object_len;
use latchkey_key_feed::{KeyId, UnixMillis};
use latchkey_query::{ColumnValue, OrderedBy, OrderedPage, Searchable, SortColumn};
use serde_json::{Map, Value};

use crate::model::stored_key::StoredKey;
use crate::store::sql::key_rows::push_filter;
use crate::store::sql::query::Query;
use crate::store::sql::row::{Row, TEXT_COLUMNS, key_columns};
use crate::store::sql::usage_rows::KEYS_WITH_USAGE;
use crate::store::{KeyFilter, StoreError};

/// Bytes that a row of the database takes besides its texts: some twenty values with a head of their own.
const ROW_LEN: usize = 4 * 1024;

/// A key of which only that was read by which it is found. What is long in a key are its roles, and most keys that are
/// looked at are not shown.
#[derive(derive_more::Debug)]
#[debug("SearchedKey({id})")]
pub(crate) struct SearchedKey {
    id: KeyId,
    name: String,
    username: String,
    realm: String,
    creation: UnixMillis,
    expiration: Option<UnixMillis>,
    invalidation: Option<UnixMillis>,
    rotation: Option<UnixMillis>,
    previous_secret_expiration: Option<UnixMillis>,
    last_used: Option<UnixMillis>,
    last_wrong_secret: Option<UnixMillis>,
    uses: u64,
    position: i64,
    /// Empty when the search does not read it.
    metadata: Map<String, Value>,
    /// The bytes of all texts.
    texts_len: usize,
    row: Row,
}

impl SearchedKey {
    /// The whole key.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it is not readable.
    pub(crate) fn into_key(self) -> Result<StoredKey, StoreError> {
        self.row.stored_key()
    }

    pub(super) fn read(row: Row, with_metadata: bool) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.key_id()?,
            name: row.get("name")?,
            username: row.get("owner_username")?,
            realm: row.get("owner_realm")?,
            creation: row.moment("creation")?,
            expiration: row.moment_if_any("expiration")?,
            invalidation: row.moment_if_any("invalidation")?,
            rotation: row.moment_if_any("rotation")?,
            previous_secret_expiration: row.moment_if_any("previous_until")?,
            last_used: row.moment_if_any("last_used")?,
            last_wrong_secret: row.moment_if_any("last_wrong_secret")?,
            uses: u64::try_from(row.get::<Option<i64>>("uses")?.unwrap_or(0)).unwrap_or(0),
            position: row.get("position")?,
            metadata: if with_metadata { row.json("metadata")? } else { Map::new() },
            texts_len: row.texts_len(&TEXT_COLUMNS)? + row.texts_len(&["name", "owner_username"])?,
            row,
        })
    }
}

impl Searchable for SearchedKey {
    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn username(&self) -> &str {
        &self.username
    }

    fn realm_name(&self) -> &str {
        &self.realm
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

    fn rotation(&self) -> Option<UnixMillis> {
        self.rotation
    }

    fn previous_secret_expiration(&self) -> Option<UnixMillis> {
        self.previous_secret_expiration
    }

    fn last_used(&self) -> Option<UnixMillis> {
        self.last_used
    }

    fn last_wrong_secret(&self) -> Option<UnixMillis> {
        self.last_wrong_secret
    }

    fn uses(&self) -> u64 {
        self.uses
    }

    fn position(&self) -> Option<i64> {
        Some(self.position)
    }

    fn metadata(&self) -> &Map<String, Value> {
        &self.metadata
    }

    fn written_len(&self) -> usize {
        self.texts_len
    }

    fn held_len(&self) -> usize {
        ROW_LEN + self.texts_len + object_len(&self.metadata)
    }
}

/// All that pass the filter.
pub(super) fn all(filter: &KeyFilter) -> Result<Query, StoreError> {
    let mut query = select();
    push_filter(&mut query, filter)?;
    query.push(" order by api_key.rowid");
    Ok(query)
}

/// A page of them.
pub(super) fn page(filter: &KeyFilter, page: &OrderedPage) -> Result<Query, StoreError> {
    let mut query = select();
    push_filter(&mut query, filter)?;
    if let Some(after) = &page.after {
        push_after(&mut query, &page.order, after);
    }
    query.push(" order by ");
    for criterion in &page.order {
        push_column(&mut query, criterion);
        query.push(if criterion.is_descending { " desc, " } else { ", " });
    }
    let sorts_by_creation = page.order.iter().any(|criterion| criterion.column == SortColumn::Creation);
    query.push(if sorts_by_creation { "id" } else { "creation, id" });
    query.push(" limit ").push_bind(integer(page.size)).push(" offset ").push_bind(integer(page.from));
    Ok(query)
}

/// How many there are.
pub(super) fn count(filter: &KeyFilter) -> Result<Query, StoreError> {
    let mut query = Query::new("select count(*) from api_key where true");
    push_filter(&mut query, filter)?;
    Ok(query)
}

fn select() -> Query {
    Query::new(format!(
        "select api_key.rowid as position, {} from {KEYS_WITH_USAGE} where true",
        key_columns()
    ))
}

/// Whatever comes after these values in this order. The first condition is what an index is for.
fn push_after(query: &mut Query, order: &[OrderedBy], after: &[ColumnValue]) {
    let pairs: Vec<(&OrderedBy, &ColumnValue)> = order.iter().zip(after).collect();
    let Some((first, value)) = pairs.first() else { return };
    query.push(" and ");
    push_column(query, first);
    query.push(if first.is_descending { " <= " } else { " >= " });
    push_value(query, value);
    query.push(" and (");
    for (index, (criterion, value)) in pairs.iter().enumerate() {
        query.push(if index == 0 { "(" } else { " or (" });
        for (equal, value) in pairs.iter().take(index) {
            push_column(query, equal);
            query.push(" = ");
            push_value(query, value);
            query.push(" and ");
        }
        push_column(query, criterion);
        query.push(if criterion.is_descending { " < " } else { " > " });
        push_value(query, value);
        query.push(")");
    }
    query.push(")");
}

fn push_column(query: &mut Query, criterion: &OrderedBy) {
    match criterion.column {
        SortColumn::Creation => query.push("creation"),
        SortColumn::Expiration => push_moment(query, "expiration", criterion.absent),
        SortColumn::Invalidated => query.push("case when invalidation is null then 0 else 1 end"),
        SortColumn::Invalidation => push_moment(query, "invalidation", criterion.absent),
        SortColumn::Name => query.push("name"),
        SortColumn::LastUsed => push_moment(query, "last_used", criterion.absent),
        SortColumn::LastWrongSecret => push_moment(query, "last_wrong_secret", criterion.absent),
        SortColumn::Position => query.push("api_key.rowid"),
        SortColumn::PreviousSecretExpiration => push_moment(query, "previous_until", criterion.absent),
        SortColumn::RealmName => query.push_bytewise("owner_realm"),
        SortColumn::Rotation => push_moment(query, "rotation", criterion.absent),
        SortColumn::Username => query.push_bytewise("owner_username"),
        SortColumn::Uses => query.push("coalesce(uses, 0)"),
    };
}

/// A moment, or the one that an absent moment counts as.
fn push_moment<'q>(query: &'q mut Query, column: &'static str, absent: i64) -> &'q mut Query {
    query.push("coalesce(").push(column).push(", ").push_bind(absent).push(")")
}

fn push_value(query: &mut Query, value: &ColumnValue) {
    match value {
        ColumnValue::Number(number) => query.push_bind(*number),
        ColumnValue::Text(text) => query.push_bind(text),
    };
}

fn integer(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
