//! The key service.

pub mod audit;
pub mod clock;
pub mod limits;
pub mod randomness;
pub mod security;
pub mod store;
