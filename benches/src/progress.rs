//! What is being done, for whoever waits.

use std::time::Instant;

/// Tells of each step on standard error, with the time since the run began.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    began: Instant,
}

impl Default for Progress {
    fn default() -> Self {
        Self { began: Instant::now() }
    }
}

impl Progress {
    /// Tells what begins now.
    pub fn tell(&self, what: &str) {
        eprintln!("[{:>4} s] {what}", self.began.elapsed().as_secs());
    }
}
