//! The rules of the filter, over a host that does as it is told.

mod counting;
mod departure;
mod fail_closed;
mod following;
mod model;
mod observing;
mod reporting;
mod requests;
mod rights;
mod routes;
mod rules;
mod sources;
mod waiting;
