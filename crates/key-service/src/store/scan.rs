//! What is stored, as it is read, one after the other.

use latchkey_budget::Cancellation;
use tokio::sync::mpsc::{Receiver, channel};
use tracing::Instrument as _;

use crate::limits::KEYS_SCANNED_AHEAD;
use crate::limits::work_limits::CANCELLATION_LOOK_INTERVAL;
use crate::model::stored_key::StoredKey;
use crate::store::StoreError;
use crate::store::sql::SqlStore;
use crate::store::sql::scan::{self, Selection, Unread};

/// What passes a filter. Reading ends when this is dropped, or the work is cancelled for which it is read.
#[derive(Debug)]
pub struct Scan<T>(Receiver<Result<Unread<T>, StoreError>>);

/// The keys that pass a filter.
pub(crate) type KeyScan = Scan<StoredKey>;

impl<T: 'static> Scan<T> {
    pub(super) fn begin(
        database: SqlStore,
        selection: Result<Selection<T>, StoreError>,
        cancellation: Cancellation,
    ) -> Self {
        let (sender, rows) = channel(KEYS_SCANNED_AHEAD);
        let scan = async move {
            let scanned = tokio::select! {
                scanned = async { scan::send(&database, selection?, &sender).await } => scanned,
                // The next row may be long in coming.
                () = sender.closed() => return,
                () = cancelled(&cancellation) => return,
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

/// Waits until the work is cancelled for which something is read. While it waits for a row it cannot see that
/// by itself.
async fn cancelled(cancellation: &Cancellation) {
    while cancellation.reason().is_none() {
        tokio::time::sleep(CANCELLATION_LOOK_INTERVAL).await;
    }
}
