//! Who may do what.

pub mod anonymous;
pub mod api_key;
pub mod authentication;
pub mod credential;
pub mod jwt;
pub mod key_permission;
pub mod login_throttle;
pub mod password;
pub mod realm;
pub mod realm_chain;
pub mod roles;
pub mod standing;
