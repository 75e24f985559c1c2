//! Requests that wait for the first table, or for the answer that shows whether one is too old.
//!
//! A VM can wake only its own requests, so each plugin keeps those of its own, and looks at them on its tick.

use std::cell::RefCell;

use latchkey_key_feed::MonotonicMillis;

use crate::host::RequestId;
use crate::limits::WAITING_REQUESTS_MAX;

/// The requests of one plugin that may not move on.
#[derive(Default)]
pub(super) struct HeldRequests(RefCell<Vec<Held>>);

#[derive(Clone, Copy)]
struct Held {
    request: RequestId,
    /// `None` once it has been refused: the rest of it must not reach the upstream.
    until: Option<MonotonicMillis>,
}

impl HeldRequests {
    pub(super) fn hold(&self, request: RequestId, until: MonotonicMillis) {
        self.0.borrow_mut().push(Held { request, until: Some(until) });
    }

    /// Whether as many wait as may.
    pub(super) fn are_full(&self) -> bool {
        self.0.borrow().len() >= WAITING_REQUESTS_MAX
    }

    /// The request may move on, or has ended.
    pub(super) fn remove(&self, request: RequestId) {
        self.0.borrow_mut().retain(|held| held.request != request);
    }

    /// The request has been answered, or cannot be.
    pub(super) fn refuse(&self, request: RequestId) {
        for held in self.0.borrow_mut().iter_mut().filter(|held| held.request == request) {
            held.until = None;
        }
    }

    pub(super) fn holds(&self, request: RequestId) -> bool {
        self.0.borrow().iter().any(|held| held.request == request)
    }

    /// Those to be decided, and until when they may wait, in the order in which they came.
    pub(super) fn undecided(&self) -> Vec<(RequestId, MonotonicMillis)> {
        self.0.borrow().iter().filter_map(|held| Some((held.request, held.until?))).collect()
    }
}
