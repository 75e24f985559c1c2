//! Writing a file so that whoever reads it sees the old one or the whole new one.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::data_directory::private_file;
use crate::randomness::{SystemRandomness, draw};

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
        // Nobody can have put a file or a link there, and no two files that are written share one.
        let drawn: [u8; 8] = draw(&SystemRandomness).map_err(io::Error::other)?;
        let suffix: String = drawn.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut next = OsString::from(path);
        next.push(format!(".{suffix}.next"));
        let next = PathBuf::from(next);
        let file = private_file().write(true).create_new(true).open(&next)?;
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn what_somebody_has_put_there_is_neither_written_nor_followed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("victim"), "old").unwrap();
        symlink(at("victim"), at("key.next")).unwrap();
        let (one, other) =
            (ReplacedFile::begin(&at("key")).unwrap(), ReplacedFile::begin(&at("key")).unwrap());
        writeln!(one.file(), "one").unwrap();
        writeln!(other.file(), "other").unwrap();
        one.commit_new().unwrap();
        assert_eq!(other.commit_new().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(at("key")).unwrap(), "one\n");
        assert_eq!(fs::read_to_string(at("victim")).unwrap(), "old");
        assert_eq!(fs::metadata(at("key")).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3, "nothing is left beside them");
    }
}
