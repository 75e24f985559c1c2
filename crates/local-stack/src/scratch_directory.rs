//! A directory for one run.
//!
//! A janitor makes it and removes it again: a process that waits until its standard input closes, however this
//! program ends. The directory is there only while its janitor is, so an interrupted demo never leaves a store
//! with its keys behind.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Child;

use anyhow::{Context as _, Result, ensure};

use crate::child_process::attendant_that_tells;

/// Makes a directory whose path begins with `$0` and tells it, in one line. Nobody may be there to read that.
const MAKE: &str = "trap '' PIPE; directory=$(mktemp -d \"$0XXXXXXXX\") || exit 1; echo \"$directory\"";

/// Removes the directory. Processes that still write to it are killed meanwhile by guardians of theirs, so it
/// may take several tries.
const REMOVE: &str = "tries=0; while [ -e \"$directory\" ] && [ $tries -lt 100 ]; do \
                      rm -rf -- \"$directory\" 2>/dev/null; \
                      [ -e \"$directory\" ] && sleep 0.1; tries=$((tries + 1)); done";

/// A directory that goes with this program, however that ends.
#[derive(Debug)]
pub struct ScratchDirectory {
    path: PathBuf,
    janitor: Child,
}

impl ScratchDirectory {
    /// Makes a directory whose name begins with `prefix`.
    ///
    /// # Errors
    ///
    /// When the system has no room for it.
    pub fn new(prefix: &str) -> Result<Self> {
        let begin = std::env::temp_dir().join(prefix);
        let mut janitor = attendant_that_tells(MAKE, REMOVE, begin.as_os_str())
            .context("starting the janitor of a directory")?;
        let told = janitor.stdout.take().context("a janitor without output")?;
        let mut line = String::new();
        BufReader::new(told).read_line(&mut line).context("listening to a janitor")?;
        let path = line.trim_end_matches('\n');
        ensure!(!path.is_empty(), "making a directory {}…", begin.display());
        Ok(Self { path: path.into(), janitor })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ScratchDirectory {
    fn drop(&mut self) {
        drop(self.janitor.stdin.take());
        // It fails only for a janitor that was killed; nobody removes the directory then.
        let _ = self.janitor.wait();
    }
}
