//! Reading keys one after the other.

use std::fmt;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use tokio::sync::mpsc::Sender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::KEYS_LISTED_MAX;
use crate::limits::work::KEYS_SCANNED_AHEAD_LEN_MAX;
use crate::store::scan::ScanOrder;
use crate::store::sql::SqlStore;
use crate::store::sql::keys::push_filter;
use crate::store::sql::query::Query;
use crate::store::sql::row::{KEY_COLUMNS, Row};
use crate::store::sql::transaction::in_time;
use crate::store::{KeyFilter, StoreError, StoredKey};

/// A key as the database has it: what is JSON in it is still text.
pub(in crate::store) struct UnreadKey {
    row: Row,
    /// Its share of the bytes that may wait to be read.
    _ahead: OwnedSemaphorePermit,
}

impl UnreadKey {
    pub(in crate::store) fn read(self) -> Result<StoredKey, StoreError> {
        self.row.stored_key()
    }
}

impl SqlStore {
    /// Sends the keys that pass the filter. Ends early when the receiver is gone.
    pub(in crate::store) async fn scan(
        &self,
        filter: &KeyFilter,
        order: ScanOrder,
        keys: &Sender<Result<UnreadKey, StoreError>>,
    ) -> Result<(), StoreError> {
        let mut query = Query::new("select ");
        query.push(KEY_COLUMNS).push(" from api_key where true");
        push_filter(&mut query, filter)?;
        match order {
            ScanOrder::Creation => {
                query.push(" order by creation, id limit ").push_bind(i64::from(KEYS_LISTED_MAX) + 1)
            }
            ScanOrder::Insertion => query.push(" order by rowid"),
        };
        let ahead = Arc::new(Semaphore::new(KEYS_SCANNED_AHEAD_LEN_MAX));
        let mut rows = self.fetch(query)?;
        while let Some(row) = in_time(rows.try_next()).await? {
            let len = row.texts_len()?.clamp(1, KEYS_SCANNED_AHEAD_LEN_MAX);
            let len = u32::try_from(len).unwrap_or(u32::MAX);
            // The semaphore is never closed.
            let Ok(permit) = Arc::clone(&ahead).acquire_many_owned(len).await else { break };
            if keys.send(Ok(UnreadKey { row, _ahead: permit })).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for UnreadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnreadKey")
    }
}
