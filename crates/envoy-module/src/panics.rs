//! No panic leaves a hook.
//!
//! One that reached Envoy would end the process, and Envoy's crash dump shows the headers of the request that
//! was at work, with the credential in them. What a panic says is not logged either, because it may quote a
//! text: only where it happened.

use std::panic::{self, AssertUnwindSafe};

use crate::abi::{self, Level};

/// Something went wrong that must not. It was logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

/// Lets every panic of the module tell its place, and nothing else.
pub(crate) fn set_hook() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        abi::log(Level::Critical, &format!("a fault of the filter at {place}; what it was at is refused"));
    }));
}

/// Does what a hook is for.
pub(crate) fn caught<T>(hook: &str, work: impl FnOnce() -> T) -> Result<T, Panicked> {
    caught_quietly(|| {
        force(hook);
        work()
    })
}

/// The same of what is done after a panic.
pub(crate) fn caught_quietly<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    // What a panic leaves half done is not used again: a request is refused, and each cell of the heart holds
    // one value.
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked)
}

/// Panics in the hook that the environment names. The text stands for a secret that a panic could quote.
#[cfg(feature = "forced-panics")]
#[expect(clippy::panic, reason = "it is what this feature is for")]
fn force(hook: &str) {
    if std::env::var("LATCHKEY_FORCED_PANIC").is_ok_and(|forced| forced == hook) {
        panic!("forced-panic-secret");
    }
}

#[cfg(not(feature = "forced-panics"))]
const fn force(_hook: &str) {}
