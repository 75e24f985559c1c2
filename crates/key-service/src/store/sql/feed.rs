//! The keys in the order of their latest change.

use futures_util::TryStreamExt as _;
use latchkey_key_feed::{Cursor, Epoch, FeedPage, FeedRow, KeyRecord, Owner};

use crate::limits::FEED_ROWS_LEN_MAX;
use crate::store::sql::SqlStore;
use crate::store::sql::query::Query;
use crate::store::sql::row::Row;
use crate::store::sql::transaction::{Transaction, in_time};
use crate::store::{FeedPosition, StoreError};

/// Where the feed stands.
pub(in crate::store) struct FeedState {
    pub(in crate::store) epoch: Epoch,
    pub(in crate::store) latest: Cursor,
    purged_through: Cursor,
    keys_live: u64,
}

impl SqlStore {
    pub(in crate::store) async fn feed_state(&self) -> Result<FeedState, StoreError> {
        let row = self.fetch_optional(Query::new(FEED_STATE)).await?;
        feed_state(&row.ok_or(StoreError::Corrupt("position of the feed"))?)
    }

    /// Position and rows are read in one transaction, so that they are of one moment.
    pub(in crate::store) async fn feed_page(
        &self,
        FeedPosition { after, purged }: FeedPosition,
        rows_max: u32,
    ) -> Result<FeedPage, StoreError> {
        let mut snapshot = self.begin_snapshot().await?;
        let state = feed_state(&snapshot.fetch_one(Query::new(FEED_STATE)).await?)?;
        let mut page = FeedPage {
            epoch: state.epoch,
            cursor: state.latest,
            purged: state.purged_through,
            total: state.keys_live,
            more: false,
            reset: false,
            keys: Vec::new(),
        };
        // A follower before the purge may hold keys whose removal is forgotten, unless it has been loading since the purge. A cursor from
        // the future belongs to a store that was since restored from a copy.
        let is_load = after == Cursor(0) || purged == Some(state.purged_through);
        if (after < state.purged_through && !is_load) || after > state.latest {
            return Ok(FeedPage { cursor: Cursor(0), reset: true, ..page });
        }
        if after == state.latest {
            return Ok(page);
        }
        (page.keys, page.more) = in_time(changes_after(&mut snapshot, after, rows_max)).await?;
        if let (true, Some(last)) = (page.more, page.keys.last()) {
            page.cursor = last.seq();
        }
        Ok(page)
    }
}

const FEED_STATE: &str = "select epoch, seq, purged_through, keys_live from feed_state";

fn feed_state(row: &Row) -> Result<FeedState, StoreError> {
    Ok(FeedState {
        epoch: Epoch::try_from(row.get::<String>("epoch")?).map_err(|_| StoreError::Corrupt("epoch"))?,
        latest: row.cursor("seq")?,
        purged_through: row.cursor("purged_through")?,
        keys_live: u64::try_from(row.get::<i64>("keys_live")?)
            .map_err(|_| StoreError::Corrupt("number of keys"))?,
    })
}

/// The rows, and whether more follow. One row more is read than may be answered, to know.
async fn changes_after(
    snapshot: &mut Transaction,
    after: Cursor,
    rows_max: u32,
) -> Result<(Vec<FeedRow>, bool), StoreError> {
    let after = i64::try_from(after.0).map_err(|_| StoreError::Corrupt("sequence number"))?;
    let rows_read = i64::from(rows_max) + 1;
    // Each half is limited by itself, so that a database reads it along its index and never as a whole, whatever it knows of the table.
    let query = Query::new(
        "select * from (select seq, id, invalidation is not null as removed, salt, digest, expiration, name,
                               owner_username, owner_realm, role_names, limited_by_names, metadata
                        from api_key where seq > ? order by seq limit ?) as kept
         union all
         select * from (select seq, id, true, cast(null as bytea), cast(null as bytea), cast(null as bigint),
                               '', '', '', '', '', ''
                        from removed_key where seq > ? order by seq limit ?) as gone
         order by seq limit ?",
    )
    .bind(after)
    .bind(rows_read)
    .bind(after)
    .bind(rows_read)
    .bind(rows_read);
    let mut found = snapshot.fetch(query)?;
    let mut changes = Vec::new();
    let mut len = 0_usize;
    while let Some(row) = found.try_next().await? {
        if changes.len() >= rows_max as usize || len >= FEED_ROWS_LEN_MAX {
            return Ok((changes, true));
        }
        len = len.saturating_add(stored_len(&row)?);
        changes.push(feed_row(&row)?);
    }
    Ok((changes, false))
}

/// The bytes of a row's parts of unbounded length.
fn stored_len(row: &Row) -> Result<usize, StoreError> {
    let mut len = 0;
    for column in ["name", "owner_username", "role_names", "limited_by_names", "metadata"] {
        len += row.get::<&str>(column)?.len();
    }
    Ok(len)
}

fn feed_row(row: &Row) -> Result<FeedRow, StoreError> {
    let seq = row.cursor("seq")?;
    let id = row.key_id()?;
    if row.get("removed")? {
        return Ok(FeedRow::Removed { seq, id });
    }
    let record = KeyRecord {
        id,
        salt: row.salt()?,
        digest: row.digest()?,
        expiration: row.moment_if_any("expiration")?,
        name: row.get("name")?,
        owner: Owner { username: row.get("owner_username")?, realm: row.get("owner_realm")? },
        roles: row.json("role_names")?,
        limited_by: row.json("limited_by_names")?,
        metadata: row.json("metadata")?,
    };
    Ok(FeedRow::Live { seq, record: Box::new(record) })
}
