//! Elasticsearch's rules that have nothing to do with HTTP: how a request body is read, what an error says,
//! how time values and wildcards are written.
//!
//! All of it is pure: no IO, no clock, no random bytes.

pub mod byte_size;
pub mod content;
mod error_cause;
pub mod suggestion;
mod time_value;
mod validation_problems;
pub mod wildcard;

pub use error_cause::{ErrorCause, ErrorType};
pub use time_value::TimeValue;
pub use validation_problems::ValidationProblems;
