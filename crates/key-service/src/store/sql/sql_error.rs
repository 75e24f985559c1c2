//! What the databases' errors mean to the store.

use sqlx::migrate::MigrateError;

use crate::store::StoreError;

/// What SQLite says of a file that is no database (`SQLITE_NOTADB`), and of a table that is not there
/// (`SQLITE_ERROR`); and what PostgreSQL says of such a table (`undefined_table`).
const NOT_A_STORE: [&str; 3] = ["26", "1", "42P01"];

impl StoreError {
    /// The same for a store that is being opened: the file may not be a database, or may lack our tables.
    pub(super) fn not_a_store(self) -> Self {
        let Self::Unavailable(cause) = &self else { return self };
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

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|database| database.code());
        if code.as_deref() == Some(LIMIT_EXCEEDED) {
            Self::TextTooLong
        } else {
            Self::Unavailable(error.into())
        }
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
