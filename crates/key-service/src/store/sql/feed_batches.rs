//! Parts of the feed, read many keys at once.
//!
//! Passing a row through the driver costs several times what reading it does. So the database joins each
//! column of many keys into one text, and returns all columns as one row. The texts are split at
//! [`SEPARATOR`]. If a text of a key contains the separator, there are more parts than keys, and these keys
//! are read one by one. So are keys with long texts, so that memory is not filled with keys beyond the end of
//! the page.

use std::collections::VecDeque;

use latchkey_key_feed::{Cursor, FeedVersion};

use crate::limits::{FEED_ROWS_AT_ONCE, FEED_TEXTS_LEN_AT_ONCE, FEED_TEXTS_LEN_AT_ONCE_WITH_RIGHTS};
use crate::store::StoreError;
use crate::store::sql::query::Query;
use crate::store::sql::row::{Row, cursor};
use crate::store::sql::transaction::Transaction;

/// Separates the texts of two keys: a character that does not occur in practice (ASCII, unit separator).
pub(super) const SEPARATOR: char = '\u{1f}';

/// The columns that hold texts of any length.
const TEXTS: [&str; 8] = [
    "id",
    "name",
    "owner_username",
    "owner_realm",
    "role_names",
    "vouched_role_names",
    "limited_by_names",
    "metadata",
];

/// The columns that version 2 needs too: what rights are worked out from.
pub(super) const RIGHTS_TEXTS: [&str; 2] = ["role_descriptors", "limited_by"];

/// What somebody vouches for, if that was decided for the latest change of the key: two columns.
pub(super) const VOUCHED: &str =
    "case when vouched_seq = seq then vouched_role_names else '[]' end as vouched_role_names,
    coalesce(metadata_vouched and vouched_seq = seq, false) as is_metadata_vouched";

/// Past every number that a store can give to a change.
pub(super) const END: Cursor = Cursor(i64::MAX as u64);

/// What follows a position of the feed.
pub(super) struct FeedBatch {
    pub(super) after: Cursor,
    /// How many keys were asked for.
    pub(super) wanted: usize,
    pub(super) keys: Keys,
    pub(super) removed: Removed,
}

/// Keys that were removed for good, in the order of their removal.
pub(super) struct Removed {
    pub(super) keys: VecDeque<(Cursor, String)>,
    /// There may be more removed keys past it, so a key past it must not become a row yet.
    pub(super) horizon: Cursor,
}

/// Many keys.
pub(super) struct Keys {
    pub(super) count: usize,
    /// Whether their columns can be split again. If not, the keys must be read one by one.
    pub(super) are_joined: bool,
    last: Cursor,
    row: Row,
    version: FeedVersion,
}

/// The columns of many keys, each as one text.
pub(super) struct Joined<'a> {
    /// Four of each key, with commas between: sequence number, expiration or nothing, something when it has
    /// ended, and something when somebody vouches for its metadata.
    pub(super) numbers: &'a str,
    /// Salts and digests in hexadecimal, with nothing between.
    pub(super) secrets: &'a str,
    /// The columns of [`TEXTS`], with [`SEPARATOR`] between.
    pub(super) texts: [&'a str; TEXTS.len()],
    /// The columns of [`RIGHTS_TEXTS`], in version 2.
    pub(super) rights: Option<[&'a str; RIGHTS_TEXTS.len()]>,
}

/// The part of the feed after a position that has at most `room` keys. `removed_through` is where keys were
/// last removed for good.
pub(super) async fn read_batch(
    snapshot: &mut Transaction,
    after: Cursor,
    room: usize,
    removed_through: Cursor,
    version: FeedVersion,
) -> Result<FeedBatch, StoreError> {
    let wanted = room.min(FEED_ROWS_AT_ONCE);
    let keys = keys_after(snapshot, after, wanted, version).await?;
    let kept_through = if keys.count < wanted { END } else { keys.last };
    let removed = if removed_through > after {
        removed_between(snapshot, after, kept_through, wanted).await?
    } else {
        VecDeque::new()
    };
    let horizon = match removed.back() {
        Some((last, _)) if removed.len() >= wanted => *last,
        _ => kept_through,
    };
    Ok(FeedBatch { after, wanted, keys, removed: Removed { keys: removed, horizon } })
}

/// The position at which keys were last removed for good; 0 when none was, as far as the store remembers.
pub(super) async fn latest_removed(snapshot: &mut Transaction) -> Result<Cursor, StoreError> {
    let query = Query::new("select coalesce(max(seq), 0) from removed_key");
    cursor(snapshot.fetch_one(query).await?.scalar()?)
}

pub(super) async fn is_anything_after(snapshot: &mut Transaction, last: Cursor) -> Result<bool, StoreError> {
    let last = number(last.0)?;
    let query = Query::new(
        "select exists (select 1 from api_key where seq > ?) or exists (select 1 from removed_key where seq > ?)",
    );
    snapshot.fetch_one(query.bind(last).bind(last)).await?.scalar()
}

/// For a database, which has no unsigned numbers.
pub(super) fn number(number: impl TryInto<i64>) -> Result<i64, StoreError> {
    number.try_into().map_err(|_| StoreError::Corrupt("sequence number"))
}

impl FeedBatch {
    /// As many rows as it comes to at most.
    pub(super) fn rows_max(&self) -> usize {
        self.keys.count + self.removed.keys.len()
    }
}

impl Keys {
    fn of(row: Row, version: FeedVersion) -> Result<Self, StoreError> {
        let count = usize::try_from(row.at::<i64>(0)?).map_err(|_| StoreError::Corrupt("number of keys"))?;
        let has_long = row.at::<i32>(2)? != 0;
        let keys = Self { count, last: cursor(row.at(1)?)?, are_joined: false, row, version };
        let are_joined = !has_long && keys.joined()?.has_parts(count);
        Ok(Self { are_joined, ..keys })
    }

    /// Their columns.
    pub(super) fn joined(&self) -> Result<Joined<'_>, StoreError> {
        let mut texts = [""; TEXTS.len()];
        for (position, text) in texts.iter_mut().enumerate() {
            *text = self.row.at(5 + position)?;
        }
        let first = 5 + TEXTS.len();
        let rights = match self.version {
            FeedVersion::V1 => None,
            FeedVersion::V2 => Some([self.row.at(first)?, self.row.at(first + 1)?]),
        };
        Ok(Joined { numbers: self.row.at(3)?, secrets: self.row.at(4)?, texts, rights })
    }
}

