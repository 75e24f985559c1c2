//! The rows of the feed, written as text by the database.
//!
//! A row that goes through the driver value by value costs several times what reading it does. So the database writes each key as a
//! line, and hands over many lines as one text. A line has four parts with tabs between, and no tab or newline within:
//!
//! ```text
//! 184467 ⇥ salt and digest in hexadecimal, or nothing ⇥ "id" ⇥ ,"name":"ci",…}
//! ```
//!
//! Keys whose texts are long come one by one, so that a page which ends for its length has not been held as a whole.

use std::collections::VecDeque;

use futures_util::TryStreamExt as _;
use latchkey_key_feed::Cursor;

use crate::limits::{FEED_ROWS_AT_ONCE, FEED_ROWS_LEN_MAX, FEED_TEXTS_LEN_AT_ONCE};
use crate::store::StoreError;
use crate::store::feed_text::{FeedLine, RowsText};
use crate::store::sql::query::Query;
use crate::store::sql::row::cursor;
use crate::store::sql::transaction::Transaction;

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

/// Keys as lines.
struct Lines {
    count: usize,
    last: i64,
    /// Whether one of them is long; then there is no text.
    has_long: bool,
    text: String,
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
        let lines = lines_after(snapshot, after, wanted).await?;
        let kept_through = if lines.count < wanted { END } else { lines.last };
        page.removed = removed_between(snapshot, after, kept_through, wanted).await?;
        let horizon = match page.removed.back() {
            Some((last, _)) if page.removed.len() >= wanted => signed(*last)?,
            _ => kept_through,
        };
        page.horizon = cursor(horizon)?;
        if lines.has_long {
            page.push_one_by_one(snapshot, after, wanted).await?;
        } else {
            page.rows.reserve(lines.text.len());
            lines.text.lines().try_for_each(|line| page.push(line))?;
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

    /// Adds the key of a line, and the removed ones before it, as far as there is room.
    fn push(&mut self, line: &str) -> Result<(), StoreError> {
        let line = FeedLine::parse(line)?;
        if line.seq > self.horizon {
            return Ok(());
        }
        self.push_removed_through(line.seq)?;
        if self.is_full() { Ok(()) } else { self.rows.push(&line) }
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
        let mut query = Query::new("select ");
        push_line(&mut query);
        query.push(" from api_key where seq > ").push_bind(after);
        query.push(" order by seq limit ").push_bind(number(wanted)?);
        let mut lines = snapshot.fetch(query)?;
        while !self.is_full()
            && let Some(line) = lines.try_next().await?
        {
            self.push(line.at(0)?)?;
        }
        Ok(())
    }
}

/// Many keys at once. The rows within come in order, because their number is limited by it, and so they are put together; to ask for
/// that again would sort them again. Whether it is so is seen when they become rows.
async fn lines_after(snapshot: &mut Transaction, after: i64, wanted: usize) -> Result<Lines, StoreError> {
    let mut query = Query::new(
        "select count(*), coalesce(max(seq), 0), coalesce(max(is_long), 0), coalesce(string_agg(line, '\n'), '')
         from (select seq, case when ",
    );
    push_is_long(&mut query)?;
    query.push(" then 1 else 0 end as is_long, case when ");
    push_is_long(&mut query)?;
    query.push(" then null else ");
    push_line(&mut query);
    query.push(" end as line from api_key where seq > ").push_bind(after);
    query.push(" order by seq limit ").push_bind(number(wanted)?).push(") as kept");
    let row = snapshot.fetch_one(query).await?;
    let count = usize::try_from(row.at::<i64>(0)?).map_err(|_| StoreError::Corrupt("number of keys"))?;
    let has_long = row.at::<i32>(2)? != 0;
    Ok(Lines { count, last: row.at(1)?, has_long, text: row.at(3)? })
}

/// The bytes of a key's texts are counted without reading them.
fn push_is_long(query: &mut Query) -> Result<(), StoreError> {
    query.push(
        "octet_length(metadata) + octet_length(name) + octet_length(owner_username) + octet_length(owner_realm)
         + octet_length(role_names) + octet_length(limited_by_names) > ",
    );
    query.push_bind(number(FEED_TEXTS_LEN_AT_ONCE)?);
    Ok(())
}

/// One key as a line. What is null is nothing in a `concat`.
fn push_line(query: &mut Query) {
    query.push("concat(seq, '\t', case when invalidation is null then concat(");
    query.push_hex("salt").push(", ").push_hex("digest").push(") end, '\t', ").push_quoted("id");
    query.push(", '\t', case when invalidation is not null then ',\"removed\":true}' else concat(");
    query.push("',\"expiration\":' || expiration, ',\"name\":', ").push_quoted("name");
    query.push(", ',\"owner\":{\"username\":', ").push_quoted("owner_username");
    query.push(", ',\"realm\":', ").push_quoted("owner_realm");
    query.push(
        ", '},\"roles\":', role_names, ',\"limited_by\":', limited_by_names,
            ',\"metadata\":' || nullif(metadata, '{}'), '}') end)",
    );
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

fn number(count: usize) -> Result<i64, StoreError> {
    i64::try_from(count).map_err(|_| StoreError::Corrupt("number of keys"))
}
