//! Writing a file so that whoever reads it sees the old one or the whole new one.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::data_directory::private_file;

/// A file that takes the place of another once it is whole, readable to its owner alone. Dropped before, it
/// leaves no trace.
#[derive(Debug)]
pub(super) struct ReplacedFile {
    file: File,
    next: PathBuf,
    path: PathBuf,
    committed: bool,
}

impl ReplacedFile {
    /// Begins an empty file beside the one of this name.
    pub(super) fn begin(path: &Path) -> io::Result<Self> {
        let mut next = OsString::from(path);
        next.push(".next");
        let next = PathBuf::from(next);
        let file = private_file().write(true).create(true).truncate(true).open(&next)?;
        Ok(Self { file, next, path: path.to_owned(), committed: false })
    }

    /// The file that is being written.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Its name until it is whole.
    pub(super) fn path_meanwhile(&self) -> &Path {
        &self.next
    }

    /// Puts it in its place, also for the case of a power cut.
    pub(super) fn commit(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.next, &self.path)?;
        self.committed = true;
        self.sync_directory()
    }

    /// The same, where nothing may be in that place.
    pub(super) fn commit_new(self) -> io::Result<()> {
        self.file.sync_all()?;
        // Unlike a renaming, a link takes nobody's place. This name of the file goes when the value does.
        fs::hard_link(&self.next, &self.path)?;
        self.sync_directory()
    }

    fn sync_directory(&self) -> io::Result<()> {
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for ReplacedFile {
    fn drop(&mut self) {
        if !self.committed {
            let _ = fs::remove_file(&self.next);
        }
    }
}
