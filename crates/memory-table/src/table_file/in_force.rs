//! The file that a restart would begin with, and its end before anything later is acknowledged.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use latchkey_filter::clock::Moment;
use latchkey_filter::table::Generation;
use latchkey_key_feed::Cursor;

/// Both clocks of the machine; `None` when one of them does not tell.
pub type MachineClocks = fn() -> Option<Moment>;

/// A file by which a restart would admit. Nobody else may begin with it before this is gone, whether the table is still
/// kept in a file or not.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    pub(crate) path: PathBuf,
    pub(crate) lock: Arc<File>,
    pub(crate) generation: Generation,
    /// What it holds.
    pub(crate) cursor: Cursor,
    /// Until when it may admit. It is over when both clocks say so: one of them may be set, and the other sleeps.
    pub(crate) until: Moment,
    pub(crate) clocks: MachineClocks,
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
        if self.is_over() { Ok(()) } else { gone }
    }

    fn is_over(&self) -> bool {
        let Moment { wall, monotonic } = self.until;
        (self.clocks)().is_some_and(|now| now.wall > wall && now.monotonic > monotonic)
    }
}

/// Makes durable which files there are.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
