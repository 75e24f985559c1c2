//! The service as programs see it that are not ours: Elasticsearch's official clients, and curl.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends when it is wrong"
)]

mod documentation;
mod elastic;
mod scan;
mod service;
