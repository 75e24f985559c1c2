//! The REST interface from outside: each file is an endpoint or a theme, written from the contract with Elasticsearch's
//! clients. Requests go straight to the router, over a real store in a directory of their own; `process` starts the binary.
//!
//! `Contract n` above a case says what of Elasticsearch's behaviour it holds the service to: 1 what all requests share, 2 credentials,
//! 3 the words of a 403, 4 privileges, 5 formats and settings, 6 create, 7 get, 8 invalidate, 9 grant and clone, 10 query, 11 update,
//! 12 clear cache, 13 authenticate and has-privileges, 14 tokens, 15 what the official clients check. `Design n` is
//! Latchkey's own: 3 is the change feed.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends when it is wrong"
)]

mod authenticate;
mod cache;
mod cheap_hash;
mod clone;
mod connections;
mod create;
mod credentials;
mod cross_cluster;
mod edge_instances;
mod edges;
mod failed_logins;
mod feed;
mod follower;
mod grant;
mod has_privileges;
mod health;
mod hostile_bodies;
mod invalidate;
mod jwt;
mod last_page;
mod lifetimes;
mod limits;
mod list;
mod long_keys;
mod manual_clock;
mod native_users;
mod openapi;
#[path = "../../src/store/other_process.rs"]
mod other_process;
mod overload;
mod privileges;
mod process;
mod query;
mod realms;
mod removal;
mod roles;
mod root;
mod row_limits;
mod run_as;
#[path = "../../src/store/scratch.rs"]
mod scratch;
mod service;
mod shut_out;
mod tls;
mod tokens;
mod trail;
mod update;
mod vouching;
mod wait_for_edges;
