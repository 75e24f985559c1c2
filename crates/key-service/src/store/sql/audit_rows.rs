//! The rows of the audit log.

use latchkey_key_feed::UnixMillis;

use crate::store::StoreError;
use crate::store::audit_trail::KeptEvent;
use crate::store::sql::SqlStore;
use crate::store::sql::query::Query;
use crate::store::sql::row::{Row, millis};

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

fn kept_event(row: &Row) -> Result<KeptEvent, StoreError> {
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
        key_ids: row.json("key_ids")?,
        subjects: row.json("subjects")?,
        tokens: tokens.map(serde_json::from_str).transpose().map_err(|_| StoreError::Corrupt("tokens"))?,
    })
}
