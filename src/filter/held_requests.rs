//! Requests that wait for the first table, or for the answer that shows whether one is too old.
//!
//! A VM can wake only its own requests, so each plugin keeps those of its own, and looks at them on its tick.

use std::cell::RefCell;
use std::rc::Rc;

use latchkey_key_feed::MonotonicMillis;

use crate::credential::Presented;
use crate::host::RequestId;
use crate::limits::WAITING_REQUESTS_MAX;

/// The requests of one plugin that may not move on.
#[derive(Default)]
pub(super) struct HeldRequests(RefCell<Vec<Held>>);

#[derive(Clone)]
struct Held {
    request: RequestId,
    /// `None` once it has been refused: the rest of it must not reach the upstream.
    until: Option<MonotonicMillis>,
    /// The credential that was taken out of it.
    hidden: Option<Rc<Presented>>,
}

/// A request that is to be decided, until when it may wait, and the credential that was taken out of it.
type Undecided = (RequestId, MonotonicMillis, Option<Rc<Presented>>);

impl HeldRequests {
    pub(super) fn hold(&self, request: RequestId, until: MonotonicMillis, hidden: Option<Rc<Presented>>) {
        self.0.borrow_mut().push(Held { request, until: Some(until), hidden });
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
            (held.until, held.hidden) = (None, None);
        }
    }

    pub(super) fn holds(&self, request: RequestId) -> bool {
        self.0.borrow().iter().any(|held| held.request == request)
    }

    /// What is known of one of those to be decided.
    pub(super) fn undecided_of(
        &self,
        request: RequestId,
    ) -> Option<(MonotonicMillis, Option<Rc<Presented>>)> {
        let held = self.0.borrow();
        let held = held.iter().find(|held| held.request == request)?;
        Some((held.until?, held.hidden.clone()))
    }

    /// Those to be decided, in the order in which they came.
    pub(super) fn undecided(&self) -> Vec<Undecided> {
        let held = self.0.borrow();
        held.iter().filter_map(|held| Some((held.request, held.until?, held.hidden.clone()))).collect()
    }
}
