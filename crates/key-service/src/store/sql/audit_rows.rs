//! The rows of the audit log.

use latchkey_key_feed::UnixMillis;

use crate::store::StoreError;
use crate::store::audit_trail::{KeptEvent, KeptNumbers, WantedEvents};
use crate::store::sql::SqlStore;
use crate::store::sql::query::Query;
use crate::store::sql::row::{Row, json_text, millis};

pub(in crate::store) async fn events_after(
    database: &SqlStore,
    number: i64,
    count_max: i64,
) -> Result<Vec<KeptEvent>, StoreError> {
    let query = Query::new("select * from audit_event where event_id > ? order by event_id limit ?");
    let rows = database.fetch_all(query.bind(number).bind(count_max)).await?;
    rows.iter().map(kept_event).collect()
}

pub(in crate::store) async fn latest_number(database: &SqlStore) -> Result<i64, StoreError> {
    let latest = Query::new("select event_id from audit_event order by event_id desc limit 1");
    database.fetch_optional(latest).await?.as_ref().map_or(Ok(0), Row::scalar)
}

pub(in crate::store) async fn kept_numbers(database: &SqlStore) -> Result<KeptNumbers, StoreError> {
    let numbers = Query::new(
        "select (select event_id from audit_event order by event_id limit 1) as oldest,
                (select event_id from audit_event order by event_id desc limit 1) as latest",
    );
    let Some(row) = database.fetch_optional(numbers).await? else { return Ok(KeptNumbers::default()) };
    let number = |column| Ok::<i64, StoreError>(row.get::<Option<i64>>(column)?.unwrap_or_default());
    Ok(KeptNumbers { oldest: number("oldest")?, latest: number("latest")? })
}

/// The events that are wanted. Of a key there may be a few that are not about it: whose list of keys only
/// looks like one with the key.
pub(super) fn wanted_events(wanted: &WantedEvents) -> Result<Query, StoreError> {
    let WantedEvents { filter, numbers, count_max } = wanted;
    let mut query = Query::new("select * from audit_event where event_id between ");
    query.push_bind(numbers.first).push(" and ").push_bind(numbers.last);
    if let Some(key) = &filter.key {
        // Both databases have this, and tell upper case from lower in it.
        query.push(" and (actor_api_key = ").push_bind(key.as_str());
        query.push(" or replace(key_ids, ").push_bind(json_text(key)?).push(", '') <> key_ids)");
    }
    if let Some(actor) = &filter.actor {
        query.push(" and (actor_username = ").push_bind(actor.as_str());
        query.push(" or actor_run_as = ").push_bind(actor.as_str()).push(")");
    }
    if !filter.actions.is_empty() {
        query.push(" and action ").push_in_texts(&filter.actions)?;
    }
    if let Some(since) = filter.since {
        query.push(" and at >= ").push_bind(millis(since));
    }
    if let Some(until) = filter.until {
        query.push(" and at < ").push_bind(millis(until));
    }
    let order = if numbers.is_newest_first { " order by event_id desc" } else { " order by event_id" };
    let count_max = i64::try_from(*count_max).unwrap_or(i64::MAX);
    query.push(order).push(" limit ").push_bind(count_max);
    Ok(query)
}

/// Forgets those of the oldest events that happened by then. The oldest alone are looked at, so that nothing
/// is read where nothing is old.
pub(in crate::store) async fn forget(
    database: &SqlStore,
    until: UnixMillis,
    count_max: i64,
) -> Result<u64, StoreError> {
    let forgotten = Query::new(
        "delete from audit_event where event_id in
           (select event_id from (select event_id, at from audit_event order by event_id limit ?) oldest where at <= ?)",
    );
    database.write(forgotten.bind(count_max).bind(millis(until))).await
}

pub(super) fn kept_event(row: &Row) -> Result<KeptEvent, StoreError> {
    let tokens: Option<&str> = row.get("tokens")?;
    Ok(KeptEvent {
        number: row.get("event_id")?,
        at: row.moment("at")?,
        action: row.get("action")?,
        username: row.get("actor_username")?,
        realm: row.get("actor_realm")?,
        api_key: row.get("actor_api_key")?,
        run_as: row.get("actor_run_as")?,
        source: row.get("source_address")?,
        via: row.get("actor_via")?,
        key_ids: row.json("key_ids")?,
        subjects: row.json("subjects")?,
        tokens: tokens.map(serde_json::from_str).transpose().map_err(|_| StoreError::Corrupt("tokens"))?,
    })
}
