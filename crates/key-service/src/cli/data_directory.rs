//! The directory in which a service keeps its store.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::CommandFailed;
use crate::cli::replaced_file::ReplacedFile;
use crate::file_modes::{refuse_written_by_all, warn_if_replaced_by_all};

/// A data directory that this process has to itself, for as long as this value lives.
///
/// Two services on one directory would not wake each other's followers: a revocation would wait for the end
/// of a poll.
#[derive(Debug)]
pub(super) struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

impl DataDirectory {
    /// Makes the directory if there is none, readable to this user alone, and takes it.
    pub(super) fn take(path: &Path) -> Result<Self, CommandFailed> {
        make_private(path).map_err(|error| CommandFailed::io("make the directory", path, &error))?;
        let path =
            path.canonicalize().map_err(|error| CommandFailed::io("find the directory", path, &error))?;
        refuse_written_by_all(&path)?;
        warn_if_replaced_by_all(&path);
        let entries = fs::read_dir(&path).map_err(|error| CommandFailed::io("look into", &path, &error))?;
        for entry in entries.flatten() {
            refuse_written_by_all(&entry.path())?;
        }
        let lock_file = path.join("latchkey.lock");
        let lock = private_file()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_file)
            .map_err(|error| CommandFailed::io("open", &lock_file, &error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(CommandFailed::new(format!(
                "another process uses the directory {}; stop it first",
                path.display()
            ))),
            Err(TryLockError::Error(error)) => Err(CommandFailed::io("lock", &lock_file, &error)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file of the store. It is made here, because SQLite would make it readable to others.
    pub(super) fn store_file(&self) -> Result<PathBuf, CommandFailed> {
        let file = store_file_in(&self.path);
        private_file()
            .append(true)
            .create(true)
            .open(&file)
            .map_err(|error| CommandFailed::io("open", &file, &error))?;
        Ok(file)
    }
}

/// The file of the store in a data directory.
fn store_file_in(directory: &Path) -> PathBuf {
    directory.join("latchkey.db")
}

/// The same, which must be there.
pub(super) fn existing_store_file(directory: &Path) -> Result<PathBuf, CommandFailed> {
    let file = store_file_in(directory);
    match file.try_exists() {
        Ok(true) => Ok(file),
        Ok(false) => Err(CommandFailed::new(format!("there is no store in {}", directory.display()))),
        Err(error) => Err(CommandFailed::io("find", &file, &error)),
    }
}

/// Options that make a file readable to its owner alone.
pub(super) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Replaces a file as a whole: whoever reads it sees the old text or the new, also after a power cut.
pub(super) fn replace_file(path: &Path, text: &str) -> io::Result<()> {
    let next = ReplacedFile::begin(path)?;
    io::Write::write_all(&mut next.file(), text.as_bytes())?;
    next.commit()
}

/// Makes a directory, and those above it, for this user alone.
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
