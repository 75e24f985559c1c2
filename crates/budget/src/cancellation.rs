//! Cancellation of work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// A flag that work checks wherever it charges. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Cancellation(Arc<AtomicU8>);

/// Why work is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancellationReason {
    /// Its client is gone.
    Gone,
    /// Its time is over.
    Late,
}

impl Cancellation {
    /// Ends the work at its next charge. The first reason counts.
    pub fn cancel(&self, reason: CancellationReason) {
        let number = match reason {
            CancellationReason::Gone => 1,
            CancellationReason::Late => 2,
        };
        // A second reason changes nothing.
        let _ = self.0.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Why the work must end, if it must.
    #[must_use]
    pub fn reason(&self) -> Option<CancellationReason> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(CancellationReason::Gone),
            _ => Some(CancellationReason::Late),
        }
    }
}
