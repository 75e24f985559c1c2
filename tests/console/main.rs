//! The console as people see it: real pages in a real Chromium, of a real key service, which a real Envoy follows.
//!
//! A scenario is a script that drives the browser. It tells a sentence for each step that held, and starts one browser for
//! all of them, since that is what takes time. `make browser` brings what it needs.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]

mod browser;
mod edges;
mod screenshots;
mod users;
