//! What an API key costs, measured: the filter beside its peers, and the key service, on one machine in one
//! run.
//!
//! Everything runs as it would in earnest: a real Envoy, release builds, a load generator of its own. What is
//! compared is measured in rounds that visit every contender, each round in another order, and reported as
//! the median of the rounds with its spread ([`samples`]). `docs/performance.md` says what the numbers mean.

pub mod accounting;
pub mod authoriser;
pub mod bench;
pub mod chart;
pub mod cores;
pub mod edge;
pub mod figure;
pub mod growth;
pub mod key_set;
pub mod load;
pub mod machine;
pub mod micro;
pub mod page;
pub mod progress;
pub mod report;
pub mod samples;
pub mod sections;
pub mod service;
