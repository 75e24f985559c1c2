//! What the databases' errors mean to the store.

use sqlx::error::DatabaseError;
use sqlx::migrate::MigrateError;
use sqlx::sqlite::SqliteError;

use crate::store::StoreError;

/// What SQLite says of a file that is no database (`SQLITE_NOTADB`), and of a table that is not there
/// (`SQLITE_ERROR`); and what PostgreSQL says of such a table (`undefined_table`).
const NOT_A_STORE: [&str; 3] = ["26", "1", "42P01"];

impl StoreError {
    /// The same for a store that is being opened: the file may not be a database, or may lack our tables.
    pub(super) fn not_a_store(self) -> Self {
        let (Self::Unavailable(cause) | Self::Damaged(cause)) = &self else { return self };
        match cause.downcast_ref() {
            Some(sqlx::Error::Database(error))
                if error.code().is_some_and(|code| NOT_A_STORE.contains(&code.as_ref())) =>
            {
                Self::NotAStore
            }
            _ => self,
        }
    }
}

/// What PostgreSQL says when a text is longer than an index can hold (manual, appendix A:
/// `program_limit_exceeded`). SQLite has no such code.
const LIMIT_EXCEEDED: &str = "54000";

/// What SQLite says of a page that cannot be what was written (`SQLITE_CORRUPT`), and of a file whose first
/// page cannot (`SQLITE_NOTADB`).
const DAMAGED_FILE: [u32; 2] = [11, 26];

/// SQLite puts the kind of an error into the lowest byte of its code.
const SQLITE_KIND: u32 = 0xFF;

/// What PostgreSQL says of damaged pages of tables and of indexes (manual, appendix A: `data_corrupted`,
/// `index_corrupted`).
const DAMAGED_PAGE: [&str; 2] = ["XX001", "XX002"];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error() {
            Some(database) if database.code().as_deref() == Some(LIMIT_EXCEEDED) => Self::TextTooLong,
            Some(database) if is_damage(database) => Self::Damaged(error.into()),
            _ => Self::Unavailable(error.into()),
        }
    }
}

fn is_damage(error: &dyn DatabaseError) -> bool {
    let code = error.code().unwrap_or_default();
    match error.try_downcast_ref::<SqliteError>() {
        Some(_) => code.parse::<u32>().is_ok_and(|code| DAMAGED_FILE.contains(&(code & SQLITE_KIND))),
        None => DAMAGED_PAGE.contains(&code.as_ref()),
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_) => Self::NewerVersion,
            error => Self::Unavailable(error.into()),
        }
    }
}
