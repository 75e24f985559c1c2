//! The filter as a native Envoy dynamic module: the second shell around the heart of [`latchkey_filter`].
//!
//! ```text
//! timer ──tick──▶ main thread: one root per configuration ──calls──▶ key service
//!                       │ writes
//!                 table, once a process
//!                       ▲ read
//! client ──request──▶ workers: one root per configuration and thread, which only decides
//! ```
//!
//! It translates between Envoy's ABI and [`latchkey_filter::host`], and holds no rule. A panic is caught at
//! every hook and becomes a refusal: Envoy lives, and writes no request into its log.

mod abi;
mod clocks;
mod hooks;
mod limits;
mod main_thread;
mod module_host;
mod objects;
mod panics;
mod plugin;
mod requests;
mod streams;
mod table_files;
mod timer;
mod unused_hooks;
mod waiting;
mod worker;

#[cfg(test)]
mod tests;
