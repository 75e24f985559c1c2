//! The rows of the feed, handed over many at once.
//!
//! A row that goes through the driver by itself costs several times what reading it does. So the database joins what many keys have
//! in a column to one text, and hands over all their columns as one row. The texts are taken apart at [`SEPARATOR`]; where a text of a
//! key holds that itself there are more parts than keys, and then those keys come one by one. So do keys whose texts are long: a page
//! that ends for its length has then not been held as a whole.

use std::collections::VecDeque;

use futures_util::TryStreamExt as _;
use latchkey_key_feed::Cursor;

use crate::limits::{FEED_ROWS_AT_ONCE, FEED_ROWS_LEN_MAX, FEED_TEXTS_LEN_AT_ONCE};
use crate::store::StoreError;
use crate::store::feed_text::{FeedKey, RowsText, SECRET_DIGITS, Secret};
use crate::store::sql::query::Query;
use crate::store::sql::row::{Row, cursor};
use crate::store::sql::transaction::Transaction;

/// What stands between the texts of two keys: a letter that nobody writes (ASCII, unit separator).
const SEPARATOR: char = '\u{1f}';

/// The columns that hold texts of any length.
const TEXTS: [&str; 7] =
    ["id", "name", "owner_username", "owner_realm", "role_names", "limited_by_names", "metadata"];

/// Past every number that a store can give to a change.
const END: i64 = i64::MAX;

/// What is gathered for one page.
struct Gathered {
    rows: RowsText,
    rows_max: usize,
    /// Keys that were removed for good and are not among the rows yet.
    removed: VecDeque<(Cursor, String)>,
    /// Past it nothing may be added yet: there may be removed keys before.
    horizon: Cursor,
}

/// Many keys.
struct Keys {
    count: usize,
    last: i64,
    /// Whether one of them is long; then their texts are not all there.
    has_long: bool,
    /// The joined columns.
    row: Row,
}

/// The rows, and whether more follow.
pub(super) async fn changes_after(
    snapshot: &mut Transaction,
    after: Cursor,
    rows_max: u32,
) -> Result<(RowsText, bool), StoreError> {
    let mut after = signed(after)?;
    let mut page = Gathered::new(rows_max as usize);
    loop {
        let wanted = (page.rows_max - page.rows.count()).min(FEED_ROWS_AT_ONCE);
        let keys = keys_after(snapshot, after, wanted).await?;
        let kept_through = if keys.count < wanted { END } else { keys.last };
        page.removed = removed_between(snapshot, after, kept_through, wanted).await?;
        let horizon = match page.removed.back() {
            Some((last, _)) if page.removed.len() >= wanted => signed(*last)?,
            _ => kept_through,
        };
        page.horizon = cursor(horizon)?;
        match keys.joined()? {
            Some(joined) => page.push_joined(&keys, &joined)?,
            None => page.push_one_by_one(snapshot, after, wanted).await?,
        }
        page.push_removed_through(page.horizon)?;
        if let (true, Some(last)) = (page.is_full(), page.rows.last()) {
            let more = is_anything_after(snapshot, signed(last)?).await?;
            return Ok((page.rows, more));
        }
        if horizon == END {
            return Ok((page.rows, false));
        }
        after = horizon;
    }
}

impl Gathered {
    fn new(rows_max: usize) -> Self {
        Self { rows: RowsText::default(), rows_max, removed: VecDeque::new(), horizon: Cursor(0) }
    }

    fn is_full(&self) -> bool {
        self.rows.count() >= self.rows_max || self.rows.text_len() >= FEED_ROWS_LEN_MAX
    }

    /// Adds a key and the removed ones before it, as far as there is room.
    fn push(&mut self, key: &FeedKey<'_>) -> Result<(), StoreError> {
        if key.seq > self.horizon {
            return Ok(());
        }
        self.push_removed_through(key.seq)?;
        if self.is_full() { Ok(()) } else { self.rows.push(key) }
    }

    fn push_removed_through(&mut self, seq: Cursor) -> Result<(), StoreError> {
        while !self.is_full()
            && let Some((seq, id)) = self.removed.pop_front_if(|(removed, _)| *removed <= seq)
        {
            self.rows.push_removed(seq, &id)?;
        }
        Ok(())
    }

    async fn push_one_by_one(
        &mut self,
        snapshot: &mut Transaction,
        after: i64,
        wanted: usize,
    ) -> Result<(), StoreError> {
        let query = Query::new(
            "select seq, invalidation is not null, salt, digest, expiration, id, name, owner_username, owner_realm, role_names,
                    limited_by_names, metadata
             from api_key where seq > ? order by seq limit ?",
        );
        let mut keys = snapshot.fetch(query.bind(after).bind(number(wanted)?))?;
        while !self.is_full()
            && let Some(row) = keys.try_next().await?
        {
            self.push(&FeedKey {
                seq: cursor(row.at(0)?)?,
                is_ended: row.at(1)?,
                secret: Secret::of_bytes(row.at(2)?, row.at(3)?)?,
                expiration: row.at(4)?,
                id: row.at(5)?,
                name: row.at(6)?,
                username: row.at(7)?,
                realm: row.at(8)?,
                roles: row.at(9)?,
                limited_by: row.at(10)?,
                metadata: row.at(11)?,
            })?;
        }
        Ok(())
    }

