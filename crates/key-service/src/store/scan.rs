//! Keys as they are read, one after the other.

use tokio::sync::mpsc::Receiver;

use crate::store::sql::UnreadKey;
use crate::store::{StoreError, StoredKey};

/// In which order keys are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanOrder {
    /// By creation, then by id, and at most one more than a listing may have.
    Creation,
    /// As they were added, however many there are.
    Insertion,
}

/// The keys that pass a filter. Reading ends when this is dropped.
#[derive(Debug)]
pub struct KeyScan(Receiver<Result<UnreadKey, StoreError>>);

impl KeyScan {
    pub(super) fn new(keys: Receiver<Result<UnreadKey, StoreError>>) -> Self {
        Self(keys)
    }

    /// The next key. The last item is an error when the store could not read the rest. Must not be called on
    /// a thread that serves requests: it blocks, and JSON is parsed here.
    pub fn blocking_next(&mut self) -> Option<Result<StoredKey, StoreError>> {
        self.0.blocking_recv().map(|unread| unread?.read())
    }

    /// All of them.
    #[cfg(test)]
    pub(crate) async fn all(mut self) -> Result<Vec<StoredKey>, StoreError> {
        let mut keys = Vec::new();
        while let Some(unread) = self.0.recv().await {
            keys.push(unread?.read()?);
        }
        Ok(keys)
    }
}
