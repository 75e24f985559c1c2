//! The table of uses of keys.
//!
//! It is apart from the table of keys: a use changes no key, takes no sequence number and waits for no change.

use latchkey_key_feed::KeyId;

use crate::limits::USAGE_ROWS_AT_ONCE_MAX;
use crate::model::key_usage::KeyUsage;
use crate::store::StoreError;
use crate::store::sql::SqlStore;
use crate::store::sql::bulk_insert::upsert_rows;
use crate::store::sql::query::{Parameter, Query};
use crate::store::sql::row::{Row, millis};
use crate::store::sql::transaction::Transaction;

/// Keys with what is known of their uses, for a `from`.
pub(super) const KEYS_WITH_USAGE: &str = "api_key left join key_usage on key_usage.key_id = api_key.id";

/// The columns that [`usage_of`] reads.
pub(super) const USAGE_COLUMNS: &str =
    "counted_since, last_used, uses, last_used_edge, wrong_secrets, last_wrong_secret";

const INSERT: &str = "insert into key_usage as known
     (key_id, counted_since, last_used, uses, last_used_edge, wrong_secrets, last_wrong_secret)
   values ";

/// A use that is told late does not hide a later one.
const ADD: &str = " on conflict (key_id) do update set
     uses = known.uses + excluded.uses,
     wrong_secrets = known.wrong_secrets + excluded.wrong_secrets,
     last_used_edge = case when excluded.last_used >= coalesce(known.last_used, 0)
       then excluded.last_used_edge else known.last_used_edge end,
     last_used = case when excluded.last_used >= coalesce(known.last_used, 0)
       then excluded.last_used else known.last_used end,
     last_wrong_secret = case when excluded.last_wrong_secret >= coalesce(known.last_wrong_secret, 0)
       then excluded.last_wrong_secret else known.last_wrong_secret end";

/// Adds uses, a slice in a transaction of its own. Uses of keys that are gone are passed over.
pub(in crate::store) async fn add_usage(
    database: &SqlStore,
    usage: &[(KeyId, KeyUsage)],
) -> Result<(), StoreError> {
    let mut usage: Vec<&(KeyId, KeyUsage)> = usage.iter().collect();
    // All replicas write in one order, so that no two wait for each other.
    usage.sort_by(|one, other| one.0.cmp(&other.0));
    for slice in usage.chunks(USAGE_ROWS_AT_ONCE_MAX) {
        let mut change = database.begin_beside().await?;
        let mut query = Query::new("select id from api_key where id ");
        query.push_in_texts(slice.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>().as_slice())?;
        let there = change.fetch_all(query).await?;
        let there = there.iter().map(Row::key_id).collect::<Result<std::collections::HashSet<_>, _>>()?;
        let known = slice.iter().filter(|(id, _)| there.contains(id));
        upsert_rows(&mut change, INSERT, known.map(|(id, usage)| values(id, usage)).collect(), ADD).await?;
        change.commit().await?;
    }
    Ok(())
}

/// Writes what an export told of keys that were added just now.
pub(super) async fn write_imported(
    change: &mut Transaction,
    usage: &[(KeyId, KeyUsage)],
) -> Result<(), StoreError> {
    let rows = usage.iter().map(|(id, usage)| values(id, usage)).collect();
    upsert_rows(change, INSERT, rows, ADD).await
}

fn values(id: &KeyId, usage: &KeyUsage) -> [Parameter; 7] {
    [
        id.as_str().into(),
        usage.counted_since.map(millis).into(),
        usage.last_used.map(millis).into(),
        number(usage.uses).into(),
        (&usage.last_used_edge).into(),
        number(usage.wrong_secrets).into(),
        usage.last_wrong_secret.map(millis).into(),
    ]
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What is known of the uses of a key, in a row with [`USAGE_COLUMNS`].
pub(super) fn usage_of(row: &Row) -> Result<KeyUsage, StoreError> {
    let count = |column| {
        let count = row.get::<Option<i64>>(column)?.unwrap_or_default();
        u64::try_from(count).map_err(|_| StoreError::Corrupt("uses"))
    };
    Ok(KeyUsage {
        counted_since: row.moment_if_any("counted_since")?,
        last_used: row.moment_if_any("last_used")?,
        uses: count("uses")?,
        last_used_edge: row.get("last_used_edge")?,
        wrong_secrets: count("wrong_secrets")?,
        last_wrong_secret: row.moment_if_any("last_wrong_secret")?,
    })
}
