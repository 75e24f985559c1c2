//! The Latchkey filter: an API-key gate inside the proxy.
//!
//! ```text
//! key service ──feed──▶ refresh ──▶ table ──▶ gate ──▶ identity ──▶ upstream
//!                                              ▲  └──▶ reply ──▶ client
//!                                          request
//! ```
//!
//! Every module but `proxy` is pure: the time, random numbers and the proxy's shared data come in as
//! arguments. [`filter`] puts the others together over any [`host`], so all that matters is tested without a
//! proxy. `proxy` is the proxy-wasm host: it holds no rule, and only exists in the WebAssembly build.

pub mod clock;
pub mod config;
pub mod credential;
pub mod denial;
pub mod filter;
pub mod gate;
pub mod headers;
pub mod host;
pub mod identity;
pub mod limits;
pub mod metrics;
pub mod refresh;
pub mod reply;
pub mod rights;
pub mod rules;
pub mod table;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod usage;

#[cfg(target_arch = "wasm32")]
mod proxy;
