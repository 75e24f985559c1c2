//! What the store reads one by one, as a search takes it.

use crate::store::StoreError;
use crate::store::scan::Scan;

/// It ends at the first that cannot be read.
pub(super) struct Scanned<T> {
    scan: Scan<T>,
    failure: Option<StoreError>,
}

impl<T: 'static> Scanned<T> {
    pub(super) fn new(scan: Scan<T>) -> Self {
        Self { scan, failure: None }
    }

    /// Whether all could be read, once nothing more comes.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store could not tell the rest.
    pub(super) fn end(self) -> Result<(), StoreError> {
        self.failure.map_or(Ok(()), Err)
    }
}

impl<T: 'static> Iterator for Scanned<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match self.scan.blocking_next()? {
            Ok(item) => Some(item),
            Err(failure) => {
                self.failure = Some(failure);
                None
            }
        }
    }
}
