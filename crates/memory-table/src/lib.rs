//! The key table in plain memory, for a shell of the filter that lives in one process with Envoy.

mod process_entries;

pub use process_entries::ProcessEntries;
