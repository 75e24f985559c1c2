//! Which version this is, and which commit it was built from.
//!
//! Only a release knows its commit: `tools/release` sets `LATCHKEY_COMMIT` for its builds. Other builds say
//! `unknown`, so a new commit does not compile everything again. What depends on the commit is in this crate
//! alone.

/// The version of all crates.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit: a prefix of its hash, with `-dirty` when something was changed since; or `unknown`.
pub const COMMIT: &str = env!("LATCHKEY_COMMIT");

/// Both, as `latchkey version` says them.
pub const VERSION_AND_COMMIT: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (commit ", env!("LATCHKEY_COMMIT"), ")");

/// What the filter calls itself in its requests and in the log. It has the form of a `User-Agent`.
pub const FILTER: &str =
    concat!("latchkey-filter/", env!("CARGO_PKG_VERSION"), " (commit ", env!("LATCHKEY_COMMIT"), ")");
