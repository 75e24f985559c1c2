//! What another process may do to the file of an SQLite store. Only integration tests include this file.

use std::path::Path;

use sqlx::{Connection as _, SqliteConnection};

/// Another process with the file open.
pub(crate) struct OtherProcess(SqliteConnection);

impl OtherProcess {
    pub(crate) async fn with(file: &Path) -> Self {
        Self(SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap())
    }

    pub(crate) async fn run(&mut self, statement: &'static str) {
        sqlx::raw_sql(statement).execute(&mut self.0).await.unwrap();
    }

    /// As if a newer version had been here.
    pub(crate) async fn make_it_newer(&mut self) {
        let newer = "insert into _sqlx_migrations select version + 1000, description, installed_on, success, checksum, \
                     execution_time from _sqlx_migrations where version = 1";
        self.run(newer).await;
    }

    /// As if only the first version had been here.
    pub(crate) async fn make_it_older(&mut self) {
        self.run("delete from _sqlx_migrations where version > 1").await;
    }

    pub(crate) async fn close(self) {
        self.0.close().await.unwrap();
    }
}
