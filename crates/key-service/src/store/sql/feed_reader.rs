//! The keys in the order of their latest change.

use latchkey_key_feed::{Cursor, Epoch, FeedHead, FeedVersion, KeyId, OpaqueKeyPepper, UnixMillis};

use crate::store::feed_text::{FeedText, RowsText};
use crate::store::sql::SqlStore;
use crate::store::sql::application_rows::{ChangedApplications, changed_between};
use crate::store::sql::feed_batches::number;
use crate::store::sql::feed_rows::{Wanted, changes_after};
use crate::store::sql::opaque_key_rows;
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
    opaque_key_pepper: Option<OpaqueKeyPepper>,
}

pub(in crate::store) async fn latest_state(database: &SqlStore) -> Result<FeedState, StoreError> {
    let row = database.fetch_optional(Query::new(FEED_STATE)).await?;
    feed_state(&row.ok_or(StoreError::Corrupt("position of the feed"))?)
}

/// Position and rows are read in one transaction, so that they show one moment.
pub(in crate::store) async fn feed_page(
    database: &SqlStore,
    FeedPosition { after, purged, version }: FeedPosition,
    rows_max: u32,
) -> Result<FeedText, StoreError> {
    let mut snapshot = database.begin_snapshot().await?;
    let state = feed_state(&snapshot.fetch_one(Query::new(FEED_STATE)).await?)?;
    // A follower before the purge may hold keys whose removal is forgotten, unless it has been loading
    // since the purge. A cursor from the future belongs to a store that was since restored from a copy.
    let is_load = after == Cursor(0) || purged == Some(state.purged_through);
    if (after < state.purged_through && !is_load) || after > state.latest {
        return Ok(state.reset(version));
    }
    let span = Span { after, through: state.latest, rows_max, version };
    let pepper = state.opaque_key_pepper.clone();
    let mut page = state.page(version);
    (page.rows, page.head.cursor) = span.read(&mut snapshot, page.latest).await?;
    page.rows.set_opaque_key_pepper(pepper);
    page.head.more = page.head.cursor < page.latest;
    Ok(page)
}

/// What the feed has after a position and not after another, as the last page for a follower.
pub(in crate::store) async fn feed_page_through(
    database: &SqlStore,
    FeedPosition { after, version, .. }: FeedPosition,
    through: Cursor,
    rows_max: u32,
) -> Result<FeedText, StoreError> {
    let mut snapshot = database.begin_snapshot().await?;
    let state = feed_state(&snapshot.fetch_one(Query::new(FEED_STATE)).await?)?;
    if after < state.purged_through || after > state.latest {
        return Ok(state.reset(version));
    }
    let through = after.max(through);
    let pepper = state.opaque_key_pepper.clone();
    let mut page = state.page(version);
    let span = Span { after, through, rows_max, version };
    (page.rows, page.head.cursor) = span.read(&mut snapshot, page.latest).await?;
    page.rows.set_opaque_key_pepper(pepper);
    page.head.more = page.head.cursor < through;
    page.head.ended = !page.head.more;
    Ok(page)
}

/// The last sequence number of the change that invalidated this key; `None` when it was not invalidated.
pub(in crate::store) async fn end_of(database: &SqlStore, id: &KeyId) -> Result<Option<Cursor>, StoreError> {
    let end = "select coalesce(ended_through, seq) from api_key where id = ? and invalidation is not null";
    let row = database.fetch_optional(Query::new(end).bind(id.as_str())).await?;
    row.map(|row| cursor(row.scalar()?)).transpose()
}

/// The sequence number of the last key that was invalidated by then; `None` when none was.
pub(in crate::store) async fn last_ended_by(
    database: &SqlStore,
    moment: UnixMillis,
) -> Result<Option<Cursor>, StoreError> {
    let last = "select seq from api_key where invalidation is not null and invalidation <= ?
                order by seq desc limit 1";
    let row = database.fetch_optional(Query::new(last).bind(millis(moment))).await?;
    row.map(|row| cursor(row.scalar()?)).transpose()
}

impl FeedState {
    /// A page of the feed as it stands, without rows.
    fn page(self, version: FeedVersion) -> FeedText {
        let head = FeedHead {
            epoch: self.epoch,
            version,
            cursor: self.latest,
            purged: self.purged_through,
            total: self.keys_live,
            more: false,
            reset: false,
            ended: false,
        };
        FeedText { head, latest: self.latest, rows: RowsText::new(version) }
    }

    fn reset(self, version: FeedVersion) -> FeedText {
        FeedText::reset_of(self.epoch, version, self.latest, self.purged_through, self.keys_live)
    }
}

/// What the feed has after a position and not after another.
#[derive(Clone, Copy, Debug)]
struct Span {
    after: Cursor,
    through: Cursor,
    rows_max: u32,
    version: FeedVersion,
}

impl Span {
    /// Rows, and what stands before them, as far as there is room; and how far that is. `latest` is the end of
    /// the feed.
    async fn read(
        mut self,
        snapshot: &mut Transaction,
        latest: Cursor,
    ) -> Result<(RowsText, Cursor), StoreError> {
        if self.after == self.through {
            return Ok((RowsText::new(self.version), self.through));
        }
        let applications = match self.version {
            FeedVersion::V1 => ChangedApplications::default(),
            FeedVersion::V2 => changed_between(snapshot, self.after, self.through).await?,
        };
        if let (true, Some(last)) = (applications.is_cut, applications.list.last()) {
            self.through = last.seq;
        }
        let (mut rows, through) = self.rows(snapshot, latest, applications.len).await?;
        for it in applications.list.iter().take_while(|it| it.seq <= through) {
            rows.push_application(it.seq, &it.application, it.privileges.as_deref())?;
        }
        Ok((rows, through))
    }

    /// Rows, where `taken` bytes of the page are taken already, and how far they go.
    async fn rows(
        self,
        snapshot: &mut Transaction,
        latest: Cursor,
        taken: usize,
    ) -> Result<(RowsText, Cursor), StoreError> {
        let Self { after, through, rows_max, version } = self;
        let wanted = Wanted { after, rows_max, version, taken };
        if through == latest {
            let (rows, more) = in_time(changes_after(snapshot, wanted)).await?;
            let last = rows.last().filter(|_| more);
            return Ok((rows, last.unwrap_or(through)));
        }
        let count = rows_between(snapshot, after, through, rows_max).await?;
        if count == 0 {
            return Ok((RowsText::new(version), through));
        }
        // The rows ascend, so the first of them are those up to there.
        let wanted = Wanted { rows_max: rows_max.min(count), ..wanted };
        let (rows, _) = in_time(changes_after(snapshot, wanted)).await?;
        let is_all = usize::try_from(count).is_ok_and(|count| rows.count() >= count);
        let last = rows.last().filter(|_| !is_all);
        Ok((rows, last.unwrap_or(through)))
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

const FEED_STATE: &str = "select epoch, seq, purged_through, keys_live,
    (select pepper from opaque_key_pepper) as opaque_key_pepper from feed_state";

fn feed_state(row: &Row) -> Result<FeedState, StoreError> {
    Ok(FeedState {
        epoch: Epoch::try_from(row.get::<String>("epoch")?).map_err(|_| StoreError::Corrupt("epoch"))?,
        latest: row.cursor("seq")?,
        purged_through: row.cursor("purged_through")?,
        keys_live: u64::try_from(row.get::<i64>("keys_live")?)
            .map_err(|_| StoreError::Corrupt("number of keys"))?,
        opaque_key_pepper: opaque_key_rows::of_row(row)?,
    })
}