impl Joined<'_> {
    /// Whether each text has as many parts as there are keys. A separator within a text of a key makes one
    /// more.
    fn has_parts(&self, count: usize) -> bool {
        let separators = |text: &str| text.bytes().filter(|byte| *byte == SEPARATOR as u8).count();
        let mut texts = self.texts.iter().chain(self.rights.iter().flatten());
        texts.all(|text| separators(text) == count.saturating_sub(1))
    }
}

async fn keys_after(
    snapshot: &mut Transaction,
    after: Cursor,
    wanted: usize,
    version: FeedVersion,
) -> Result<Keys, StoreError> {
    let (of_rights, len_max): (&[&str], usize) = match version {
        FeedVersion::V1 => (&[], FEED_TEXTS_LEN_AT_ONCE),
        FeedVersion::V2 => (&RIGHTS_TEXTS, FEED_TEXTS_LEN_AT_ONCE_WITH_RIGHTS),
    };
    let texts = || TEXTS.iter().chain(of_rights);
    // The inner rows come in order, because `limit` needs the order, and are joined in it. Another `order by`
    // would sort them again. The order is checked when they become rows.
    let mut query = Query::new("select count(*), coalesce(max(seq), 0), coalesce(max(is_long), 0)");
    query.push(
        ", coalesce(string_agg(seq || ',' || coalesce(cast(expiration as text), '') || ','
             || case when invalidation is null then ',' else 'x,' end
             || case when is_metadata_vouched then 'v' else '' end, ','), ''), coalesce(string_agg(",
    );
    query.push_hex("salt").push(" || ").push_hex("digest").push(", ''), '')");
    for text in texts() {
        query.push(format!(", coalesce(string_agg({text}, '{SEPARATOR}') filter (where is_long = 0), '')"));
    }
    query.push(format!(
        " from (select seq, expiration, invalidation, salt, digest, {VOUCHED}, {}, case when 0",
        texts().filter(|text| **text != "vouched_role_names").copied().collect::<Vec<_>>().join(", ")
    ));
    for text in texts() {
        query.push(format!(" + coalesce(octet_length({text}), 0)"));
    }
    // The bytes of a text are counted without reading it.
    query.push(" > ").push_bind(number(len_max)?);
    query.push(" then 1 else 0 end as is_long from api_key where seq > ").push_bind(number(after.0)?);
    query.push(" order by seq limit ").push_bind(number(wanted)?).push(") as kept");
    Keys::of(snapshot.fetch_one(query).await?, version)
}

/// Keys that were removed for good after a position, up to another.
async fn removed_between(
    snapshot: &mut Transaction,
    after: Cursor,
    through: Cursor,
    wanted: usize,
) -> Result<VecDeque<(Cursor, String)>, StoreError> {
    let query = Query::new("select seq, id from removed_key where seq > ? and seq <= ? order by seq limit ?")
        .bind(number(after.0)?)
        .bind(number(through.0)?)
        .bind(number(wanted)?);
    let rows = snapshot.fetch_all(query).await?;
    rows.iter().map(|row| Ok((cursor(row.at(0)?)?, row.at(1)?))).collect()
}
