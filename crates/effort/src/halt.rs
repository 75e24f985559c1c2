//! Telling work that it is not wanted any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// A sign that work looks at wherever it charges. Clones are the same sign.
#[derive(Clone, Debug, Default)]
pub struct Halt(Arc<AtomicU8>);

/// Why work is not wanted any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HaltReason {
    /// Its client is gone.
    Gone,
    /// Its time is over.
    Late,
}

impl Halt {
    /// Ends the work at its next charge. The first reason counts.
    pub fn stop(&self, reason: HaltReason) {
        let number = match reason {
            HaltReason::Gone => 1,
            HaltReason::Late => 2,
        };
        // Whoever comes second changes nothing.
        let _ = self.0.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Why it is to end, if it is.
    #[must_use]
    pub fn reason(&self) -> Option<HaltReason> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(HaltReason::Gone),
            _ => Some(HaltReason::Late),
        }
    }
}
