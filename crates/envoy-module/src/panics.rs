//! No panic leaves a hook.
//!
//! One that reached Envoy would end the process, and Envoy's crash dump shows the headers of the request that
//! was at work, with the credential in them. What a panic says is not logged either, because it may quote a
//! text: only where it happened.

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};

use latchkey_filter::filter::LogLines;

use crate::abi::{self, Level};
use crate::clocks;

/// Something went wrong that must not. It was logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

/// Panics that no metric counts yet. They come on any thread, and counting them is for the main thread.
static UNCOUNTED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static LINES: LogLines = LogLines::default();
}

/// Lets every panic of the module tell its place, and nothing else.
pub(crate) fn set_hook() {
    panic::set_hook(Box::new(|panic| {
        UNCOUNTED.fetch_add(1, Ordering::Relaxed);
        tell(&panic.location().map(ToString::to_string).unwrap_or_default());
    }));
}

/// How many panics there were since this was asked last.
pub(crate) fn uncounted() -> u64 {
    UNCOUNTED.swap(0, Ordering::Relaxed)
}

/// Tells the place of a panic. Whoever sends requests may choose how often the same one comes, and a tick that panics
/// does so again and again, so the lines are bounded.
pub(crate) fn tell(place: &str) {
    // Without a clock time stands still for the bound. A thread that is about to end tells nothing.
    let now = clocks::monotonic().unwrap_or_default();
    if LINES.try_with(|lines| lines.may_log(now)).unwrap_or(false) {
        abi::log(Level::Critical, &format!("a fault of the filter at {place}; what it was at is refused"));
    }
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

#[cfg(test)]
thread_local! {
    /// The hook that panics on this thread.
    pub(crate) static FORCED: std::cell::Cell<&'static str> = const { std::cell::Cell::new("") };
}

/// Panics in the hook that the environment names. The text stands for a secret that a panic could quote.
#[cfg(any(test, feature = "forced-panics"))]
#[expect(clippy::panic, reason = "it is what this feature is for")]
fn force(hook: &str) {
    #[cfg(test)]
    let is_forced = FORCED.get() == hook;
    #[cfg(not(test))]
    let is_forced = std::env::var("LATCHKEY_FORCED_PANIC").is_ok_and(|forced| forced == hook);
    if is_forced {
        panic!("forced-panic-secret");
    }
}

#[cfg(not(any(test, feature = "forced-panics")))]
const fn force(_hook: &str) {}
