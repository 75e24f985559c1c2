//! The step after the filter's build: the module keeps what the filter and the host have to say to each
//! other, and nothing else.
//!
//! An SDK exports a function for every event of a proxy, and the host calls each one it finds: about a
//! microsecond a request for events that the filter would only wave through. It also imports every call of
//! the host that a filter could make, because each is a method of its traits; a host that restricts the
//! filter to what it needs (Envoy, `capability_restriction_config`) would have to allow calls that are never
//! made. What nothing reaches any more goes as well, and functions that are alike become one, so the module
//! is smaller and compiles faster.

mod merging;
pub mod surface;
pub mod trim;
