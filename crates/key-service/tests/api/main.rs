//! The REST interface from outside: each file is an endpoint or a theme. Requests go straight to the router,
//! over a real store in a directory of their own; `process` starts the binary.
//!
//! The tests hold the service to what Elasticsearch answers, as `docs/elasticsearch.md` sums it up. A comment
//! above a case names the class of Elasticsearch that has the rule, where the rule is not plain from the
//! case.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends when it is wrong"
)]

mod audit_endpoint;
mod audit_log;
mod authenticate;
mod body_formats;
mod cache;
mod cheap_hash;
mod clone;
mod cluster;
mod compressed_bodies;
mod connections;
mod console;
mod create;
mod credentials;
mod cross_cluster;
mod differences;
mod edge_instances;
mod edge_reports;
mod edges;
mod elastic_programs;
mod elasticsearch_page;
mod failed_logins;
mod feed;
mod feed_versions;
mod follower;
mod grant;
mod has_privileges;
mod health;
mod hostile_bodies;
mod invalidate;
mod jwt;
mod key_import;
mod last_page;
mod lifetimes;
mod list;
mod long_keys;
mod manual_clock;
mod native_users;
mod numbers;
mod openapi;
#[path = "../../src/store/other_process.rs"]
mod other_process;
mod overload;
mod privileges;
mod process;
mod query;
mod query_directory;
mod query_pages;
mod realms;
mod recorded_feeds;
mod removal;
mod request_limits;
mod roles;
mod root;
mod rotation;
mod row_limits;
mod run_as;
#[path = "../../src/store/scratch.rs"]
mod scratch;
mod searched_log;
mod secret_forms;
mod service;
mod service_accounts;
mod shut_out;
mod tls;
mod tokens;
mod update;
mod usage;
mod verified_passwords;
mod vouching;
mod wait_for_edges;
