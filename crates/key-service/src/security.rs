//! Who may do what.

pub mod caller;
pub mod permission;
pub mod privilege;
pub mod request;
pub mod role_descriptor;
pub mod wildcard;
