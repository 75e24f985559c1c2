//! Requests that wait for the first table.
//!
//! A VM can wake only its own requests, so each has a room of its own, and looks into it on its tick.

use std::cell::RefCell;

use latchkey_key_feed::UnixMillis;

/// The requests of one VM that wait, and until when.
#[derive(Default)]
pub(super) struct WaitingRoom(RefCell<Vec<(u32, UnixMillis)>>);

impl WaitingRoom {
    pub(super) fn enter(&self, request: u32, until: UnixMillis) {
        self.0.borrow_mut().push((request, until));
    }

    pub(super) fn leave(&self, request: u32) {
        self.0.borrow_mut().retain(|(waiting, _)| *waiting != request);
    }

    pub(super) fn holds(&self, request: u32) -> bool {
        self.0.borrow().iter().any(|(waiting, _)| *waiting == request)
    }

    /// Everybody in the order of their coming.
    pub(super) fn all(&self) -> Vec<(u32, UnixMillis)> {
        self.0.borrow().clone()
    }
}
