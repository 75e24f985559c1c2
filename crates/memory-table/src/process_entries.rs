//! Small entries that all plugins of a process share, behind one lock. No request needs them: only the thread
//! that follows the feed reads and writes them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use latchkey_filter::table::{Entry, EntryName, SharedEntries, SwapLost, Version};

/// The entries of a process. Clones are the same entries.
#[derive(Clone, Debug, Default)]
pub struct ProcessEntries(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    by_name: BTreeMap<EntryName, Entry>,
    last_version: u32,
}

impl ProcessEntries {
    /// A panic while the lock was held has left no entry half written.
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn read(&self, name: EntryName) -> Entry {
        let absent = || Entry { bytes: Vec::new(), version: Version::Absent };
        self.by_name.get(&name).cloned().unwrap_or_else(absent)
    }
}

impl SharedEntries for ProcessEntries {
    fn read(&self, name: EntryName) -> Entry {
        self.lock().read(name)
    }

    fn swap(&self, name: EntryName, bytes: &[u8], read_at: Version) -> Result<(), SwapLost> {
        let mut entries = self.lock();
        if entries.read(name).version != read_at {
            return Err(SwapLost);
        }
        entries.last_version = entries.last_version.wrapping_add(1);
        let version = Version::Cas(entries.last_version);
        entries.by_name.insert(name, Entry { bytes: bytes.to_vec(), version });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_read_before_another_wrote_changes_nothing() {
        let (one, name) = (ProcessEntries::default(), EntryName::Directory);
        let other = one.clone();
        let absent = one.read(name).version;
        assert_eq!(absent, Version::Absent);
        assert_eq!(other.swap(name, b"other", absent), Ok(()));
        assert_eq!(one.swap(name, b"one", absent), Err(SwapLost));
        let seen = one.read(name);
        assert_eq!(seen.bytes, b"other");
        assert_eq!(one.swap(name, b"one", seen.version), Ok(()));
        assert_eq!(other.swap(name, b"other", seen.version), Err(SwapLost));
        assert_eq!(other.read(name).bytes, b"one");
    }
}
