//! Reading every key, one after the other.

use futures_util::TryStreamExt as _;
use sqlx::{QueryBuilder, Sqlite};
use tokio::sync::mpsc::Sender;

use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::keys::push_filter;
use crate::store::sqlite::rows::{KEY_COLUMNS, stored_key};
use crate::store::{KeyFilter, StoreError, StoredKey};

impl SqliteStore {
    /// Sends the keys that pass the filter, in the order in which they were made. Ends early when nobody listens any more.
    pub(in crate::store) async fn scan(
        &self,
        filter: &KeyFilter,
        keys: &Sender<Result<StoredKey, StoreError>>,
    ) -> Result<(), StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new("select ");
        query.push(KEY_COLUMNS).push(" from api_key where true");
        push_filter(&mut query, filter)?;
        query.push(" order by rowid");
        let mut rows = query.build().fetch(&self.readers);
        while let Some(row) = rows.try_next().await? {
            if keys.send(Ok(stored_key(&row)?)).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}
