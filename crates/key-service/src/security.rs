//! Who may do what.

pub mod anonymous;
pub mod api_key;
pub mod application_privilege;
pub mod authentication;
pub mod caller;
pub mod credential;
pub mod jwt;
pub mod key_permission;
pub mod login_throttle;
pub mod password;
pub mod permission;
pub mod privilege;
pub mod realm;
pub mod realm_chain;
pub mod request;
pub mod role_descriptor;
pub mod roles;
pub mod source;
pub mod standing;
pub mod token;
pub mod user_file;
pub mod vouching;
pub mod wildcard;
