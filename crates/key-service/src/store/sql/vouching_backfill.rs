//! Deciding who vouches for keys that were made, or changed, by a version that did not know of it.
//!
//! That is done once, when the store is opened. It is no change in the feed: a filter that knows of vouching
//! loads all keys when it starts, and it is started after the service was upgraded.

use std::collections::BTreeMap;

use futures_util::TryStreamExt as _;
use latchkey_privileges::role_descriptor::RoleDescriptors;
use latchkey_privileges::vouching::Vouching;

use crate::limits::row_limits::KEYS_DECIDED_AT_ONCE_MAX;
use crate::store::StoreError;
use crate::store::sql::query::Query;
use crate::store::sql::row::{Row, json_text};
use crate::store::sql::transaction::{Transaction, in_time};
use crate::store::sql::{ChangeLock, SqlStore};

/// Who vouches for a key, and for which of its role descriptors, as JSON.
type Decision = (bool, bool, String);

/// Decides it for every key that is alive and undecided.
pub(super) async fn decide_vouching(database: &SqlStore) -> Result<(), StoreError> {
    let mut decided = 0;
    loop {
        let mut change = database.begin_change(ChangeLock::Keys).await?;
        let decisions = undecided(&mut change).await?;
        if decisions.is_empty() {
            break;
        }
        for ((roles, metadata, names), ids) in decisions {
            decided += ids.len();
            let mut update = Query::new(
                "update api_key set roles_vouched = ?, metadata_vouched = ?, vouched_role_names = ?, vouched_seq = seq where id ",
            );
            update = update.bind(roles).bind(metadata).bind(names);
            update.push_in_texts(&ids)?;
            change.execute(update).await?;
        }
        change.commit().await?;
    }
    if decided > 0 {
        tracing::info!(keys = decided, "it was decided who vouches for the API keys of an earlier version");
    }
    Ok(())
}

/// Decisions about some of the keys that have none, each with the ids of its keys.
async fn undecided(change: &mut Transaction) -> Result<BTreeMap<Decision, Vec<String>>, StoreError> {
    let query = Query::new(
        "select id, role_descriptors, limited_by from api_key
         where invalidation is null and (vouched_seq is null or vouched_seq <> seq) order by id limit ?",
    );
    // One row after the other, because descriptors can be long.
    let mut rows = change.fetch(query.bind(KEYS_DECIDED_AT_ONCE_MAX))?;
    let mut decisions: BTreeMap<Decision, Vec<String>> = BTreeMap::new();
    while let Some(row) = in_time(rows.try_next()).await? {
        decisions.entry(decision(&row)?).or_default().push(row.get("id")?);
    }
    Ok(decisions)
}

/// A key that is not readable is not vouched for.
fn decision(row: &Row) -> Result<Decision, StoreError> {
    let own = row.json::<RoleDescriptors>("role_descriptors").unwrap_or_default();
    let limited_by = row.json::<RoleDescriptors>("limited_by").unwrap_or_default();
    let vouching = Vouching::of_owner(&limited_by);
    Ok((vouching.roles, vouching.metadata, json_text(&vouching.vouched_names(&own, &limited_by))?))
}

#[cfg(test)]
impl SqlStore {
    /// As if these keys had been made by a version that knows nothing of vouching.
    pub(in crate::store) async fn forget_vouching(&self) {
        let forget = "update api_key set roles_vouched = null, metadata_vouched = null, vouched_role_names = null, vouched_seq = null";
        self.write(Query::new(forget)).await.unwrap();
    }

    /// Changes the metadata of a key as a replica of such a version does.
    pub(in crate::store) async fn update_as_before(&self, id: &str, metadata: &str) {
        let mut change = self.begin_change(ChangeLock::Keys).await.unwrap();
        let seq = crate::store::sql::take_seqs(&mut change, 1, 0).await.unwrap();
        let update = Query::new("update api_key set metadata = ?, seq = ? where id = ?");
        change.execute(update.bind(metadata).bind(seq).bind(id)).await.unwrap();
        change.commit().await.unwrap();
    }

    /// As if the disk had lost a part of a key.
    pub(in crate::store) async fn corrupt(&self, id: &str) {
        self.write(Query::new("update api_key set metadata = '{' where id = ?").bind(id)).await.unwrap();
    }
}

#[cfg(test)]
mod tests {
    use latchkey_key_feed::{Cursor, Epoch, FeedRow, UnixMillis};
    use sqlx::migrate::Migrator;
    use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

    use crate::store::KeyStore;
    use crate::store::location::StoreLocation;
    use crate::store::sql::migrations;

    /// Three keys as the version before wrote them: of somebody who may do everything, of somebody who may
    /// little, and one that was invalidated.
    const KEYS: &str = r#"
        insert into feed_state (singleton, epoch, seq, purged_through, keys_live) values (1, 'old', 4, 0, 2);
        insert into api_key
          (id, creation, salt, digest, owner_username, owner_realm, owner_metadata, name, role_descriptors, role_names, limited_by,
           limited_by_names, metadata, seq, invalidation)
        select id, 1, zeroblob(16), zeroblob(32), 'alice', 'native', '{}', id,
               '{"admin":{"cluster":[],"indices":[],"applications":[],"run_as":[],"metadata":{},"transient_metadata":{"enabled":true}},"ops":{"cluster":["monitor"],"indices":[],"applications":[],"run_as":[],"metadata":{},"transient_metadata":{"enabled":true}}}',
               '["admin","ops"]',
               '{"ops":{"cluster":["' || privilege || '"],"indices":[],"applications":[],"run_as":[],"metadata":{},"transient_metadata":{"enabled":true}}}',
               '["ops"]', '{"tenant":"acme"}', seq, invalidation
        from (select 'of-all' as id, 'all' as privilege, 2 as seq, null as invalidation
              union all select 'of-little', 'monitor', 3, null
              union all select 'ended', 'all', 4, 5);"#;

    #[tokio::test]
    async fn a_store_of_the_version_before_is_opened_and_its_owners_are_held_to_have_vouched_as_far_as_they_could()
     {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("store.db");
        let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
        let pool = SqlitePool::connect_with(options).await.unwrap();
        let known = migrations::sqlite();
        let before = known.iter().filter(|migration| migration.version < 6).cloned().collect::<Vec<_>>();
        Migrator::with_migrations(before).run(&pool).await.unwrap();
        sqlx::raw_sql(KEYS).execute(&pool).await.unwrap();
        pool.close().await;
        let epoch = Epoch::try_from("new".to_owned()).unwrap();
        for _ in 0..2 {
            let store = KeyStore::open(&StoreLocation::File(file.clone()), epoch.clone()).await.unwrap();
            let page = store.parsed_page(Cursor(0), 10).await.unwrap();
            assert_eq!((page.epoch.as_str(), page.cursor, page.total), ("old", Cursor(4), 2));
            let told: Vec<_> = page
                .keys
                .iter()
                .filter_map(|row| match row {
                    FeedRow::Live { record, .. } => {
                        Some((record.id.as_str(), record.vouched_roles.join(","), record.metadata_vouched))
                    }
                    FeedRow::Removed { .. } => None,
                })
                .collect();
            assert_eq!(
                told,
                [("of-all", "admin,ops".to_owned(), true), ("of-little", "ops".to_owned(), false)]
            );
            let key = store.find("of-all").await.unwrap().unwrap();
            assert!(key.vouching.roles && key.vouching.metadata);
            // Edges that asked the version before may still admit, and nothing tells of them.
            assert!(store.edges().at_opening().begun > UnixMillis(0));
            store.close().await;
        }
    }
}