    fn push_joined(&mut self, keys: &Keys, joined: &Joined<'_>) -> Result<(), StoreError> {
        let (mut secrets, mut numbers) = (joined.secrets, joined.numbers.split(','));
        let mut texts = joined.texts.map(|text| text.split(SEPARATOR));
        for _ in 0..keys.count {
            let mut number = || numbers.next().unwrap_or_default();
            let (seq, expiration, is_ended) = (number(), number(), !number().is_empty());
            let expiration = (!expiration.is_empty()).then(|| parsed(expiration)).transpose()?;
            let secret = secrets.split_at_checked(SECRET_DIGITS).ok_or(StoreError::Corrupt("digest"))?;
            secrets = secret.1;
            let [id, name, username, realm, roles, limited_by, metadata] =
                texts.each_mut().map(|text| text.next().unwrap_or_default());
            self.push(&FeedKey {
                seq: cursor(parsed(seq)?)?,
                is_ended,
                secret: Secret::of_digits(secret.0)?,
                expiration,
                id,
                name,
                username,
                realm,
                roles,
                limited_by,
                metadata,
            })?;
        }
        Ok(())
    }
}

/// The columns of many keys, each as one text.
struct Joined<'a> {
    /// Three of each key, with commas between: sequence number, expiration or nothing, and something when it has ended.
    numbers: &'a str,
    /// Salts and digests in hexadecimal, with nothing between.
    secrets: &'a str,
    /// The columns of [`TEXTS`], with [`SEPARATOR`] between.
    texts: [&'a str; TEXTS.len()],
}

impl Keys {
    /// The columns, if they can be taken apart again: a separator within a text makes more parts than there are keys.
    fn joined(&self) -> Result<Option<Joined<'_>>, StoreError> {
        if self.has_long {
            return Ok(None);
        }
        let mut texts = [""; TEXTS.len()];
        for (position, text) in texts.iter_mut().enumerate() {
            *text = self.row.at(5 + position)?;
        }
        let separators = self.count.saturating_sub(1);
        let is_whole =
            |text: &&str| text.bytes().filter(|byte| *byte == SEPARATOR as u8).count() == separators;
        let joined = Joined { numbers: self.row.at(3)?, secrets: self.row.at(4)?, texts };
        Ok(texts.iter().all(is_whole).then_some(joined))
    }
}

async fn keys_after(snapshot: &mut Transaction, after: i64, wanted: usize) -> Result<Keys, StoreError> {
    // The rows within come in order, because their number is limited by it, and so they are joined; to ask for that again would sort
    // them again. Whether it is so is seen when they become rows.
    let mut query = Query::new("select count(*), coalesce(max(seq), 0), coalesce(max(is_long), 0)");
    query.push(
        ", coalesce(string_agg(seq || ',' || coalesce(cast(expiration as text), '') || ','
             || case when invalidation is null then '' else 'x' end, ','), ''), coalesce(string_agg(",
    );
    query.push_hex("salt").push(" || ").push_hex("digest").push(", ''), '')");
    for text in TEXTS {
        query.push(format!(", coalesce(string_agg({text}, '{SEPARATOR}') filter (where is_long = 0), '')"));
    }
    query.push(format!(
        " from (select seq, expiration, invalidation, salt, digest, {}, case when 0",
        TEXTS.join(", ")
    ));
    for text in TEXTS {
        query.push(format!(" + octet_length({text})"));
    }
    // The bytes of a text are counted without reading it.
    query.push(" > ").push_bind(number(FEED_TEXTS_LEN_AT_ONCE)?);
    query.push(" then 1 else 0 end as is_long from api_key where seq > ").push_bind(after);
    query.push(" order by seq limit ").push_bind(number(wanted)?).push(") as kept");
    let row = snapshot.fetch_one(query).await?;
    let count = usize::try_from(row.at::<i64>(0)?).map_err(|_| StoreError::Corrupt("number of keys"))?;
    Ok(Keys { count, last: row.at(1)?, has_long: row.at::<i32>(2)? != 0, row })
}

/// Keys that were removed for good after a position, up to another.
async fn removed_between(
    snapshot: &mut Transaction,
    after: i64,
    through: i64,
    wanted: usize,
) -> Result<VecDeque<(Cursor, String)>, StoreError> {
    let query = Query::new("select seq, id from removed_key where seq > ? and seq <= ? order by seq limit ?")
        .bind(after)
        .bind(through)
        .bind(number(wanted)?);
    let rows = snapshot.fetch_all(query).await?;
    rows.iter().map(|row| Ok((cursor(row.at(0)?)?, row.at(1)?))).collect()
}

async fn is_anything_after(snapshot: &mut Transaction, last: i64) -> Result<bool, StoreError> {
    let query = Query::new(
        "select exists (select 1 from api_key where seq > ?) or exists (select 1 from removed_key where seq > ?)",
    );
    snapshot.fetch_one(query.bind(last).bind(last)).await?.scalar()
}

fn signed(cursor: Cursor) -> Result<i64, StoreError> {
    i64::try_from(cursor.0).map_err(|_| StoreError::Corrupt("sequence number"))
}

fn parsed(digits: &str) -> Result<i64, StoreError> {
    digits.parse().map_err(|_| StoreError::Corrupt("sequence number or expiration"))
}

fn number(count: usize) -> Result<i64, StoreError> {
    i64::try_from(count).map_err(|_| StoreError::Corrupt("number of keys"))
}
