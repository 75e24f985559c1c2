//! Who may do what.

pub mod anonymous;
pub(crate) mod api_key;
pub(crate) mod authentication;
pub(crate) mod authorization;
pub mod credential;
pub mod jwt;
pub(crate) mod key_permission;
pub(crate) mod key_strength;
pub mod login_throttle;
pub mod password;
pub mod password_cache;
pub mod realm;
pub mod realm_chain;
pub(crate) mod roles;
