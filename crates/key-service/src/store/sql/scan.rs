//! Reading every key, one after the other.

use futures_util::TryStreamExt as _;
use tokio::sync::mpsc::Sender;

use crate::store::sql::SqlStore;
use crate::store::sql::keys::push_filter;
use crate::store::sql::query::Query;
use crate::store::sql::row::KEY_COLUMNS;
use crate::store::sql::transaction::in_time;
use crate::store::{KeyFilter, StoreError, StoredKey};

impl SqlStore {
    /// Sends the keys that pass the filter, in the order in which they were made. Ends early when nobody listens any more.
    pub(in crate::store) async fn scan(
        &self,
        filter: &KeyFilter,
        keys: &Sender<Result<StoredKey, StoreError>>,
    ) -> Result<(), StoreError> {
        let mut query = Query::new("select ");
        query.push(KEY_COLUMNS).push(" from api_key where true");
        push_filter(&mut query, filter)?;
        query.push(" order by rowid");
        let mut rows = self.fetch(query)?;
        while let Some(row) = in_time(rows.try_next()).await? {
            if keys.send(Ok(row.stored_key()?)).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}
