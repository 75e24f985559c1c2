//! A request context: the callbacks of one request.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use super::local_reply;
use super::plugin::{Handled, Plugin};
use crate::denial::{Denial, Unavailable};
use crate::headers::HeaderPairs;
use crate::reply::Reply;

pub(super) struct RequestFilter {
    context_id: u32,
    /// Absent when no configuration has been accepted.
    plugin: Option<Rc<Plugin>>,
    /// What its headers came to; before that, nothing has passed.
    handled: Handled,
}

impl RequestFilter {
    pub(super) fn new(context_id: u32, plugin: Option<Rc<Plugin>>) -> Self {
        Self { context_id, plugin, handled: Handled::Replied }
    }

    /// A request that has not passed must not move on, whatever part of it arrives. The SDK's default for these callbacks would let it:
    /// with `allow_on_headers_stop_iteration` the host calls them while the headers are held.
    fn hold_or_pass(&self) -> Action {
        let is_held = match (self.handled, &self.plugin) {
            (Handled::Passed, _) => false,
            (Handled::Waits, Some(plugin)) => plugin.holds(self.context_id),
            (Handled::Waits, None) | (Handled::Replied, _) => true,
        };
        if is_held { Action::Pause } else { Action::Continue }
    }
}

impl Context for RequestFilter {}

impl HttpContext for RequestFilter {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        let Some(plugin) = &self.plugin else {
            let denial = Denial::Unavailable(Unavailable::TableAbsent);
            local_reply::send(&Reply::to(denial, &HeaderPairs::default(), std::time::Duration::ZERO));
            return Action::Pause;
        };
        self.handled = plugin.handle(self.context_id);
        match self.handled {
            Handled::Passed => Action::Continue,
            Handled::Replied | Handled::Waits => Action::Pause,
        }
    }

    fn on_http_request_body(&mut self, _body_size: usize, _end_of_stream: bool) -> Action {
        self.hold_or_pass()
    }

    fn on_http_request_trailers(&mut self, _num_trailers: usize) -> Action {
        if let Some(plugin) = &self.plugin
            && plugin.clean_trailers().is_err()
        {
            // Held, until the client or a time limit ends it: the upstream must not see them.
            return Action::Pause;
        }
        self.hold_or_pass()
    }
}

impl Drop for RequestFilter {
    fn drop(&mut self) {
        if let Some(plugin) = &self.plugin {
            plugin.forget(self.context_id);
        }
    }
}
