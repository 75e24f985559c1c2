//! Requests that wait for the first table, or for the answer that shows whether one is too old.
//!
//! A VM can wake only its own requests, so each has a room of its own, and looks into it on its tick.

use std::cell::RefCell;

use latchkey_key_feed::MonotonicMillis;

/// The requests of one VM that may not move on.
#[derive(Default)]
pub(super) struct WaitingRoom(RefCell<Vec<Held>>);

#[derive(Clone, Copy)]
struct Held {
    request: u32,
    /// `None` once it has been refused: whatever is left of it is not to be seen upstream.
    until: Option<MonotonicMillis>,
}

impl WaitingRoom {
    pub(super) fn enter(&self, request: u32, until: MonotonicMillis) {
        self.0.borrow_mut().push(Held { request, until: Some(until) });
    }

    pub(super) fn leave(&self, request: u32) {
        self.0.borrow_mut().retain(|held| held.request != request);
    }

    pub(super) fn refuse(&self, request: u32) {
        for held in self.0.borrow_mut().iter_mut().filter(|held| held.request == request) {
            held.until = None;
        }
    }

    pub(super) fn holds(&self, request: u32) -> bool {
        self.0.borrow().iter().any(|held| held.request == request)
    }

    /// Those to be decided, and until when they may wait, in the order of their coming.
    pub(super) fn undecided(&self) -> Vec<(u32, MonotonicMillis)> {
        self.0.borrow().iter().filter_map(|held| Some((held.request, held.until?))).collect()
    }
}
