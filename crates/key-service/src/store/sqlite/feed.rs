//! The keys in the order of their latest change.

use futures_util::TryStreamExt as _;
use latchkey_key_feed::{Cursor, Epoch, FeedPage, FeedRow, KeyRecord, Owner};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, Transaction};

use crate::limits::FEED_ROWS_LEN_MAX;
use crate::store::sqlite::{SqliteStore, rows};
use crate::store::{FeedPosition, StoreError};

/// Where the feed stands.
pub(in crate::store) struct FeedState {
    pub(in crate::store) epoch: Epoch,
    pub(in crate::store) latest: Cursor,
    purged_through: Cursor,
    keys_live: u64,
}

impl SqliteStore {
    pub(in crate::store) async fn feed_state(&self) -> Result<FeedState, StoreError> {
        feed_state(&mut self.readers.begin().await?).await
    }

    /// Position and rows are read in one transaction, so that they are of one moment.
    pub(in crate::store) async fn feed_page(
        &self,
        FeedPosition { after, purged }: FeedPosition,
        rows_max: u32,
    ) -> Result<FeedPage, StoreError> {
        let mut snapshot = self.readers.begin().await?;
        let state = feed_state(&mut snapshot).await?;
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
        (page.keys, page.more) = changes_after(&mut snapshot, after, rows_max).await?;
        if let (true, Some(last)) = (page.more, page.keys.last()) {
            page.cursor = last.seq();
        }
        Ok(page)
    }
}

async fn feed_state(snapshot: &mut Transaction<'static, Sqlite>) -> Result<FeedState, StoreError> {
    let row = sqlx::query("select epoch, seq, purged_through, keys_live from feed_state")
        .fetch_one(&mut **snapshot)
        .await?;
    Ok(FeedState {
        epoch: Epoch::try_from(row.try_get::<String, _>("epoch")?)
            .map_err(|_| StoreError::Corrupt("epoch"))?,
        latest: rows::cursor(row.try_get("seq")?)?,
        purged_through: rows::cursor(row.try_get("purged_through")?)?,
        keys_live: u64::try_from(row.try_get::<i64, _>("keys_live")?)
            .map_err(|_| StoreError::Corrupt("number of keys"))?,
    })
}

/// The rows, and whether more follow. One row more is read than may be answered, to know.
async fn changes_after(
    snapshot: &mut Transaction<'static, Sqlite>,
    after: Cursor,
    rows_max: u32,
) -> Result<(Vec<FeedRow>, bool), StoreError> {
    let after = i64::try_from(after.0).map_err(|_| StoreError::Corrupt("sequence number"))?;
    let mut found = sqlx::query(
        "select seq, id, invalidation is not null as removed, salt, digest, expiration, name, owner_username,
                owner_realm, role_names, limited_by_names, metadata
         from api_key where seq > ?1
         union all
         select seq, id, true, null, null, null, '', '', '', '', '', '' from removed_key where seq > ?1
         order by seq limit ?2",
    )
    .bind(after)
    .bind(i64::from(rows_max) + 1)
    .fetch(&mut **snapshot);
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
fn stored_len(row: &SqliteRow) -> Result<usize, StoreError> {
    let mut len = 0;
    for column in ["name", "owner_username", "role_names", "limited_by_names", "metadata"] {
        len += row.try_get::<&str, _>(column)?.len();
    }
    Ok(len)
}

fn feed_row(row: &SqliteRow) -> Result<FeedRow, StoreError> {
    let seq = rows::cursor(row.try_get("seq")?)?;
    let id = rows::key_id(row)?;
    if row.try_get("removed")? {
        return Ok(FeedRow::Removed { seq, id });
    }
    let record = KeyRecord {
        id,
        salt: rows::salt(row)?,
        digest: rows::digest(row)?,
        expiration: row.try_get::<Option<i64>, _>("expiration")?.map(rows::moment).transpose()?,
        name: row.try_get("name")?,
        owner: Owner { username: row.try_get("owner_username")?, realm: row.try_get("owner_realm")? },
        roles: rows::json(row, "role_names")?,
        limited_by: rows::json(row, "limited_by_names")?,
        metadata: rows::json(row, "metadata")?,
    };
    Ok(FeedRow::Live { seq, record: Box::new(record) })
}
