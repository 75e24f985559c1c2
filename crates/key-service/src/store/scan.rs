//! What is stored, as it is read, one after the other.

use tokio::sync::mpsc::{Receiver, channel};
use tracing::Instrument as _;

use crate::limits::KEYS_SCANNED_AHEAD;
use crate::model::stored_key::StoredKey;
use crate::store::StoreError;
use crate::store::sql::SqlStore;
use crate::store::sql::scan::{self, Selection, Unread};

/// In which order keys are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanOrder {
    /// By creation, then by id, and at most one more than a listing may have.
    Creation,
    /// As they were added, however many there are.
    Insertion,
}

/// What passes a filter. Reading ends when this is dropped.
#[derive(Debug)]
pub struct Scan<T>(Receiver<Result<Unread<T>, StoreError>>);

/// The keys that pass a filter.
pub(crate) type KeyScan = Scan<StoredKey>;

impl<T: 'static> Scan<T> {
    pub(super) fn begin(database: SqlStore, selection: Result<Selection<T>, StoreError>) -> Self {
        let (sender, rows) = channel(KEYS_SCANNED_AHEAD);
        let scan = async move {
            let scanned = match selection {
                Ok(selection) => scan::send(&database, selection, &sender).await,
                Err(error) => Err(error),
            };
            if let Err(error) = scanned {
                // The receiver is gone, so the error is not needed.
                let _ = sender.send(Err(error)).await;
            }
        };
        tokio::spawn(scan.in_current_span());
        Self(rows)
    }

    /// The next one. The last is an error when the store could not tell the rest. Must not be called on a
    /// thread that serves requests: it waits, and what was written as JSON is read here.
    pub fn blocking_next(&mut self) -> Option<Result<T, StoreError>> {
        self.0.blocking_recv().map(|unread| unread?.read())
    }

    /// All of them.
    #[cfg(test)]
    pub(crate) async fn all(mut self) -> Result<Vec<T>, StoreError> {
        let mut all = Vec::new();
        while let Some(unread) = self.0.recv().await {
            all.push(unread?.read()?);
        }
        Ok(all)
    }
}
