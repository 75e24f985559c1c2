//! A real Envoy, a real key service and a real upstream on one machine.
//!
//! Everything here is real processes and real sockets: the demo, the measurements and the end-to-end tests
//! all stand on it. Ports are bound before they are told, conditions are awaited instead of times, and no
//! process and no file outlives its owner.

pub mod acknowledgement;
pub mod child_process;
pub mod demo;
pub mod dns_server;
pub mod envoy;
pub mod envoy_config;
pub mod fake_key_service;
pub mod file_server;
pub mod http;
mod http_server;
pub mod key_service;
pub mod listener_file;
pub mod output;
pub mod places;
pub mod playground;
pub mod port;
pub mod postgres;
pub mod rate_limit_service;
pub mod recorded_feed;
pub mod replicas;
pub mod revocation;
pub mod scratch_directory;
pub mod secrecy;
pub mod shell;
pub mod stack;
pub mod times;
pub mod upstream;
pub mod users_file;
pub mod wait;
mod without_wasm;
pub mod workers;
