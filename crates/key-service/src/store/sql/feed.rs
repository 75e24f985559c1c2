//! The keys in the order of their latest change.

use latchkey_key_feed::{Cursor, Epoch};

use crate::store::feed_text::{FeedText, RowsText};
use crate::store::sql::SqlStore;
use crate::store::sql::feed_rows::changes_after;
use crate::store::sql::query::Query;
use crate::store::sql::row::Row;
use crate::store::sql::transaction::in_time;
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
    ) -> Result<FeedText, StoreError> {
        let mut snapshot = self.begin_snapshot().await?;
        let state = feed_state(&snapshot.fetch_one(Query::new(FEED_STATE)).await?)?;
        let mut page = FeedText {
            epoch: state.epoch,
            latest: state.latest,
            cursor: state.latest,
            purged: state.purged_through,
            total: state.keys_live,
            more: false,
            reset: false,
            rows: RowsText::default(),
        };
        // A follower before the purge may hold keys whose removal is forgotten, unless it has been loading since the purge. A cursor from
        // the future belongs to a store that was since restored from a copy.
        let is_load = after == Cursor(0) || purged == Some(state.purged_through);
        if (after < state.purged_through && !is_load) || after > state.latest {
            return Ok(FeedText::reset_of(page.epoch, page.latest, page.purged, page.total));
        }
        if after == state.latest {
            return Ok(page);
        }
        (page.rows, page.more) = in_time(changes_after(&mut snapshot, after, rows_max)).await?;
        if let (true, Some(last)) = (page.more, page.rows.last()) {
            page.cursor = last;
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
