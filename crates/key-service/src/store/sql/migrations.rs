//! Migrations: how the tables of each database are made and changed.
//!
//! Migrations are only ever added. Their text is part of the binary, and its checksum is kept in the store,
//! so an altered one is refused. Replicas that start together take turns: PostgreSQL's migrations hold a
//! lock, and SQLite has one process.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use crate::store::StoreError;
use crate::store::sql::row::Row;

/// Which migrations a store has had.
pub(super) const APPLIED: &str = "select version, checksum from _sqlx_migrations order by version";

/// Refuses a store that has had fewer or other migrations than this version has. `applied` are the rows of
/// [`APPLIED`].
pub(super) fn refuse_another_version(applied: &[Row], known: &Migrator) -> Result<(), StoreError> {
    let mut known = known.iter();
    for row in applied {
        let (version, checksum): (i64, Vec<u8>) = (row.get("version")?, row.get("checksum")?);
        if known.next().is_none_or(|known| known.version != version || *known.checksum != *checksum) {
            return Err(StoreError::NewerVersion);
        }
    }
    if known.next().is_some() { Err(StoreError::OlderVersion) } else { Ok(()) }
}

pub(super) fn sqlite() -> Migrator {
    migrator([
        (1, "key store", include_str!("../../../migrations/sqlite/0001_key_store.sql")),
        (2, "native realm", include_str!("../../../migrations/sqlite/0002_native_realm.sql")),
        (3, "tokens", include_str!("../../../migrations/sqlite/0003_tokens.sql")),
        (4, "key removal", include_str!("../../../migrations/sqlite/0004_key_removal.sql")),
        (6, "vouching", include_str!("../../../migrations/sqlite/0006_vouching.sql")),
        (7, "edge instances", include_str!("../../../migrations/sqlite/0007_edge_instances.sql")),
        (8, "token families", include_str!("../../../migrations/sqlite/0008_token_families.sql")),
        (9, "edge time", include_str!("../../../migrations/sqlite/0009_edge_time.sql")),
        (10, "edge told", include_str!("../../../migrations/sqlite/0010_edge_told.sql")),
        (11, "application change", include_str!("../../../migrations/sqlite/0011_application_change.sql")),
        (12, "rotation", include_str!("../../../migrations/sqlite/0012_rotation.sql")),
        (13, "creation order", include_str!("../../../migrations/sqlite/0013_creation_order.sql")),
        (14, "service accounts", include_str!("../../../migrations/sqlite/0014_service_accounts.sql")),
        (15, "key usage", include_str!("../../../migrations/sqlite/0015_key_usage.sql")),
        (16, "opaque keys", include_str!("../../../migrations/sqlite/0016_opaque_keys.sql")),
        (17, "asked via", include_str!("../../../migrations/sqlite/0017_asked_via.sql")),
        (18, "search orders", include_str!("../../../migrations/sqlite/0018_search_orders.sql")),
    ])
}

pub(super) fn postgres() -> Migrator {
    migrator([
        (1, "key store", include_str!("../../../migrations/postgres/0001_key_store.sql")),
        (2, "native realm", include_str!("../../../migrations/postgres/0002_native_realm.sql")),
        (3, "tokens", include_str!("../../../migrations/postgres/0003_tokens.sql")),
        (4, "key removal", include_str!("../../../migrations/postgres/0004_key_removal.sql")),
        (5, "edges", include_str!("../../../migrations/postgres/0005_edges.sql")),
        (6, "vouching", include_str!("../../../migrations/postgres/0006_vouching.sql")),
        (7, "edge instances", include_str!("../../../migrations/postgres/0007_edge_instances.sql")),
        (8, "token families", include_str!("../../../migrations/postgres/0008_token_families.sql")),
        (9, "edge time", include_str!("../../../migrations/postgres/0009_edge_time.sql")),
        (10, "edge told", include_str!("../../../migrations/postgres/0010_edge_told.sql")),
        (11, "application change", include_str!("../../../migrations/postgres/0011_application_change.sql")),
        (12, "rotation", include_str!("../../../migrations/postgres/0012_rotation.sql")),
        (13, "creation order", include_str!("../../../migrations/postgres/0013_creation_order.sql")),
        (14, "service accounts", include_str!("../../../migrations/postgres/0014_service_accounts.sql")),
        (15, "key usage", include_str!("../../../migrations/postgres/0015_key_usage.sql")),
        (16, "opaque keys", include_str!("../../../migrations/postgres/0016_opaque_keys.sql")),
        (17, "asked via", include_str!("../../../migrations/postgres/0017_asked_via.sql")),
        (18, "search orders", include_str!("../../../migrations/postgres/0018_search_orders.sql")),
    ])
}

fn migrator<const N: usize>(migrations: [(i64, &'static str, &'static str); N]) -> Migrator {
    let migrations = migrations.map(|(number, name, text)| {
        Migration::new(number, name.into(), MigrationType::Simple, text.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.into())
}
