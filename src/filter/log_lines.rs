//! A bound on what a thread logs about one kind of thing.

use std::cell::Cell;
use std::time::Duration;

use latchkey_key_feed::MonotonicMillis;

use crate::limits::{LINES_MAX, LINES_MS};

/// How many lines of the log told of one kind of thing lately.
#[derive(Debug, Default)]
pub struct LogLines {
    since: Cell<MonotonicMillis>,
    lines: Cell<u32>,
}

impl LogLines {
    /// Whether one more line may be logged now; if so it counts.
    pub fn may_log(&self, now: MonotonicMillis) -> bool {
        if now >= self.since.get().plus(Duration::from_millis(LINES_MS)) {
            self.since.set(now);
            self.lines.set(0);
        }
        let lines = self.lines.get();
        self.lines.set(lines.saturating_add(1));
        lines < LINES_MAX
    }
}
