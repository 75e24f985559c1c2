//! Which tables there are in this namespace of shared data, and when each last gave a heartbeat.
//!
//! Every plugin of a table gives the signs, so a table that gives none any more has no plugin left and can be
//! cleared. That happens when the last one could not do it itself, because its VM has died.

use latchkey_key_feed::MonotonicMillis;

use super::bytes::Unread;
use super::entry_name::EntryName;
use super::shared_store::{SharedEntries, TableIdentity, Version};
use crate::limits::{SWAP_TRIES_MAX, TABLES_MAX};

/// The entry that lists the tables.
pub struct Directory<S> {
    store: S,
}

/// One table of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTable {
    /// Which table.
    pub table: TableIdentity,
    /// When a plugin of it last gave a heartbeat.
    pub heartbeat: MonotonicMillis,
}

/// An identity of 8 bytes and a moment of 8.
const LISTED_LEN: usize = 16;

impl<S: SharedEntries> Directory<S> {
    /// The directory of the namespace that the store is.
    pub fn new(store: S) -> Self {
        Self { store }
    }

    /// All tables that are listed.
    pub fn tables(&self) -> Vec<ListedTable> {
        self.read().0
    }

    /// Gives a heartbeat, unless a plugin of the table did within the last `pause_ms`. A table for which
    /// there is no place any more is not listed, and so never cleared by others.
    pub fn heartbeat(&self, table: TableIdentity, now: MonotonicMillis, pause_ms: u64) {
        self.change(&|tables| {
            let has_room = tables.len() < TABLES_MAX;
            match tables.iter_mut().find(|listed| listed.table == table) {
                Some(listed) if now.millis_since(listed.heartbeat) < pause_ms => return false,
                Some(listed) => listed.heartbeat = now,
                None if has_room => tables.push(ListedTable { table, heartbeat: now }),
                None => return false,
            }
            true
        });
    }

    /// Takes a table off the list.
    pub fn remove(&self, table: TableIdentity) {
        self.change(&|tables| {
            let before = tables.len();
            tables.retain(|listed| listed.table != table);
            tables.len() < before
        });
    }

    /// Writes the list if `change` says that it has changed. One that loses every time is changed by the next
    /// look.
    fn change(&self, change: &dyn Fn(&mut Vec<ListedTable>) -> bool) {
        for _ in 0..SWAP_TRIES_MAX {
            let (mut tables, version) = self.read();
            if !change(&mut tables) {
                return;
            }
            let mut bytes = Vec::with_capacity(tables.len() * LISTED_LEN);
            tables.iter().for_each(|table| table.push_to(&mut bytes));
            if self.store.swap(EntryName::Directory, &bytes, version).is_ok() {
                return;
            }
        }
    }

    fn read(&self) -> (Vec<ListedTable>, Version) {
        let entry = self.store.read(EntryName::Directory);
        (entry.bytes.chunks_exact(LISTED_LEN).filter_map(ListedTable::decode).collect(), entry.version)
    }
}

impl ListedTable {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut unread = Unread(bytes);
        let table = TableIdentity::from_bytes(unread.array()?);
        Some(Self { table, heartbeat: MonotonicMillis(unread.u64()?) })
    }

    fn push_to(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.table.to_bytes());
        bytes.extend_from_slice(&self.heartbeat.0.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeSharedData;

    fn table(number: usize) -> TableIdentity {
        TableIdentity::from_bytes(number.to_le_bytes())
    }

    #[test]
    fn a_table_is_listed_once_with_its_last_sign_of_life() {
        let directory = Directory::new(FakeSharedData::default());
        for (number, now) in [(1, 10), (2, 10), (1, 15), (1, 25)] {
            directory.heartbeat(table(number), MonotonicMillis(now), 10);
        }
        let listed =
            |number, heartbeat| ListedTable { table: table(number), heartbeat: MonotonicMillis(heartbeat) };
        assert_eq!(directory.tables(), [listed(1, 25), listed(2, 10)]);
        directory.remove(table(1));
        assert_eq!(directory.tables(), [listed(2, 10)]);
    }

    #[test]
    fn the_list_is_bounded() {
        let directory = Directory::new(FakeSharedData::default());
        for number in 0..2 * TABLES_MAX {
            directory.heartbeat(table(number), MonotonicMillis(1), 10);
        }
        assert_eq!(directory.tables().len(), TABLES_MAX);
    }
}
