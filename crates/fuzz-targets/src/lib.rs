//! What is fuzzed: every reader of bytes that somebody else chose.
//!
//! Each target is a function over any bytes that panics when something does not hold: what is read is written
//! back the same, a second reader of the same bytes agrees, nothing is accepted that a simpler rule refuses,
//! and memory stays in proportion to the bytes. `make fuzz` runs them under libFuzzer, and the tests of this
//! crate run them on the corpus and on a fixed number of changed inputs.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a target fails by a panic"
)]

mod allocation;
#[cfg(feature = "service")]
mod body_formats;
mod credential;
#[cfg(feature = "service")]
mod export_file;
mod feed_answer;
mod filter_config;
mod headers;
mod input;
mod json;
#[cfg(feature = "service")]
mod jwt;
mod mutation;
mod query;
mod rest_bodies;
mod role_descriptors;
mod rules;
mod table_page;
mod time_values;

#[cfg(feature = "service")]
pub use body_formats::body_formats;
pub use credential::credential;
#[cfg(feature = "service")]
pub use export_file::export_file;
pub use feed_answer::feed_answer;
pub use filter_config::filter_config;
pub use headers::headers;
#[cfg(feature = "service")]
pub use jwt::jwt;
pub use mutation::Mutator;
pub use query::query;
pub use rest_bodies::rest_bodies;
pub use role_descriptors::role_descriptors;
pub use rules::rules;
pub use table_page::table_page;
pub use time_values::time_values;

#[cfg(test)]
mod tests;
