//! The proxy-wasm host: it translates between the calls of the ABI and [`crate::host`], and holds no rule. A
//! rule found here is in the wrong room.
//!
//! The ABI is spoken by hand and not through its SDK, which copies each header twice, panics on answers that
//! it does not expect, and looks each context up in three maps.
//!
//! What the host does and this room relies on (Envoy 1.39):
//!
//! * Resuming a request and replying in its place happen after the callback that asked for it, so no callback
//!   is ever re-entered. Those that one callback asked for run one inside the end of the other, so it may ask
//!   for few ([`crate::limits::SETTLED_PER_TICK_MAX`]).
//! * A canary VM checks a configuration and vanishes, its calls with it. So nothing is asked of the service
//!   before the first tick.
//! * Ticks, calls and their answers belong to a root context. A new configuration makes a new one, and both
//!   run until the old one's requests have ended.

mod abi;
mod callbacks;
mod contexts;
mod envoy_host;
mod requests;
mod shared_data;
