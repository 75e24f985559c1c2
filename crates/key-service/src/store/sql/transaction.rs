//! Statements that belong together, and the time they may take.

use std::pin::Pin;

use futures_util::{Stream, TryStreamExt as _};
use sqlx::{Postgres, Sqlite};
use tracing::Instrument as _;

use crate::limits::STORE_STATEMENT_WAIT_MAX;
use crate::store::StoreError;
use crate::store::sql::postgres;
use crate::store::sql::query::Query;
use crate::store::sql::row::Row;
use crate::traces;

/// Rows as they come.
pub(super) type Rows<'a> = Pin<Box<dyn Stream<Item = Result<Row, StoreError>> + Send + 'a>>;

/// A transaction of either database. Dropped without a commit, it leaves no trace.
pub(super) enum Transaction {
    Postgres(sqlx::Transaction<'static, Postgres>),
    Sqlite(sqlx::Transaction<'static, Sqlite>),
}

impl Transaction {
    /// Runs a statement, and tells how many rows it was about.
    pub(super) async fn execute(&mut self, query: Query) -> Result<u64, StoreError> {
        in_time(async {
            Ok(match self {
                Self::Postgres(open) => query.into_postgres()?.execute(&mut **open).await?.rows_affected(),
                Self::Sqlite(open) => query.into_sqlite()?.execute(&mut **open).await?.rows_affected(),
            })
        })
        .await
    }

    pub(super) async fn fetch_optional(&mut self, query: Query) -> Result<Option<Row>, StoreError> {
        in_time(async {
            Ok(match self {
                Self::Postgres(open) => {
                    query.into_postgres()?.fetch_optional(&mut **open).await?.map(Row::Postgres)
                }
                Self::Sqlite(open) => {
                    query.into_sqlite()?.fetch_optional(&mut **open).await?.map(Row::Sqlite)
                }
            })
        })
        .await
    }

    /// The only row.
    pub(super) async fn fetch_one(&mut self, query: Query) -> Result<Row, StoreError> {
        self.fetch_optional(query).await?.ok_or(StoreError::Corrupt("a table that always has a row"))
    }

    pub(super) async fn fetch_all(&mut self, query: Query) -> Result<Vec<Row>, StoreError> {
        in_time(self.fetch(query)?.try_collect()).await
    }

    /// The rows one after the other. Whoever reads them bounds the time.
    pub(super) fn fetch(&mut self, query: Query) -> Result<Rows<'_>, StoreError> {
        Ok(match self {
            Self::Postgres(open) => {
                Box::pin(query.into_postgres()?.fetch(&mut **open).map_ok(Row::Postgres).err_into())
            }
            Self::Sqlite(open) => {
                Box::pin(query.into_sqlite()?.fetch(&mut **open).map_ok(Row::Sqlite).err_into())
            }
        })
    }

    /// Makes it durable. After an error it is unknown whether it is: the connection may have been lost before
    /// the answer came, or the answer may come later.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        if let Self::Postgres(_) = self {
            self.execute(Query::new(postgres::WITHOUT_TIME_LIMIT)).await?;
        }
        in_time(async {
            match self {
                Self::Postgres(open) => open.commit().await?,
                Self::Sqlite(open) => open.commit().await?,
            }
            Ok(())
        })
        .instrument(traces::commit())
        .await
    }
}

/// The result of a statement, within the time limit: a database that has gone silent must not hold a request
/// for ever.
pub(super) async fn in_time<T>(
    statement: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(STORE_STATEMENT_WAIT_MAX, statement).await {
        Ok(outcome) => outcome,
        Err(elapsed) => Err(StoreError::Unavailable(elapsed.into())),
    }
}
