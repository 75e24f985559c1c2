//! Removing keys for good.
//!
//! No edge may keep a key that is gone. The edges were told of an invalidated key when it was invalidated; one that slept
//! since then is caught by the purge mark, which is raised to the sequence number of what was removed. An expired key is
//! still in the tables of the edges: removing it is a change of the feed with a number of its own, which is forgotten, and
//! the purge mark raised to it, only after another retention period.

use latchkey_key_feed::{Cursor, KeyId, UnixMillis};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, Transaction};

use crate::audit::ChangeEvent;
use crate::limits::KEYS_REMOVED_AT_ONCE_MAX;
use crate::store::StoreError;
use crate::store::removal::RemovalPolicy;
use crate::store::sqlite::rows::{self, millis};
use crate::store::sqlite::{SqliteStore, take_seqs, write_event};

impl SqliteStore {
    /// Whether a run is due, which then counts as begun.
    pub(in crate::store) async fn begin_removal(
        &self,
        policy: &RemovalPolicy,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let last: Option<i64> =
            sqlx::query_scalar("select begun from removal_run").fetch_optional(&self.readers).await?;
        let until = policy.last_run_until(now);
        // A run that is yet to come was noted by a clock that was put back since.
        if last.is_some_and(|last| last > millis(until) && last <= millis(now)) {
            return Ok(false);
        }
        let begun = sqlx::query(
            "insert into removal_run (singleton, begun) values (1, ?)
             on conflict do update set begun = excluded.begun where begun <= ? or begun > excluded.begun",
        )
        .bind(millis(now))
        .bind(millis(until))
        .execute(&self.writer)
        .await?;
        Ok(begun.rows_affected() == 1)
    }

    /// Removes keys that were dead at `dead_since`, at most [`KEYS_REMOVED_AT_ONCE_MAX`] of each kind, so that no other change
    /// waits for long. `None` once there is nothing left to remove.
    pub(in crate::store) async fn remove_dead_keys(
        &self,
        dead_since: UnixMillis,
        mut event: ChangeEvent,
    ) -> Result<Option<(Cursor, ChangeEvent)>, StoreError> {
        let mut change = self.begin_change().await?;
        let forgotten = forget_removals(&mut change, dead_since).await?;
        let invalidated = remove_invalidated(&mut change, dead_since).await?;
        let expired = remove_expired(&mut change, dead_since, event.at).await?;
        let purged = forgotten.iter().chain(invalidated.iter().map(|(_, seq)| seq)).max();
        if purged.is_none() && expired.is_empty() {
            return Ok(None);
        }
        if let Some(purged) = purged {
            sqlx::query("update feed_state set purged_through = max(purged_through, ?)")
                .bind(purged)
                .execute(&mut *change)
                .await?;
        }
        event.key_ids = invalidated.into_iter().map(|(id, _)| id).chain(expired).collect();
        if !event.key_ids.is_empty() {
            write_event(&mut change, &event).await?;
        }
        let latest = take_seqs(&mut change, 0, 0).await?;
        change.commit().await?;
        Ok(Some((rows::cursor(latest)?, event)))
    }
}

/// Drops removals that every edge that is still there has heard of, and returns their numbers.
async fn forget_removals(
    change: &mut Transaction<'static, Sqlite>,
    before: UnixMillis,
) -> Result<Vec<i64>, StoreError> {
    let seqs = sqlx::query_scalar(
        "delete from removed_key where seq in (select seq from removed_key where removed <= ? limit ?)
         returning seq",
    )
    .bind(millis(before))
    .bind(KEYS_REMOVED_AT_ONCE_MAX)
    .fetch_all(&mut **change)
    .await?;
    Ok(seqs)
}

async fn remove_invalidated(
    change: &mut Transaction<'static, Sqlite>,
    before: UnixMillis,
) -> Result<Vec<(KeyId, i64)>, StoreError> {
    let removed = sqlx::query(
        "delete from api_key where id in (select id from api_key where invalidation <= ? limit ?)
         returning id, seq",
    )
    .bind(millis(before))
    .bind(KEYS_REMOVED_AT_ONCE_MAX)
    .fetch_all(&mut **change)
    .await?;
    removed.iter().map(|row: &SqliteRow| Ok((rows::key_id(row)?, row.try_get("seq")?))).collect()
}

async fn remove_expired(
    change: &mut Transaction<'static, Sqlite>,
    before: UnixMillis,
    now: UnixMillis,
) -> Result<Vec<KeyId>, StoreError> {
    let removed = sqlx::query(
        "delete from api_key where id in
           (select id from api_key where expiration <= ? and invalidation is null limit ?)
         returning id",
    )
    .bind(millis(before))
    .bind(KEYS_REMOVED_AT_ONCE_MAX)
    .fetch_all(&mut **change)
    .await?;
    let ids = removed.iter().map(rows::key_id).collect::<Result<Vec<KeyId>, _>>()?;
    for id in &ids {
        let seq = take_seqs(change, 1, -1).await?;
        sqlx::query("insert into removed_key (seq, id, removed) values (?, ?, ?)")
            .bind(seq)
            .bind(id.as_str())
            .bind(millis(now))
            .execute(&mut **change)
            .await?;
    }
    Ok(ids)
}
