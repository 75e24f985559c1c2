//! The REST interface: how requests are read and how answers and errors are written.

pub mod content;
pub mod error;
pub mod media_type;
pub mod parameters;
pub mod routing;
mod suggestion;
pub mod time_value;
