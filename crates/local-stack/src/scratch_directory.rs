//! A directory for one run.
//!
//! Dropping it removes it. A janitor covers what dropping cannot: when this program is interrupted or killed,
//! the janitor's standard input closes and it removes the directory. Without it, an interrupted demo would
//! leave a store with its keys behind.

use std::path::Path;
use std::process::Child;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::child_process::attendant;

/// Removes the directory `$0`. Processes that still write to it are killed meanwhile by guardians of theirs,
/// so it may take several tries.
const REMOVE: &str = "tries=0; while [ -e \"$0\" ] && [ $tries -lt 100 ]; do rm -rf -- \"$0\" 2>/dev/null; \
                      [ -e \"$0\" ] && sleep 0.1; tries=$((tries + 1)); done";

/// A directory that goes with this program, however that ends.
#[derive(Debug)]
pub struct ScratchDirectory {
    directory: TempDir,
    janitor: Child,
}

impl ScratchDirectory {
    /// Makes a directory whose name begins with `prefix`.
    ///
    /// # Errors
    ///
    /// When the system has no room for it.
    pub fn new(prefix: &str) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix(prefix).tempdir().context("making a directory")?;
        let janitor =
            attendant(REMOVE, directory.path().as_os_str()).context("starting the janitor of a directory")?;
        Ok(Self { directory, janitor })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for ScratchDirectory {
    fn drop(&mut self) {
        // Either fails only for a janitor that has ended already. The directory goes by itself then.
        let _ = self.janitor.kill();
        let _ = self.janitor.wait();
    }
}
