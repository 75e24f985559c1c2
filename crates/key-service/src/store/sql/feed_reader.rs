//! The keys in the order of their latest change.

use latchkey_key_feed::{Cursor, Epoch, FeedHead, FeedVersion, KeyId, UnixMillis};

use crate::store::feed_text::{FeedText, RowsText};
use crate::store::sql::SqlStore;
use crate::store::sql::feed_batches::number;
use crate::store::sql::feed_rows::changes_after;
use crate::store::sql::query::Query;
use crate::store::sql::row::{Row, cursor, millis};
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

    /// Position and rows are read in one transaction, so that they show one moment.
    pub(in crate::store) async fn feed_page(
        &self,
        FeedPosition { after, purged }: FeedPosition,
        rows_max: u32,
    ) -> Result<FeedText, StoreError> {
        let mut snapshot = self.begin_snapshot().await?;
        let state = feed_state(&snapshot.fetch_one(Query::new(FEED_STATE)).await?)?;
        let head = FeedHead {
            epoch: state.epoch,
            version: FeedVersion::V1,
            cursor: state.latest,
            purged: state.purged_through,
            total: state.keys_live,
            more: false,
            reset: false,
            ended: false,
        };
        // A follower before the purge may hold keys whose removal is forgotten, unless it has been loading
        // since the purge. A cursor from the future belongs to a store that was since restored from a copy.
        let is_load = after == Cursor(0) || purged == Some(state.purged_through);
        if (after < state.purged_through && !is_load) || after > state.latest {
            return Ok(FeedText::reset_of(head.epoch, state.latest, head.purged, head.total));
        }
        let mut page = FeedText { head, latest: state.latest, rows: RowsText::default() };
        if after == state.latest {
            return Ok(page);
        }
        (page.rows, page.head.more) = in_time(changes_after(&mut snapshot, after, rows_max)).await?;
        if let (true, Some(last)) = (page.head.more, page.rows.last()) {
            page.head.cursor = last;
        }
        Ok(page)
    }
}

impl SqlStore {
    /// At most `rows_max` rows between two positions, as the last page for a follower.
    pub(in crate::store) async fn feed_page_through(
        &self,
        after: Cursor,
        through: Cursor,
        rows_max: u32,
    ) -> Result<FeedText, StoreError> {
        let mut snapshot = self.begin_snapshot().await?;
        let state = feed_state(&snapshot.fetch_one(Query::new(FEED_STATE)).await?)?;
        let FeedState { epoch, latest, purged_through: purged, keys_live: total } = state;
        if after < purged || after > latest {
            return Ok(FeedText::reset_of(epoch, latest, purged, total));
        }
        let wanted = rows_between(&mut snapshot, after, through, rows_max).await?;
        let cursor = after.max(through);
        let version = FeedVersion::V1;
        let head = FeedHead { epoch, version, cursor, purged, total, more: false, reset: false, ended: true };
        let mut page = FeedText { head, latest, rows: RowsText::default() };
        if wanted == 0 {
            return Ok(page);
        }
        // The rows ascend, so the first of them are those up to there.
        let rows_max = rows_max.min(wanted);
        (page.rows, _) = in_time(changes_after(&mut snapshot, after, rows_max)).await?;
        let is_all = usize::try_from(wanted).is_ok_and(|wanted| page.rows.count() >= wanted);
        if let (false, Some(last)) = (is_all, page.rows.last()) {
            (page.head.cursor, page.head.more, page.head.ended) = (last, true, false);
        }
        Ok(page)
    }

    /// The last sequence number of the change that invalidated this key; `None` when it was not invalidated.
    pub(in crate::store) async fn end_of(&self, id: &KeyId) -> Result<Option<Cursor>, StoreError> {
        let end =
            "select coalesce(ended_through, seq) from api_key where id = ? and invalidation is not null";
        let row = self.fetch_optional(Query::new(end).bind(id.as_str())).await?;
        row.map(|row| cursor(row.scalar()?)).transpose()
    }

    /// The sequence number of the last key that was invalidated by then; `None` when none was.
    pub(in crate::store) async fn last_ended_by(
        &self,
        moment: UnixMillis,
    ) -> Result<Option<Cursor>, StoreError> {
        let last = "select seq from api_key where invalidation is not null and invalidation <= ?
                    order by seq desc limit 1";
        let row = self.fetch_optional(Query::new(last).bind(millis(moment))).await?;
        row.map(|row| cursor(row.scalar()?)).transpose()
    }
}

/// How many rows there are between two positions; if there are more than `rows_max`, one more than that.
async fn rows_between(
    snapshot: &mut Transaction,
    after: Cursor,
    through: Cursor,
    rows_max: u32,
) -> Result<u32, StoreError> {
    let (after, through) = (number(after.0)?, number(through.0)?);
    let limit = i64::from(rows_max) + 1;
    let mut count = 0_i64;
    for table in ["api_key", "removed_key"] {
        let query = Query::new(format!(
            "select count(*) from (select 1 as one from {table} where seq > ? and seq <= ? order by seq limit ?) as between_them"
        ));
        let query = query.bind(after).bind(through).bind(limit);
        count += snapshot.fetch_one(query).await?.scalar::<i64>()?;
    }
    u32::try_from(count.min(limit)).map_err(|_| StoreError::Corrupt("number of changes"))
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
