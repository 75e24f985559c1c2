//! A deterministic simulation of a fleet, from a seed.
//!
//! It drives the real filter of every VM of every process of several edges, the real follower, the real tables,
//! and the real ledger of edges of the key service, over hosts, a network, clocks and a store that are
//! simulated. A seed decides what happens, in which order, and in the middle of what.
//!
//! | part | is |
//! |------|----|
//! | `invariants` | what is promised |
//! | [`Case`] | one run: a [`Setting`] and a schedule of [`Step`]s |
//! | `world` | the fleet and its service, and what each act does to them (`acts`, `asking`, `quiet`) |
//! | `proxy` | an edge: its processes, threads, VMs and plugins, on one of two kinds of [`host`] |
//! | `disk` | the files in which processes of the native module keep their tables |
//! | `service` | the replicas of the key service, over one `store` |
//! | `history`, `promises` | what the service has said of keys, and what was promised to whom |
//! | [`mod@shrink`] | leaving out what a failure does not need |

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "it is a test, and a mistake of its own may stop it"
)]

mod acts;
mod asking;
mod configs;
mod dice;
mod disk;
mod history;
pub mod host;
mod invariants;
mod keys;
mod last_page;
mod network;
mod operating;
mod promises;
mod proxy;
mod quiet;
mod run;
mod schedule;
mod service;
mod setting;
mod shrink;
mod store;
mod trace;
mod world;

pub use invariants::{Broken, Promise};
pub use run::{Case, Tables};
pub use schedule::{Act, Damage, Step};
pub use setting::Setting;
pub use shrink::shrink;

#[cfg(test)]
mod tests;
