//! The key service: issues, finds, changes and ends API keys with the REST API of Elasticsearch, and feeds
//! them to the edges.
//!
//! Data runs one way: an operator's request goes through [`api`], which parses it, to one verb of the
//! [`store`], which writes the change and its audit event and wakes the [`feed`]. Who may ask for what is
//! decided in [`security`]. Time and random bytes come in from outside ([`clock`], [`randomness`]), so a test
//! can hold them.

pub mod api;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod console;
pub(crate) mod expiring_keys;
mod export_file;
pub(crate) mod fair_permits;
pub(crate) mod feed;
pub(crate) mod file_modes;
#[doc(hidden)]
pub mod fuzzing;
pub(crate) mod http_client;
pub(crate) mod lane;
pub mod limits;
pub mod log_line;
pub mod model;
pub(crate) mod pem_file;
pub(crate) mod quota_permits;
pub mod randomness;
pub(crate) mod remover;
pub mod security;
pub mod server;
pub mod service;
pub mod settings;
pub mod store;
pub mod telemetry;
pub(crate) mod traces;
pub(crate) mod usage;
