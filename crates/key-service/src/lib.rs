//! The key service: everything about the life of an API key.

pub mod api;
pub mod security;
