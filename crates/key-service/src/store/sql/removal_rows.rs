//! Removing keys for good.
//!
//! No edge may keep a key that is removed. Edges learned of an invalidated key when it was invalidated. An
//! edge that was away since then must load again, because the purge mark is raised to the sequence number of
//! what was removed. An expired key is still in the tables of the edges: removing it is a change of the feed
//! with a number of its own, which is forgotten, and the purge mark raised to it, only after another
//! retention period.

use latchkey_key_feed::{KeyId, UnixMillis};

use crate::audit::ChangeEvent;
use crate::limits::KEYS_REMOVED_AT_ONCE_MAX;
use crate::store::StoreError;
use crate::store::change::Done;
use crate::store::removal::RemovalPolicy;
use crate::store::sql::query::Query;
use crate::store::sql::row::{Row, cursor, millis};
use crate::store::sql::transaction::Transaction;
use crate::store::sql::{SqlStore, application_rows, take_seqs, write_event};

/// Whether a run is due, which then counts as begun.
pub(in crate::store) async fn begin_removal(
    database: &SqlStore,
    policy: &RemovalPolicy,
    now: UnixMillis,
) -> Result<bool, StoreError> {
    let last = database.fetch_optional(Query::new("select begun from removal_run")).await?;
    let last: Option<i64> = last.as_ref().map(Row::scalar).transpose()?;
    let until = policy.last_run_until(now);
    // A last run in the future was noted by a clock that was set back since.
    if last.is_some_and(|last| last > millis(until) && last <= millis(now)) {
        return Ok(false);
    }
    let begun = Query::new(
        "insert into removal_run (singleton, begun) values (1, ?)
         on conflict (singleton) do update set begun = excluded.begun
         where removal_run.begun <= ? or removal_run.begun > excluded.begun",
    )
    .bind(millis(now))
    .bind(millis(until));
    Ok(database.write(begun).await? == 1)
}

/// Removes keys that were dead at `dead_since`, at most [`KEYS_REMOVED_AT_ONCE_MAX`] of each kind, so that no
/// other change waits for long, and fills in the event's ids. No change once there is nothing left to remove.
pub(super) async fn remove_dead_keys(
    change: &mut Transaction,
    dead_since: UnixMillis,
    event: &ChangeEvent,
) -> Result<Done, StoreError> {
    let forgotten = forget_removals(change, dead_since).await?;
    let invalidated = remove_invalidated(change, dead_since).await?;
    let expired = remove_expired(change, dead_since, event.at).await?;
    let purged = forgotten.iter().chain(invalidated.iter().map(|(_, seq)| seq)).max();
    if purged.is_none() && expired.is_empty() {
        return Ok(Done::of(None));
    }
    if let Some(purged) = purged {
        let raised = "update feed_state set purged_through = ? where purged_through < ?";
        change.execute(Query::new(raised).bind(*purged).bind(*purged)).await?;
        application_rows::forget_through(change, *purged).await?;
    }
    let key_ids = invalidated.into_iter().map(|(id, _)| id).chain(expired).collect();
    let event = ChangeEvent { key_ids, ..event.clone() };
    if !event.key_ids.is_empty() {
        write_event(change, &event).await?;
    }
    let latest = take_seqs(change, 0, 0).await?;
    Ok(Done::of(Some((cursor(latest)?, event))))
}

/// Drops removals that are older than the retention period, and returns their numbers.
async fn forget_removals(change: &mut Transaction, before: UnixMillis) -> Result<Vec<i64>, StoreError> {
    let forgotten = Query::new(
        "delete from removed_key where seq in (select seq from removed_key where removed <= ? limit ?)
         returning seq",
    )
    .bind(millis(before))
    .bind(KEYS_REMOVED_AT_ONCE_MAX);
    change.fetch_all(forgotten).await?.iter().map(Row::scalar).collect()
}

async fn remove_invalidated(
    change: &mut Transaction,
    before: UnixMillis,
) -> Result<Vec<(KeyId, i64)>, StoreError> {
    let removed = Query::new(
        "delete from api_key where id in (select id from api_key where invalidation <= ? limit ?)
         returning id, seq",
    )
    .bind(millis(before))
    .bind(KEYS_REMOVED_AT_ONCE_MAX);
    let removed = change.fetch_all(removed).await?;
    removed.iter().map(|row| Ok((row.key_id()?, row.get("seq")?))).collect()
}

async fn remove_expired(
    change: &mut Transaction,
    before: UnixMillis,
    now: UnixMillis,
) -> Result<Vec<KeyId>, StoreError> {
    let removed = Query::new(
        "delete from api_key where id in
           (select id from api_key where expiration <= ? and invalidation is null limit ?)
         returning id",
    )
    .bind(millis(before))
    .bind(KEYS_REMOVED_AT_ONCE_MAX);
    let removed = change.fetch_all(removed).await?;
    let ids = removed.iter().map(Row::key_id).collect::<Result<Vec<KeyId>, _>>()?;
    for id in &ids {
        let seq = take_seqs(change, 1, -1).await?;
        let removal = Query::new("insert into removed_key (seq, id, removed) values (?, ?, ?)");
        change.execute(removal.bind(seq).bind(id.as_str()).bind(millis(now))).await?;
    }
    Ok(ids)
}
