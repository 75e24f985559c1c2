//! Waiting for a condition instead of for a time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long a condition may take before it is given up. A generous multiple of what the slowest machine
/// needs, because reaching it only ever ends a failing run.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Pause between two looks at a condition: short against anything a person notices.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Looks until `look` returns something, and returns that.
///
/// # Errors
///
/// When [`PATIENCE`] ends first, naming `what` was awaited; or as soon as `look` fails.
pub fn until<T>(what: &str, look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    patiently(PATIENCE, what, look)
}

/// The same for what may take longer, or less.
///
/// # Errors
///
/// As [`until`], after `patience`.
pub fn patiently<T>(
    patience: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            bail!("waited {} s in vain until {what}", patience.as_secs());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
