//! A minimal authoriser for `ext_authz`: knows a set of keys, and answers by HTTP/1.1 and by gRPC who asks.
//!
//! It does the least that an authoriser can do, one look into a map, so that what is measured is the way
//! there and back.

mod check;
mod server;

pub use server::serve;
