//! What the filter costs in Envoy, beside everything else that could stand in its place.

pub mod accepted;
pub mod authoriser_process;
pub mod contender;
pub mod edge_config;
pub mod edge_stack;
pub mod rounds;
