//! A proxy that does as it is told, for tests, simulations and benches.

pub mod any_table;
mod fake_call;
mod fake_clocks;
mod fake_host;
mod fake_request;
mod fake_shared_data;
pub mod feed_answers;
mod route_metadata;

pub use fake_call::{HostCall, SentCall};
pub use fake_clocks::{FakeClocks, START, WALL_START};
pub use fake_host::{FakeHost, FakePlace};
pub use fake_request::{FakeAnswer, FakeRequest, LentHeaders, RequestState};
pub use fake_shared_data::FakeSharedData;
pub use route_metadata::route_metadata;
