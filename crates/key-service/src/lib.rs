//! The key service.

pub mod audit;
pub mod clock;
pub mod feed;
pub mod limits;
pub mod randomness;
pub mod security;
pub mod server;
pub mod settings;
pub mod store;
pub mod telemetry;
