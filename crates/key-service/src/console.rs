//! The console over the interface: where its pages ask, and where they are.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::{Extension, Router};
use latchkey_console::limits::SESSION_RANDOM_LEN;
use latchkey_console::{ConsoleParts, Rest, SessionTimes, Surroundings, console};
use latchkey_key_feed::{MonotonicMillis, UnixMillis};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::model::asked_via::AskedVia;
use crate::model::source::{AddressBlock, Network, Source};
use crate::randomness::{Randomness, draw};

/// Time, random bytes and sources of this process, as the console takes them.
pub struct OfTheService {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where random bytes are drawn.
    pub randomness: Arc<dyn Randomness>,
    /// Proxies whose `X-Forwarded-For` says where a request came from.
    pub trusted_proxies: Vec<AddressBlock>,
}

impl Surroundings for OfTheService {
    fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    fn steady(&self) -> MonotonicMillis {
        self.clock.steady()
    }

    fn random(&self) -> Option<[u8; SESSION_RANDOM_LEN]> {
        draw(self.randomness.as_ref()).ok()
    }

    fn network(&self, request: &Parts) -> Option<IpAddr> {
        let ConnectInfo(peer) = request.extensions.get::<ConnectInfo<SocketAddr>>()?;
        let source = Source::of(*peer, &request.headers, &self.trusted_proxies);
        // As connections are counted.
        let is_counted = !source.address.is_loopback() && !source.is_in(&self.trusted_proxies);
        is_counted.then(|| Network::of(source).address())
    }
}

/// The interface with the console beside it.
pub fn with_console(
    interface: Router,
    times: SessionTimes,
    surroundings: OfTheService,
    speaks_tls: bool,
    stopping: watch::Receiver<bool>,
) -> Router {
    let pages = console(ConsoleParts {
        rest: Rest::new(interface.clone().layer(Extension(AskedVia::Console))),
        surroundings: Arc::new(surroundings),
        times,
        speaks_tls,
        stopping,
    });
    pages.fallback_service(interface)
}
