//! The Latchkey filter: an API-key gate inside the proxy.

pub mod config;
pub mod credential;
pub mod denial;
pub mod gate;
pub mod header_value;
pub mod identity;
pub mod limits;
pub mod metrics;
pub mod refresh;
pub mod reply;
pub mod table;
