//! The filter inside a real Envoy.
//!
//! Most cases run against a key service that a test controls to the byte; the story of the demo, revocation
//! and restarts run against the real one. Conditions are awaited and no time is asserted, so a slow machine
//! is only slow.

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]
#![expect(clippy::panic, reason = "a failing test may panic")]
#![expect(clippy::indexing_slicing, reason = "a failing test may panic")]

mod accepted_rows;
mod acknowledgement;
mod authentication;
mod build_info;
mod clock;
mod clusters;
mod company;
mod credential;
mod credential_file;
mod credentials;
mod departure;
mod dns;
mod draining;
mod dynamic;
mod extreme_keys;
mod feed_faults;
mod following;
mod hostile;
mod hot_restart;
mod identity;
mod instances;
mod life_of_a_key;
mod migrating;
mod mutations;
mod native;
mod opaque;
mod protocols;
mod recipes;
mod recorded_feeds;
mod remote_code;
mod replicas;
mod replies;
mod rights;
mod rows;
mod rules;
mod samples;
mod secrecy;
mod shells;
mod sources;
mod stage;
mod staleness;
mod start_up;
mod story;
mod table_file;
mod tls;
mod traffic;
mod updates;
mod usage;
mod vm_faults;
