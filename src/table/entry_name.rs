//! The entries of shared data, named by type.
//!
//! A host with shared data of texts, as proxy-wasm has, renders a name to its text ([`EntryName::text`]).
//! Another may hold each kind of entry in memory of its own.

use super::header::Slot;
use super::shared_store::TableIdentity;

/// One entry of the shared data of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryName {
    /// The list of all tables of the namespace.
    Directory,
    /// The number by which the change stamp of the namespace is called.
    StampNumber,
    /// An entry of one table.
    OfTable(TableIdentity, TableEntry),
}

/// One entry of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableEntry {
    /// The table header.
    Header,
    /// The follower's lease.
    Lease,
    /// The counter that numbers the followers.
    FollowerCounter,
    /// Where the plugins of the table count themselves.
    Register,
    /// Uses of keys that were not told to the service yet.
    Usage,
    /// A page of a slot, by its index.
    Page(Slot, u32),
    /// A run of a load, by its number.
    Run(u32),
}

/// The name of an entry as a text of ASCII. It is made on the stack: a look-up allocates nothing for it.
#[derive(Clone, Copy, Debug)]
pub struct EntryText {
    bytes: [u8; TEXT_LEN_MAX],
    len: usize,
}

/// What all texts begin with: whose they are, and the version of the layout of everything in shared data. VMs
/// of two releases in one process keep to their own entries. `table::tests` holds the layout to this number.
const PREFIX: &[u8] = b"latchkey7:";

/// The prefix, the identity of a table in 16 digits, a colon, and 9 bytes: a letter with 8 digits, or a word.
const TEXT_LEN_MAX: usize = PREFIX.len() + 16 + 1 + 9;

impl EntryName {
    /// The name as a text. No two names have the same.
    #[must_use]
    pub fn text(self) -> EntryText {
        let mut text = EntryText { bytes: [0; TEXT_LEN_MAX], len: 0 };
        text.push_all(PREFIX);
        let (table, entry) = match self {
            Self::Directory => return text.with(b"tables"),
            Self::StampNumber => return text.with(b"stamp"),
            Self::OfTable(table, entry) => (table, entry),
        };
        let mut digits = [0; 16];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(table.to_bytes()) {
            pair.copy_from_slice(&[hex(byte >> 4), hex(byte)]);
        }
        text.push_all(&digits);
        text.push(b':');
        match entry {
            TableEntry::Header => text.with(b"header"),
            TableEntry::Lease => text.with(b"lease"),
            TableEntry::FollowerCounter => text.with(b"followers"),
            TableEntry::Register => text.with(b"plugins"),
            TableEntry::Usage => text.with(b"uses"),
            TableEntry::Page(Slot::A, index) => text.with_number(b'a', index),
            TableEntry::Page(Slot::B, index) => text.with_number(b'b', index),
            // No slot has this letter, and no word is this letter and hexadecimal digits.
            TableEntry::Run(number) => text.with_number(b'r', number),
        }
    }
}

impl EntryText {
    /// The bytes of the text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    fn push_all(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        if let Some(place) = self.bytes.get_mut(self.len..end) {
            place.copy_from_slice(bytes);
            self.len = end;
        }
    }

    fn with(mut self, word: &[u8]) -> Self {
        self.push_all(word);
        self
    }

    /// The lowest digit comes first.
    fn with_number(mut self, kind: u8, number: u32) -> Self {
        self.push(kind);
        let mut rest = number;
        loop {
            self.push(hex(rest as u8));
            rest >>= 4;
            if rest == 0 {
                return self;
            }
        }
    }
}

/// The digit of the low half of a byte.
fn hex(byte: u8) -> u8 {
    let low = byte & 15;
    if low < 10 { b'0' + low } else { b'a' - 10 + low }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn text(name: EntryName) -> String {
        String::from_utf8(name.text().as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn names_have_the_texts_that_other_vms_know_them_by() {
        let table = TableIdentity::from_bytes([0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]);
        let of_table = |entry| text(EntryName::OfTable(table, entry));
        assert_eq!(text(EntryName::Directory), "latchkey7:tables");
        assert_eq!(text(EntryName::StampNumber), "latchkey7:stamp");
        assert_eq!(of_table(TableEntry::Header), "latchkey7:0123456789abcdef:header");
        assert_eq!(of_table(TableEntry::FollowerCounter), "latchkey7:0123456789abcdef:followers");
        assert_eq!(of_table(TableEntry::Page(Slot::A, 0)), "latchkey7:0123456789abcdef:a0");
        assert_eq!(of_table(TableEntry::Page(Slot::B, 0x12)), "latchkey7:0123456789abcdef:b21");
        assert_eq!(of_table(TableEntry::Run(u32::MAX)), "latchkey7:0123456789abcdef:rffffffff");
    }

    #[test]
    fn no_two_entries_share_a_text() {
        let mut seen = HashSet::from([text(EntryName::Directory), text(EntryName::StampNumber)]);
        for table in [1, 2].map(|number| TableIdentity::from_bytes([number; 8])) {
            let single = [
                TableEntry::Header,
                TableEntry::Lease,
                TableEntry::FollowerCounter,
                TableEntry::Register,
                TableEntry::Usage,
            ];
            let numbered = (0..10_000).chain([u32::MAX]).flat_map(|number| {
                [
                    TableEntry::Page(Slot::A, number),
                    TableEntry::Page(Slot::B, number),
                    TableEntry::Run(number),
                ]
            });
            for entry in single.into_iter().chain(numbered) {
                assert!(seen.insert(text(EntryName::OfTable(table, entry))), "{entry:?}");
            }
        }
    }
}
