//! The Latchkey filter: an API-key gate inside the proxy.

pub mod config;
pub mod credential;
pub mod denial;
pub mod header_value;
pub mod identity;
pub mod limits;
pub mod reply;
