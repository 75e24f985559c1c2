//! The REST interface from outside: each file is an endpoint or a theme, written from the contract with Elasticsearch's
//! clients. Requests go straight to the router, over a real store in a directory of their own; `process` starts the binary.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends when it is wrong"
)]

mod authenticate;
mod create;
mod credentials;
mod feed;
mod health;
mod invalidate;
mod limits;
mod list;
mod process;
mod root;
mod service;
mod tokens;
mod trail;
