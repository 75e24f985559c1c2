//! A soak: requests through two real Envoys and changes at the real key service for as long as one likes, while the
//! service restarts, listeners change, and an edge is cut off.
//!
//! The heart is [`model`], a pure function that says of each answer whether any state of the key explains it. The
//! rest starts processes, asks and changes, and notes when each thing began and ended.

mod asking;
mod book;
mod changing;
mod counts;
mod deck;
mod dice;
mod edge_process;
mod forwarder;
mod limits;
mod model;
mod pace;
mod plan;
mod report;
mod residents;
mod run;
mod service;
mod telling;

pub use plan::Plan;
pub use run::run;
