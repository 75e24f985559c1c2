//! Who may do what.

pub mod credential;
pub mod password;
