//! Files that are made together: all of them, or none.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::cli::CommandFailed;
use crate::cli::data_directory::{make_private, private_file};
use crate::file_modes::refuse_written_by_all;

/// Files in one directory, readable to their owner alone. Dropped before they are kept, they are gone.
#[derive(Debug)]
pub(super) struct NewFiles {
    directory: PathBuf,
    is_directory_new: bool,
    made: Vec<PathBuf>,
}

impl NewFiles {
    /// Makes the directory if there is none. Refuses one that has something of these names.
    pub(super) fn begin(directory: &Path, names: &[&str]) -> Result<Self, CommandFailed> {
        // A link that leads nowhere is something, too.
        let is_there = |path: &Path| path.symlink_metadata().is_ok();
        let there: Vec<&str> = names.iter().copied().filter(|name| is_there(&directory.join(name))).collect();
        if !there.is_empty() {
            return Err(CommandFailed::new(format!(
                "{} has {} already, and nothing is overwritten: name another directory, or move what is there",
                directory.display(),
                there.join(", ")
            )));
        }
        let is_directory_new = !is_there(directory);
        make_private(directory)
            .map_err(|error| CommandFailed::io("make the directory", directory, &error))?;
        refuse_written_by_all(directory)?;
        Ok(Self { directory: directory.to_owned(), is_directory_new, made: Vec::new() })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Makes a file that is not there.
    pub(super) fn add(&mut self, name: &str, text: &str) -> Result<(), CommandFailed> {
        let path = self.path(name);
        let failed = |error| CommandFailed::io("write", &path, &error);
        let mut file = private_file().write(true).create_new(true).open(&path).map_err(failed)?;
        self.made.push(path.clone());
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
    }

    /// A directory of this name, which was not there when this began, is one of the files from here on.
    pub(super) fn add_directory(&mut self, name: &str) {
        self.made.push(self.path(name));
    }

    /// They stay.
    pub(super) fn keep(mut self) {
        self.made.clear();
        self.is_directory_new = false;
    }
}

impl Drop for NewFiles {
    fn drop(&mut self) {
        for path in &self.made {
            let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
        if self.is_directory_new {
            let _ = fs::remove_dir(&self.directory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_not_kept_are_gone_and_what_was_there_stays() {
        let outer = tempfile::tempdir().unwrap();
        let directory = outer.path().join("gate");
        let mut files = NewFiles::begin(&directory, &["a", "data"]).unwrap();
        files.add("a", "text").unwrap();
        files.add_directory("data");
        fs::create_dir(directory.join("data")).unwrap();
        fs::write(directory.join("data/store"), "").unwrap();
        drop(files);
        assert!(!directory.exists());

        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("a"), "mine").unwrap();
        let refused = NewFiles::begin(&directory, &["a", "b"]).unwrap_err().to_string();
        assert!(refused.contains("gate has a already"), "{refused}");
        drop(NewFiles::begin(&directory, &["b"]).unwrap());
        assert_eq!(fs::read_to_string(directory.join("a")).unwrap(), "mine");
    }
}
