//! The console over the interface: where its pages ask, and where they are.

use std::sync::Arc;

use axum::{Extension, Router};
use latchkey_console::limits::SESSION_RANDOM_LEN;
use latchkey_console::{ConsoleParts, Rest, SessionTimes, Surroundings, console};
use latchkey_key_feed::{MonotonicMillis, UnixMillis};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::model::asked_via::AskedVia;
use crate::randomness::{Randomness, draw};

/// Time and random bytes of this process, as the console takes them.
struct OfTheService {
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
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
}

/// The interface with the console beside it.
pub fn with_console(
    interface: Router,
    times: SessionTimes,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    speaks_tls: bool,
    stopping: watch::Receiver<bool>,
) -> Router {
    let pages = console(ConsoleParts {
        rest: Rest::new(interface.clone().layer(Extension(AskedVia::Console))),
        surroundings: Arc::new(OfTheService { clock, randomness }),
        times,
        speaks_tls,
        stopping,
    });
    pages.fallback_service(interface)
}
