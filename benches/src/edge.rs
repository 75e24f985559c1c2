//! What the filter costs in Envoy, beside everything else that could stand in its place.

pub mod accepted;
pub mod authoriser_process;
pub mod contender;
pub mod edge_config;
pub mod edge_stack;
pub mod first_load;
pub mod gated_edge;
pub mod protocols;
pub mod refused;
pub mod revocation;
pub mod rounds;
pub mod routes;
pub mod start_up;
pub mod tables;
pub mod traffic;
pub mod workers;
