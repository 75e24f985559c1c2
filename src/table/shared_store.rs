//! What the table needs of the place it lives in, and the names it uses there.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::entry_name::{EntryName, TableEntry};
use super::header::Slot;
use super::record_shape::RecordShape;

/// Small entries that all plugins of a process share, with compare-and-swap: who is there, and whose turn it
/// is. (proxy-wasm: `get_shared_data`, `set_shared_data`.)
pub trait SharedEntries {
    /// The entry of that name. An absent entry has no bytes.
    fn read(&self, name: EntryName) -> Entry;

    /// Writes the entry if it is still of that version.
    ///
    /// # Errors
    ///
    /// [`SwapLost`] when somebody wrote it meanwhile; nothing is changed then.
    fn swap(&self, name: EntryName, bytes: &[u8], read_at: Version) -> Result<(), SwapLost>;
}

/// Entries that hold a whole table, page by page, and a stamp that tells when one of them was written.
pub trait SharedStore: SharedEntries {
    /// The change stamp of the process; `None` while it is not certain that this VM sees it move. Then no
    /// page may be cached.
    fn stamp(&self) -> Option<Stamp>;

    /// Moves the change stamp, for every VM of the process: what any of them has kept is read anew. Called
    /// after pages were written, and before anything tells of it.
    fn move_stamp(&self);
}

/// A number that differs from all before it once the table has changed; its size means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(pub u64);

/// What stood in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The value; empty when the entry is absent.
    pub bytes: Vec<u8>,
    /// Which version of the entry this was.
    pub version: Version,
}

/// The version of an entry when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// There was no entry.
    Absent,
    /// The host's compare-and-swap number.
    Cas(u32),
}

/// Somebody else wrote the entry first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwapLost;

/// Which feed a table follows: where it comes from, not which epoch of it.
///
/// Envoy keeps one namespace of shared data per `vm_id`, and Istio sets none, so tables of two key services
/// meet in one namespace and must differ by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedIdentity([u8; 8]);

/// Which table of a namespace: that of a feed, with records of one shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableIdentity([u8; 8]);

/// The names of all entries of one table, and what its records hold, which is part of them.
#[derive(Clone, Debug)]
pub struct SharedNames {
    table: TableIdentity,
    shape: Arc<RecordShape>,
}

impl FeedIdentity {
    /// The identity of the feed at this cluster, authority and path.
    #[must_use]
    pub fn of(cluster: &str, authority: &str, path: &str) -> Self {
        let mut hash = Sha256::new();
        for part in [cluster, authority, path] {
            hash.update(part.len().to_le_bytes());
            hash.update(part.as_bytes());
        }
        Self(beginning_of(hash))
    }
}

impl TableIdentity {
    /// The identity with those bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 8] {
        self.0
    }
}

fn beginning_of(hash: Sha256) -> [u8; 8] {
    let mut beginning = [0; 8];
    for (to, from) in beginning.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    beginning
}

impl SharedNames {
    /// The names for the table of that feed whose records have that shape.
    #[must_use]
    pub fn of(feed: &FeedIdentity, shape: RecordShape) -> Self {
        let mut hash = Sha256::new();
        hash.update(feed.0);
        shape.hash_into(&mut hash);
        Self { table: TableIdentity(beginning_of(hash)), shape: Arc::new(shape) }
    }

    /// The names for a table of which nothing else is known: enough to clear it away.
    #[must_use]
    pub fn of_table(table: TableIdentity) -> Self {
        Self { table, shape: Arc::default() }
    }

    /// Which table.
    #[must_use]
    pub fn table(&self) -> TableIdentity {
        self.table
    }

    /// What the records of the table hold.
    #[must_use]
    pub fn shape(&self) -> &Arc<RecordShape> {
        &self.shape
    }

    /// Name of an entry of the table.
    #[must_use]
    pub fn entry(&self, entry: TableEntry) -> EntryName {
        EntryName::OfTable(self.table, entry)
    }

    /// Name of the table header.
    #[must_use]
    pub fn header(&self) -> EntryName {
        self.entry(TableEntry::Header)
    }

    /// Name of a page.
    #[must_use]
    pub fn page(&self, slot: Slot, index: u32) -> EntryName {
        self.entry(TableEntry::Page(slot, index))
    }

    /// Name of a run of a load.
    #[must_use]
    pub fn run(&self, number: u32) -> EntryName {
        self.entry(TableEntry::Run(number))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::table::RecordText;

    #[test]
    fn feeds_that_differ_in_one_part_differ_in_identity() {
        let feeds = [
            ("c", "a", "/p"),
            ("d", "a", "/p"),
            ("c", "b", "/p"),
            ("c", "a", "/q"),
            ("ca", "", "/p"),
            ("", "ca", "/p"),
        ];
        let table = |(c, a, p)| SharedNames::of(&FeedIdentity::of(c, a, p), RecordShape::default()).table();
        let tables: HashSet<_> = feeds.into_iter().map(table).collect();
        assert_eq!(tables.len(), feeds.len());
    }

    #[test]
    fn tables_whose_records_hold_different_texts_share_no_name() {
        let metadata = |path: &str, claims| RecordText::Metadata { path: path.to_owned(), claims };
        let shapes = [
            vec![],
            vec![RecordText::Name],
            vec![RecordText::Roles],
            vec![RecordText::ClaimedRoles],
            vec![RecordText::Name, RecordText::Roles],
            vec![metadata("a", false)],
            vec![metadata("a", true)],
            vec![metadata("a", false), metadata("a", true)],
            vec![metadata("a", false), metadata("b", false)],
            vec![metadata("ab", false)],
        ];
        let feed = FeedIdentity::of("c", "a", "/p");
        let table = |texts: &Vec<_>| SharedNames::of(&feed, RecordShape::of(texts.clone())).table();
        let tables: HashSet<_> = shapes.iter().map(table).collect();
        assert_eq!(tables.len(), shapes.len());
        let swapped = vec![RecordText::Roles, RecordText::Name, RecordText::Roles];
        assert_eq!(table(&swapped), table(&vec![RecordText::Name, RecordText::Roles]));
    }
}
