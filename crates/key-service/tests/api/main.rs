//! The REST interface from outside: each file is an endpoint or a theme, written from the contract with Elasticsearch's
//! clients. Requests go straight to the router, over a real store in a directory of their own; `process` starts the binary.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends when it is wrong"
)]

mod authenticate;
mod cache;
mod clone;
mod create;
mod credentials;
mod cross_cluster;
mod feed;
mod grant;
mod has_privileges;
mod health;
mod hostile_bodies;
mod invalidate;
mod jwt;
mod limits;
mod list;
mod native_users;
mod privileges;
mod process;
mod query;
mod realms;
mod removal;
mod roles;
mod root;
mod run_as;
mod service;
mod tokens;
mod trail;
mod update;
