//! A page of the feed, put together from parts of it.

use futures_util::TryStreamExt as _;
use latchkey_key_feed::{Cursor, FeedVersion};
use tokio::task::spawn_blocking;

use crate::limits::FEED_ROWS_LEN_MAX;
use crate::store::StoreError;
use crate::store::feed_text::rights::Descriptors;
use crate::store::feed_text::{FeedKey, RowsText, SecretColumns};
use crate::store::sql::directory_rows::suspension::IS_SUSPENDED;
use crate::store::sql::feed_batches::{
    END, FeedBatch, IS_METADATA_VOUCHED, RIGHTS_TEXTS, Removed, VOUCHED_ROLE_NAMES, is_anything_after,
    latest_removed, number, read_batch,
};
use crate::store::sql::query::Query;
use crate::store::sql::row::cursor;
use crate::store::sql::transaction::Transaction;

/// Which rows are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) after: Cursor,
    pub(super) rows_max: u32,
    pub(super) version: FeedVersion,
    /// Bytes that something else of the page takes.
    pub(super) taken: usize,
}

/// What is gathered for one page.
struct Gathered {
    rows: RowsText,
    rows_max: usize,
    /// Bytes that something else of the page takes.
    taken: usize,
}

/// The rows, and whether more follow.
pub(super) async fn changes_after(
    snapshot: &mut Transaction,
    Wanted { after, rows_max, version, taken }: Wanted,
) -> Result<(RowsText, bool), StoreError> {
    let mut page = Gathered { rows: RowsText::new(version), rows_max: rows_max as usize, taken };
    let removed_through = latest_removed(snapshot).await?;
    let mut batch = read_batch(snapshot, after, page.room(), removed_through, version).await?;
    loop {
        let horizon = batch.removed.horizon;
        let room_after = page.room().saturating_sub(batch.rows_max());
        let mut next = None;
        if !batch.keys.are_joined {
            page.push_one_by_one(snapshot, batch).await?;
        } else if horizon == END || room_after == 0 {
            page.push_joined(batch)?;
        } else {
            // The database reads the next keys while these become rows.
            let gathering = spawn_blocking(move || page.push_joined(batch).map(|()| page));
            next = Some(read_batch(snapshot, horizon, room_after, removed_through, version).await?);
            page = gathering.await.map_err(|failed| StoreError::Unavailable(failed.into()))??;
        }
        if let (true, Some(last)) = (page.is_full(), page.rows.last()) {
            let more = is_anything_after(snapshot, last).await?;
            return Ok((page.rows, more));
        }
        if horizon == END {
            return Ok((page.rows, false));
        }
        batch = match next {
            Some(next) => next,
            None => read_batch(snapshot, horizon, page.room(), removed_through, version).await?,
        };
    }
}

impl Gathered {
    fn room(&self) -> usize {
        self.rows_max.saturating_sub(self.rows.count())
    }

    fn is_full(&self) -> bool {
        self.room() == 0 || self.rows.text_len() + self.taken >= FEED_ROWS_LEN_MAX
    }

    /// Adds a key and the removed ones before it, as far as there is room.
    fn push(&mut self, key: &FeedKey<'_>, removed: &mut Removed) -> Result<(), StoreError> {
        if key.seq > removed.horizon {
            return Ok(());
        }
        self.push_removed_through(key.seq, removed)?;
        if self.is_full() { Ok(()) } else { self.rows.push(key) }
    }

    fn push_removed_through(&mut self, seq: Cursor, removed: &mut Removed) -> Result<(), StoreError> {
        while !self.is_full()
            && let Some((seq, id)) = removed.keys.pop_front_if(|(removed, _)| *removed <= seq)
        {
            self.rows.push_removed(seq, &id)?;
        }
        Ok(())
    }

    async fn push_one_by_one(
        &mut self,
        snapshot: &mut Transaction,
        mut batch: FeedBatch,
    ) -> Result<(), StoreError> {
        let has_rights = self.rows.version() == FeedVersion::V2;
        let of_rights = if has_rights { format!(", {}", RIGHTS_TEXTS.join(", ")) } else { String::new() };
        let query = Query::new(format!(
            "select seq, invalidation is not null or ({IS_SUSPENDED}), salt, digest, previous_digest, previous_until, expiration, id, name,
                    owner_username, owner_realm, role_names, limited_by_names, metadata, {VOUCHED_ROLE_NAMES},
                    {IS_METADATA_VOUCHED}{of_rights}
             from api_key where seq > ? order by seq limit ?",
        ));
        let mut keys = snapshot.fetch(query.bind(number(batch.after.0)?).bind(number(batch.wanted)?))?;
        while !self.is_full()
            && let Some(row) = keys.try_next().await?
        {
            let previous = row.at::<Option<&[u8]>>(4)?.zip(row.at::<Option<i64>>(5)?);
            let key = FeedKey {
                seq: cursor(row.at(0)?)?,
                is_ended: row.at(1)?,
                secrets: SecretColumns { salt: row.at(2)?, digest: row.at(3)?, previous }.of_bytes(),
                expiration: row.at(6)?,
                id: row.at(7)?,
                name: row.at(8)?,
                username: row.at(9)?,
                realm: row.at(10)?,
                roles: row.at(11)?,
                limited_by: row.at(12)?,
                metadata: row.at(13)?,
                vouched_roles: row.at(14)?,
                is_metadata_vouched: row.at(15)?,
                descriptors: match has_rights {
                    true => Some(Descriptors { assigned: row.at(16)?, limited_by: row.at(17)? }),
                    false => None,
                },
            };
            self.push(&key, &mut batch.removed)?;
        }
        self.push_removed_through(batch.removed.horizon, &mut batch.removed)
    }

    fn push_joined(&mut self, mut batch: FeedBatch) -> Result<(), StoreError> {
        let mut parts = batch.keys.parts()?;
        for _ in 0..batch.keys.count {
            let joined = parts.next_key();
            let expiration = number_if_any(joined.expiration)?;
            let previous = number_if_any(joined.previous_until)?;
            let secrets = SecretColumns {
                salt: joined.salt,
                digest: joined.digest,
                previous: previous.map(|until| (joined.previous_digest, until)),
            };
            let [id, name, username, realm, roles, vouched_roles, limited_by, metadata] = joined.texts;
            let key = FeedKey {
                seq: cursor(parsed(joined.seq)?)?,
                is_ended: !joined.ended.is_empty(),
                secrets: secrets.of_digits(),
                expiration,
                id,
                name,
                username,
                realm,
                roles,
                vouched_roles,
                limited_by,
                metadata,
                is_metadata_vouched: !joined.metadata_vouched.is_empty(),
                descriptors: joined.rights.map(|[assigned, limited_by]| Descriptors { assigned, limited_by }),
            };
            self.push(&key, &mut batch.removed)?;
        }
        self.push_removed_through(batch.removed.horizon, &mut batch.removed)
    }
}

fn number_if_any(digits: &str) -> Result<Option<i64>, StoreError> {
    if digits.is_empty() { Ok(None) } else { parsed(digits).map(Some) }
}

fn parsed(digits: &str) -> Result<i64, StoreError> {
    digits.parse().map_err(|_| StoreError::Corrupt("sequence number or expiration"))
}
