//! Parts of the feed, read many keys at once.
//!
//! Passing a row through the driver costs several times what reading it does. So the database joins the
//! columns of a key into one text and the texts of many keys into one, which is returned as one row. It is
//! split at [`SEPARATOR`]. If a text of a key contains the separator, there are more parts than there should
//! be, and these keys are read one by one. So are keys with long texts, so that memory is not filled with keys
//! beyond the end of the page.

use std::collections::VecDeque;
use std::str::Split;

use latchkey_key_feed::{Cursor, FeedVersion};

use crate::limits::{FEED_ROWS_AT_ONCE, FEED_TEXTS_LEN_AT_ONCE, FEED_TEXTS_LEN_AT_ONCE_WITH_RIGHTS};
use crate::store::StoreError;
use crate::store::sql::directory_rows::suspension::IS_SUSPENDED;
use crate::store::sql::query::Query;
use crate::store::sql::row::{Row, cursor};
use crate::store::sql::transaction::Transaction;

/// Separates two columns, and two keys: a character that does not occur in practice (ASCII, unit separator).
const SEPARATOR: char = '\u{1f}';

/// What stands before the texts of a key: its sequence number, its expiration or nothing, something when it
/// has ended, something when somebody vouches for its metadata, its salt and its digest in hexadecimal, and of a
/// previous secret the end and the digest, or nothing.
const COLUMNS_BEFORE_TEXTS: usize = 8;

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

/// The roles that somebody vouches for, if that was decided for the latest change of the key.
pub(super) const VOUCHED_ROLE_NAMES: &str =
    "coalesce(case when vouched_seq = seq then vouched_role_names end, '[]')";

/// Whether somebody vouches for the metadata, in the same way.
pub(super) const IS_METADATA_VOUCHED: &str = "coalesce(metadata_vouched and vouched_seq = seq, false)";

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

/// The columns of many keys, one after another.
pub(super) struct Parts<'a> {
    parts: Split<'a, char>,
    version: FeedVersion,
}

/// The columns of a key, as they are joined.
pub(super) struct JoinedKey<'a> {
    pub(super) seq: &'a str,
    pub(super) expiration: &'a str,
    pub(super) ended: &'a str,
    pub(super) metadata_vouched: &'a str,
    pub(super) salt: &'a str,
    pub(super) digest: &'a str,
    pub(super) previous_until: &'a str,
    pub(super) previous_digest: &'a str,
    /// The columns of [`TEXTS`].
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
        let number = |position| {
            usize::try_from(row.at::<i64>(position)?).map_err(|_| StoreError::Corrupt("number of keys"))
        };
        let (count, short) = (number(0)?, number(1)?);
        let last = cursor(row.at(2)?)?;
        // A long key has no parts. A separator within a text makes one more. None of the columns is null, which
        // would make one less.
        let separators = row.at::<&str>(3)?.bytes().filter(|byte| *byte == SEPARATOR as u8).count();
        let are_joined = short == count && separators + 1 == (count * parts_of_a_key(version)).max(1);
        Ok(Self { count, are_joined, last, row, version })
    }

    /// Their columns.
    pub(super) fn parts(&self) -> Result<Parts<'_>, StoreError> {
        Ok(Parts { parts: self.row.at::<&str>(3)?.split(SEPARATOR), version: self.version })
    }
}

impl<'a> Parts<'a> {
    /// The next key. There are as many as [`Keys::count`], where they are joined.
    pub(super) fn next_key(&mut self) -> JoinedKey<'a> {
        let mut next = || self.parts.next().unwrap_or_default();
        JoinedKey {
            seq: next(),
            expiration: next(),
            ended: next(),
            metadata_vouched: next(),
            salt: next(),
            digest: next(),
            previous_until: next(),
            previous_digest: next(),
            texts: std::array::from_fn(|_| next()),
            rights: (self.version == FeedVersion::V2).then(|| std::array::from_fn(|_| next())),
        }
    }
}

/// The texts that a version needs.
const fn texts_of_rights(version: FeedVersion) -> &'static [&'static str] {
    match version {
        FeedVersion::V1 => &[],
        FeedVersion::V2 => &RIGHTS_TEXTS,
    }
}

const fn parts_of_a_key(version: FeedVersion) -> usize {
    COLUMNS_BEFORE_TEXTS + TEXTS.len() + texts_of_rights(version).len()
}

async fn keys_after(
    snapshot: &mut Transaction,
    after: Cursor,
    wanted: usize,
    version: FeedVersion,
) -> Result<Keys, StoreError> {
    let len_max = match version {
        FeedVersion::V1 => FEED_TEXTS_LEN_AT_ONCE,
        FeedVersion::V2 => FEED_TEXTS_LEN_AT_ONCE_WITH_RIGHTS,
    };
    let texts = || TEXTS.iter().chain(texts_of_rights(version));
    // The inner rows come in order, because `limit` needs the order, and are joined in it. Another `order by`
    // would sort them again. The order is checked when they become rows. A key is joined within, so that only
    // one text of it is handed to what is around.
    let mut query = Query::new(format!(
        "select count(*), count(joined), coalesce(max(seq), 0), coalesce(string_agg(joined, '{SEPARATOR}'), '')
         from (select seq, case when 0"
    ));
    // The bytes of a text are counted without reading it.
    for text in texts() {
        query.push(format!(" + coalesce(octet_length({text}), 0)"));
    }
    query.push(" <= ").push_bind(number(len_max)?).push(format!(
        " then concat_ws('{SEPARATOR}', seq, coalesce(cast(expiration as text), ''),
             case when invalidation is null and not ({IS_SUSPENDED}) then '' else 'x' end, case when {IS_METADATA_VOUCHED} then 'v' else '' end, "
    ));
    query.push_hex("salt").push(", ").push_hex("digest");
    query
        .push(", coalesce(cast(previous_until as text), ''), coalesce(")
        .push_hex("previous_digest")
        .push(", '')");
    for text in texts() {
        let text = if *text == "vouched_role_names" { VOUCHED_ROLE_NAMES } else { text };
        query.push(format!(", {text}"));
    }
    query.push(") end as joined from api_key where seq > ").push_bind(number(after.0)?);
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
