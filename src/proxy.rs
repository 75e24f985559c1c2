//! The only room that talks to the proxy. It translates between the host's calls and the pure modules, and holds no rule about
//! keys: a rule found here is in the wrong room.
//!
//! One [`plugin::Plugin`] stands behind each configuration; the root context brings it ticks and answers, request contexts bring it requests.
//!
//! What the host does and this room relies on (Envoy 1.39):
//!
//! * Resuming a request and replying in its place happen after the callback that asked for it, so no callback is ever re-entered.
//! * A canary VM checks a configuration and vanishes, its calls with it. So nothing is asked of the service before the first tick.
//! * Ticks, calls and their answers belong to a root context. A new configuration makes a new one, and both run until the old one's requests have ended.

mod abi;
mod feed_call;
mod leaving;
mod local_reply;
mod plugin;
mod request_filter;
mod root;
mod shared_data;
mod stats;
mod waiting_room;

use proxy_wasm::types::LogLevel;

use self::root::FilterRoot;

/// Called by the host once for each VM, before anything else.
pub(crate) fn start() {
    // Also installs the hook that logs a panic; so it comes first.
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|context_id| Box::new(FilterRoot::new(context_id)));
}
