//! The service as programs see it that are not ours: Elasticsearch's official clients.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends when it is wrong")]

mod elastic;
mod service;
