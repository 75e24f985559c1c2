//! What the console needs of the process that it is in.

use std::net::IpAddr;

use axum::http::request::Parts;
use latchkey_key_feed::{MonotonicMillis, UnixMillis};

use crate::limits::SESSION_RANDOM_LEN;

/// Time, random bytes, and where requests come from. They come in from outside, so that a test can say them.
pub trait Surroundings: Send + Sync {
    /// The moment by the clock on the wall, for what people read.
    fn now(&self) -> UnixMillis;

    /// The moment by a clock that only moves forward, for how long a session lives.
    fn steady(&self) -> MonotonicMillis;

    /// Random bytes fit for secrets; `None` when the system has none. Nothing secret is made then.
    fn random(&self) -> Option<[u8; SESSION_RANDOM_LEN]>;

    /// The network that a request came from, in which the key service counts sources; `None` where that is not known, and
    /// for whom it does not count: this machine, and proxies that it trusts.
    fn network(&self, request: &Parts) -> Option<IpAddr>;
}
