//! Requests that wait for their verdict, wherever their threads are.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::abi::StreamScheduler;

/// Those of one configuration, by a number that no other has.
///
/// A request is taken out before it ends, under the same lock under which it is woken. So nothing is ever sent
/// to a thread that has ended.
#[derive(Default)]
pub(crate) struct Waiting(Mutex<BTreeMap<u64, StreamScheduler>>);

impl Waiting {
    pub(crate) fn insert(&self, request: u64, scheduler: StreamScheduler) {
        self.requests().insert(request, scheduler);
    }

    pub(crate) fn remove(&self, request: u64) {
        self.requests().remove(&request);
    }

    pub(crate) fn count(&self) -> usize {
        self.requests().len()
    }

    /// Lets each be looked at again, on its thread.
    pub(crate) fn wake(&self) {
        for (request, scheduler) in &*self.requests() {
            scheduler.commit(*request);
        }
    }

    fn requests(&self) -> MutexGuard<'_, BTreeMap<u64, StreamScheduler>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
