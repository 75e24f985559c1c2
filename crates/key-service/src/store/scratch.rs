//! A location for a store that nothing else uses: an SQLite file, or with `LATCHKEY_TEST_DATABASE` a schema
//! of that PostgreSQL database. Integration tests include this file too.

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

/// Names the PostgreSQL database that tests use: a connection URI.
const DATABASE_VARIABLE: &str = "LATCHKEY_TEST_DATABASE";

/// A location. The file is deleted when this is dropped, the schema when its server ends.
pub(crate) struct Scratch {
    pub(crate) place: ScratchLocation,
    _directory: TempDir,
    /// What has to live as long as the location.
    _server: Option<Arc<dyn Any + Send + Sync>>,
}

pub(crate) enum ScratchLocation {
    File(PathBuf),
    /// A connection URI.
    Database(String),
}

impl Scratch {
    pub(crate) async fn new() -> Self {
        if let Ok(url) = std::env::var(DATABASE_VARIABLE) {
            return Self::in_database(&url, None).await;
        }
        let directory = tempfile::tempdir().unwrap();
        let place = ScratchLocation::File(directory.path().join("store.db"));
        Self { place, _directory: directory, _server: None }
    }

    /// A schema of the database with this URL, which `server` keeps alive.
    pub(crate) async fn in_database(url: &str, server: Option<Arc<dyn Any + Send + Sync>>) -> Self {
        let place = ScratchLocation::Database(schema_in(url).await);
        Self { place, _directory: tempfile::tempdir().unwrap(), _server: server }
    }
}

async fn schema_in(url: &str) -> String {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let schema = format!("latchkey_test_{}_{now}_{number}", std::process::id());
    let mut connection = PgConnection::connect(url).await.unwrap();
    let create = sqlx::AssertSqlSafe(format!("create schema {schema}"));
    sqlx::query(create).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}options[search_path]={schema}&application_name={schema}")
}
