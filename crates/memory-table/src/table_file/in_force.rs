//! The file that a restart would begin with, and its end before anything later is acknowledged.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use latchkey_filter::table::Generation;
use latchkey_key_feed::{Cursor, UnixMillis};

/// A file by which a restart would admit. Nobody else may begin with it before this is gone, whether the table is still
/// kept in a file or not.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    pub(crate) path: PathBuf,
    pub(crate) lock: Arc<File>,
    pub(crate) generation: Generation,
    /// What it holds.
    pub(crate) cursor: Cursor,
    /// Until when it may admit.
    pub(crate) until: UnixMillis,
}

impl InForce {
    /// Whether it holds everything up to there of that table.
    pub(crate) fn holds(&self, generation: Generation, cursor: Cursor) -> bool {
        self.generation == generation && self.cursor >= cursor
    }

    /// Removes it, so that it is gone whatever happens to the machine.
    ///
    /// # Errors
    ///
    /// Those of the file system, while the file may admit.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let removed = match fs::remove_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        };
        let gone = removed.and_then(|()| sync_folder_of(&self.path));
        if wall_clock() > self.until { Ok(()) } else { gone }
    }
}

/// Makes durable which files there are.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// The wall clock.
pub(crate) fn wall_clock() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
