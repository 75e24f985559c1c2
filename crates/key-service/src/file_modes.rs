//! Whether others on this machine could change, or read, what the service trusts.
//!
//! Who can write the directory of the store, the users file, the settings or a certificate decides who is let
//! in. So what everybody may write is refused, as sshd refuses such files (`StrictModes`). A group that may
//! write is let be: Kubernetes gives volumes to one (`fsGroup`). What everybody may read although it is
//! secret is complained of and used.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The permission of everybody to write (`S_IWOTH`).
const WRITE_BY_ALL: u32 = 0o002;

/// The permission of everybody to read (`S_IROTH`).
const READ_BY_ALL: u32 = 0o004;

/// In a directory that everybody may write, only the owner of an entry may remove or rename it (`S_ISVTX`):
/// `/tmp`.
const STICKY: u32 = 0o1000;

/// The bits of a mode that are permissions.
const PERMISSIONS: u32 = 0o7777;

/// A file or a directory that everybody may write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} may be written by everybody on this machine (mode {mode:04o}), and it decides who is let in. See that nobody has \
     changed it, and take that away: chmod o-w {}", .path.display(), .path.display())]
pub(crate) struct WrittenByAll {
    path: PathBuf,
    mode: u32,
}

/// Refuses a file or a directory that everybody may write. What cannot be looked at is somebody else's
/// trouble: it cannot be read either.
///
/// # Errors
///
/// [`WrittenByAll`] when everybody may write it.
pub(crate) fn refuse_written_by_all(path: &Path) -> Result<(), WrittenByAll> {
    let Ok(path) = path.canonicalize() else { return Ok(()) };
    match mode(&path).filter(|mode| mode & WRITE_BY_ALL != 0) {
        Some(mode) => Err(WrittenByAll { path, mode }),
        None => Ok(()),
    }
}

/// Complains of a directory above a file in which everybody could put another in its place. It is not
/// refused: the volumes that Kubernetes makes for a pod are such directories, and whoever runs the service
/// there may not change them.
pub(crate) fn warn_if_replaced_by_all(path: &Path) {
    let Ok(path) = path.canonicalize() else { return };
    if let Some(directory) = path.ancestors().skip(1).find(|directory| lets_all_replace(directory)) {
        tracing::warn!(
            directory = %directory.display(),
            path = %path.display(),
            "everybody on this machine may put another file in the place of one that decides who is let in: \
             take that away (chmod o-w, or +t) where others have an account"
        );
    }
}

/// Complains of a secret that everybody may read.
pub(crate) fn warn_if_read_by_all(path: &Path) {
    if let Some(mode) = mode(path).filter(|mode| mode & READ_BY_ALL != 0) {
        tracing::warn!(
            path = %path.display(),
            mode = %format_args!("{mode:04o}"),
            "everybody on this machine may read a secret: take that away (chmod o-r)"
        );
    }
}

fn lets_all_replace(directory: &Path) -> bool {
    mode(directory).is_some_and(|mode| mode & WRITE_BY_ALL != 0 && mode & STICKY == 0)
}

fn mode(path: &Path) -> Option<u32> {
    fs::metadata(path).ok().map(|metadata| metadata.mode() & PERMISSIONS)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn made(directory: &Path, name: &str, mode: u32) -> PathBuf {
        let path = directory.join(name);
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn what_everybody_may_write_is_refused_and_what_a_group_may_is_not() {
        let directory = tempfile::tempdir().unwrap();
        for (mode, is_refused) in
            [(0o600, false), (0o664, false), (0o660, false), (0o602, true), (0o666, true)]
        {
            let path = made(directory.path(), "file", mode);
            assert_eq!(refuse_written_by_all(&path).is_err(), is_refused, "{mode:o}");
        }
        assert!(refuse_written_by_all(&directory.path().join("absent")).is_ok());
    }

    #[test]
    fn a_directory_that_everybody_may_write_is_refused_also_when_it_is_sticky() {
        let directory = tempfile::tempdir().unwrap();
        for (mode, is_refused) in [(0o770, false), (0o777, true), (0o1777, true)] {
            fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
            assert_eq!(refuse_written_by_all(directory.path()).is_err(), is_refused, "{mode:o}");
        }
    }

    #[test]
    fn in_a_sticky_directory_nobody_replaces_what_is_anothers() {
        let directory = tempfile::tempdir().unwrap();
        for (mode, lets) in [(0o770, false), (0o777, true), (0o1777, false)] {
            fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
            assert_eq!(lets_all_replace(directory.path()), lets, "{mode:o}");
        }
    }

    #[test]
    fn a_link_is_what_it_leads_to() {
        let directory = tempfile::tempdir().unwrap();
        let path = made(directory.path(), "file", 0o666);
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let refusal = refuse_written_by_all(&link).unwrap_err().to_string();
        assert!(refusal.contains("mode 0666") && refusal.contains("chmod o-w"), "{refusal}");
    }
}
