//! Which parts of a request may move on.

use std::rc::Rc;
use std::time::Duration;

use super::{Filter, Handled};
use crate::denial::{Denial, Unavailable};
use crate::host::{Host, HostRequest, RequestId};
use crate::reply::Replies;

/// One request, from its headers to its end.
pub struct RequestFilter<H: Host> {
    id: RequestId,
    /// Absent when no configuration has been accepted.
    filter: Option<Rc<Filter<H>>>,
    /// What its headers came to; before that, nothing has passed.
    handled: Handled,
}

/// What the host shall do with a part of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Pass it on.
    Continue,
    /// Keep it.
    Hold,
}

impl<H: Host> RequestFilter<H> {
    pub(super) fn new(id: RequestId, filter: Option<Rc<Filter<H>>>) -> Self {
        Self { id, filter, handled: Handled::Replied }
    }

    /// A request that comes while no configuration has been accepted.
    #[must_use]
    pub fn without_configuration(id: RequestId) -> Self {
        Self::new(id, None)
    }

    /// Its headers are there.
    pub fn headers(&mut self, request: &mut H::Request) -> Flow {
        let Some(filter) = &self.filter else {
            let denial = Denial::Unavailable(Unavailable::TableAbsent);
            let reply = Replies::default().to(denial, request.headers().ok().as_ref(), None, Duration::ZERO);
            // Without a reply it stays held all the same.
            let _ = request.reply(reply);
            return Flow::Hold;
        };
        self.handled = filter.handle(self.id, request);
        match self.handled {
            Handled::Passed => Flow::Continue,
            Handled::Replied | Handled::Waits => Flow::Hold,
        }
    }

    /// Whether it waits for its verdict.
    #[must_use]
    pub fn waits(&self) -> bool {
        matches!((self.handled, &self.filter), (Handled::Waits, Some(filter)) if filter.held.holds(self.id))
    }

    /// It waits, and may be decided now. Where it passes it is resumed.
    pub fn look_again(&mut self, request: &mut H::Request) {
        if !self.waits() {
            return;
        }
        let Some(filter) = &self.filter else { return };
        self.handled = filter.look_again(self.id, request);
        if self.handled == Handled::Passed {
            // Where the host would not, it is held until its client or a time limit ends it.
            let _ = request.resume();
        }
    }

    /// A part of its body is there.
    #[must_use]
    pub fn body(&self) -> Flow {
        self.hold_or_pass()
    }

    /// Its trailers are there.
    pub fn trailers(&self, request: &mut H::Request) -> Flow {
        if let Some(filter) = &self.filter
            && filter.clean_trailers(request).is_err()
        {
            // The upstream must not see these trailers. The request is held until the client or a time limit
            // ends it.
            return Flow::Hold;
        }
        self.hold_or_pass()
    }

    /// A request that has not passed must not move on, whatever part of it arrives. With
    /// `allow_on_headers_stop_iteration` Envoy brings the body and trailers while the headers are held.
    fn hold_or_pass(&self) -> Flow {
        let is_held = match (self.handled, &self.filter) {
            (Handled::Passed, _) => false,
            (Handled::Waits, Some(filter)) => filter.held.holds(self.id),
            (Handled::Waits, None) | (Handled::Replied, _) => true,
        };
        if is_held { Flow::Hold } else { Flow::Continue }
    }
}

impl<H: Host> Drop for RequestFilter<H> {
    fn drop(&mut self) {
        if let Some(filter) = &self.filter {
            filter.held.remove(self.id);
        }
    }
}
