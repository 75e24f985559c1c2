//! What is between edges and the service: requests for the feed, and their answers.

use std::rc::Rc;

use latchkey_edge_ledger::FollowerRequest;
use latchkey_filter::refresh::CallId;
use latchkey_key_feed::{FeedRequest, FeedVersion};

use crate::host::SimHost;
use crate::proxy::Plugin;

/// A call of a plugin.
pub(crate) struct Call<H: SimHost> {
    pub(crate) from: Rc<Plugin<H>>,
    pub(crate) id: CallId,
    pub(crate) request: FeedRequest,
    pub(crate) asked: FeedVersion,
    /// When the proxy gives it up: by the clock of its machine, and as it would be if that did not sleep.
    pub(crate) deadline: Deadline,
    pub(crate) state: CallState,
}

/// When a call is given up.
#[derive(Clone, Copy)]
pub(crate) struct Deadline {
    pub(crate) monotonic: u64,
    pub(crate) time: u64,
}

/// Where a call is.
pub(crate) enum CallState {
    /// The request is on its way.
    Outgoing,
    /// A replica holds the answer back.
    Waiting { replica: usize, request: FollowerRequest, until: u64 },
    /// The answer is on its way.
    Answered { status: u16, body: Vec<u8> },
    /// It was lost on its way.
    Lost,
}

/// All calls that have not ended.
pub(crate) struct Network<H: SimHost>(pub(crate) Vec<Call<H>>);

impl<H: SimHost> Network<H> {
    pub(crate) fn outgoing(&self) -> Vec<usize> {
        self.places(|state| matches!(state, CallState::Outgoing))
    }

    pub(crate) fn answered(&self) -> Vec<usize> {
        self.places(|state| matches!(state, CallState::Answered { .. }))
    }

    /// The calls that wait at a replica.
    pub(crate) fn waiting_at(&self, at: usize) -> Vec<usize> {
        self.places(|state| matches!(state, CallState::Waiting { replica, .. } if *replica == at))
    }

    fn places(&self, is_meant: impl Fn(&CallState) -> bool) -> Vec<usize> {
        let places = self.0.iter().enumerate().filter(|(_, call)| is_meant(&call.state));
        places.map(|(place, _)| place).collect()
    }

    /// Drops the calls of plugins that have ended: nobody awaits them.
    pub(crate) fn forget_ended(&mut self) {
        self.0.retain(|call| {
            let is_on_its_way = matches!(call.state, CallState::Outgoing);
            is_on_its_way || call.from.thread.is_busy.get() || call.from.root.borrow().is_some()
        });
    }
}
