//! The table header: which generation is live, and how far and how fresh it is.

use latchkey_key_feed::{Cursor, Epoch, KeyId, MonotonicMillis, UnixMillis};

use super::bytes::{Unread, push_text};
use super::key_table::LiveFeed;
use super::page_index::{PageSalt, key_index, page_bits_for};
use crate::clock::Moment;
use crate::limits::{
    KEYS_PER_PAGE_MAX, PAGE_BITS_MAX, RIGHTS_GARBAGE_MAX, RIGHTS_LOAD_PAUSE_MS, RIGHTS_WRITTEN_MAX,
};

/// The number of one build of the table. Every build has its own, whether it was finished or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub u32);

/// One of the two sets of pages that generations use in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// The first set.
    A,
    /// The second set.
    B,
}

/// The state of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TableHeader {
    /// The highest generation number handed out so far.
    pub allocated: Generation,
    /// Whose turn it is to write: a number that moves whenever a follower takes over.
    pub turn: u32,
    /// The binary logarithm of the most pages, those of attachments included, that a build was ever begun with:
    /// whoever clears the table away looks for no more.
    pub largest_page_bits: u8,
    /// The table that readers use; `None` before the first has been loaded.
    pub live: Option<LiveTable>,
}

/// A whole table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveTable {
    /// Its number.
    pub generation: Generation,
    /// Where its pages are.
    pub slot: Slot,
    /// The binary logarithm of the number of its pages of keys.
    pub page_bits: u8,
    /// What decides where its attachments stand.
    pub salt: PageSalt,
    /// Pages of the other slot that may still hold an older generation; 0 once they are cleared.
    pub unswept_pages: u32,
    /// Which feed it was read from.
    pub epoch: Epoch,
    /// How far the feed has been applied.
    pub cursor: Cursor,
    /// While more is known to follow: what the service had forgotten when it said so. A key may have changed
    /// before the cursor and again after it, and only its latest change comes. So the cursor acknowledges
    /// nothing then.
    pub more_follows: Option<Cursor>,
    /// How many keys it holds.
    pub keys: u64,
    /// When the service last said that nothing further had changed.
    pub refreshed: Refresh,
    /// Whether the service says that the credential of whoever asked has ended: nothing newer than `cursor`
    /// comes by it.
    pub credential_ended: bool,
    /// When it was loaded.
    pub loaded_at: MonotonicMillis,
    /// How many bytes of sets of rights were written since. As many may be of no use any more.
    pub rights_written: u64,
}

/// An answer that made the table current.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// When it came, by both clocks.
    pub at: Moment,
    /// For how long the service was told that keys may be admitted after it, in milliseconds. No plugin
    /// admits for longer, whatever it is configured to: the service counts this process as one that may admit
    /// until then, and not a moment longer.
    pub serves_ms: u64,
}

/// How old a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableAge {
    /// Milliseconds since its last refresh, by the monotonic clock.
    pub ms: u64,
    /// The same by the wall clock. It is more where the clock was set forward, or where the machine slept,
    /// which the monotonic clock does not count. The two cannot be told apart.
    pub wall_ms: u64,
    /// The age at which it must not serve any more, in milliseconds, as the service was told.
    pub serves_ms: u64,
}

impl TableAge {
    /// The age as the wall clock has it.
    #[must_use]
    pub fn by_wall_clock(self) -> Self {
        Self { ms: self.wall_ms, ..self }
    }
}

impl Generation {
    /// The generation after this one. Wrapping would take 4 billion builds.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

impl Slot {
    /// The other slot.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

impl TableHeader {
    /// The slot in which the next generation is built: the one nobody reads.
    #[must_use]
    pub(super) fn idle_slot(&self) -> Slot {
        self.live.as_ref().map_or(Slot::A, |live| live.slot.other())
    }

    /// Reads a header; `None` if the bytes are not one. No bytes are the header of a table that does not
    /// exist yet.
    #[must_use]
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut unread = Unread(bytes);
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let (allocated, turn) = (Generation(unread.u32()?), unread.u32()?);
        let largest_page_bits = unread.u8().filter(|bits| *bits <= ALL_PAGE_BITS_MAX)?;
        let live = if unread.0.is_empty() { None } else { Some(LiveTable::decode(unread)?) };
        Some(Self { allocated, turn, largest_page_bits, live })
    }

    /// The bytes that [`Self::decode`] reads.
    #[must_use]
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        out.extend_from_slice(&self.allocated.0.to_le_bytes());
        out.extend_from_slice(&self.turn.to_le_bytes());
        out.push(self.largest_page_bits);
        if let Some(live) = &self.live {
            live.encode(&mut out);
        }
        out
    }
}

impl LiveTable {
    /// The page in which a key of that id lives.
    #[must_use]
    pub fn page_of(&self, id: &KeyId) -> u32 {
        key_index(id.as_str(), self.page_bits)
    }

    /// Whether it has so many sets of rights that no key may have any more that a load, which drops them, is
    /// due. A key that changes all the time causes one load in [`RIGHTS_LOAD_PAUSE_MS`], or for each
    /// [`RIGHTS_WRITTEN_MAX`] bytes that the service sends for it.
    #[must_use]
    pub fn is_littered(&self, now: MonotonicMillis) -> bool {
        let limit = match now.millis_since(self.loaded_at) {
            0..RIGHTS_LOAD_PAUSE_MS => RIGHTS_WRITTEN_MAX,
            _ => RIGHTS_GARBAGE_MAX,
        };
        self.rights_written > limit
    }

    /// Whether so many keys ask for more pages than the table has.
    #[must_use]
    pub fn is_outgrown_by(&self, keys: u64) -> bool {
        self.page_bits < page_bits_for(keys) && keys >> self.page_bits > KEYS_PER_PAGE_MAX
    }

    /// How old it is.
    #[must_use]
    pub fn age(&self, now: Moment) -> TableAge {
        let Refresh { at, serves_ms } = self.refreshed;
        TableAge {
            ms: now.monotonic.millis_since(at.monotonic),
            wall_ms: now.wall.millis_since(at.wall),
            serves_ms,
        }
    }

    fn decode(mut unread: Unread<'_>) -> Option<Self> {
        let generation = Generation(unread.u32()?);
        let slot = if unread.u8()? == 0 { Slot::A } else { Slot::B };
        let page_bits = unread.u8().filter(|bits| *bits <= PAGE_BITS_MAX)?;
        let salt = PageSalt(unread.u64()?);
        let unswept_pages = unread.u32()?;
        let cursor = Cursor(unread.u64()?);
        let more_follows = if unread.u8()? == 0 { None } else { Some(Cursor(unread.u64()?)) };
        let keys = unread.u64()?;
        let at = Moment { monotonic: MonotonicMillis(unread.u64()?), wall: UnixMillis(unread.u64()?) };
        let refreshed = Refresh { at, serves_ms: unread.u64()? };
        let credential_ended = unread.u8()? != 0;
        let loaded_at = MonotonicMillis(unread.u64()?);
        let rights_written = unread.u64()?;
        let epoch = Epoch::try_from(unread.text()?.to_owned()).ok()?;
        Some(Self {
            generation,
            slot,
            page_bits,
            salt,
            unswept_pages,
            epoch,
            cursor,
            more_follows,
            keys,
            refreshed,
            credential_ended,
            loaded_at,
            rights_written,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.generation.0.to_le_bytes());
        out.push(match self.slot {
            Slot::A => 0,
            Slot::B => 1,
        });
        out.push(self.page_bits);
        out.extend_from_slice(&self.salt.0.to_le_bytes());
        out.extend_from_slice(&self.unswept_pages.to_le_bytes());
        out.extend_from_slice(&self.cursor.0.to_le_bytes());
        out.push(u8::from(self.more_follows.is_some()));
        out.extend(self.more_follows.iter().flat_map(|purged| purged.0.to_le_bytes()));
        out.extend_from_slice(&self.keys.to_le_bytes());
        out.extend_from_slice(&self.refreshed.at.monotonic.0.to_le_bytes());
        out.extend_from_slice(&self.refreshed.at.wall.0.to_le_bytes());
        out.extend_from_slice(&self.refreshed.serves_ms.to_le_bytes());
        out.push(u8::from(self.credential_ended));
        out.extend_from_slice(&self.loaded_at.0.to_le_bytes());
        out.extend_from_slice(&self.rights_written.to_le_bytes());
        // An epoch is shorter than 2^16 bytes (`EPOCH_LEN_MAX`), so its length always fits.
        let _ = push_text(out, self.epoch.as_str());
    }
}

impl LiveFeed for LiveTable {
    fn generation(&self) -> Generation {
        self.generation
    }

    fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    fn cursor(&self) -> Cursor {
        self.cursor
    }

    fn more_follows(&self) -> Option<Cursor> {
        self.more_follows
    }

    fn keys(&self) -> u64 {
        self.keys
    }

    fn age(&self, now: Moment) -> TableAge {
        Self::age(self, now)
    }

    fn credential_ended(&self) -> bool {
        self.credential_ended
    }

    fn is_swept(&self) -> bool {
        self.unswept_pages == 0
    }

    fn is_outgrown_by(&self, keys: u64) -> bool {
        Self::is_outgrown_by(self, keys)
    }

    fn is_littered(&self, now: MonotonicMillis) -> bool {
        Self::is_littered(self, now)
    }
}

/// Most bits of all pages: those of keys, and as many of attachments.
const ALL_PAGE_BITS_MAX: u8 = PAGE_BITS_MAX + 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A moment, with clocks that are far apart.
    fn at(millis: u64) -> Moment {
        Moment { monotonic: MonotonicMillis(millis), wall: UnixMillis(1_700_000_000_000 + millis) }
    }

    fn live() -> LiveTable {
        LiveTable {
            generation: Generation(7),
            slot: Slot::B,
            page_bits: 4,
            salt: PageSalt(5),
            unswept_pages: 16,
            epoch: Epoch::try_from("e".to_owned()).unwrap(),
            cursor: Cursor(99),
            more_follows: None,
            keys: 3,
            refreshed: Refresh { at: at(1_000), serves_ms: 45_000 },
            credential_ended: true,
            loaded_at: MonotonicMillis(500),
            rights_written: 77,
        }
    }

    #[test]
    fn a_header_survives_its_layout() {
        let more_follows = LiveTable { more_follows: Some(Cursor(0)), ..live() };
        for live in [None, Some(live()), Some(more_follows)] {
            let header = TableHeader { allocated: Generation(9), turn: 3, largest_page_bits: 5, live };
            assert_eq!(TableHeader::decode(&header.encode()), Some(header));
        }
        assert_eq!(TableHeader::decode(b""), Some(TableHeader::default()));
    }

    #[test]
    fn a_table_ages_from_its_last_refresh() {
        assert_eq!(live().age(at(1_500)), TableAge { ms: 500, wall_ms: 500, serves_ms: 45_000 });
        // Another VM has refreshed it since this one read the clock.
        assert_eq!(live().age(at(999)).ms, 0);
    }

    #[test]
    fn a_table_is_outgrown_at_the_limit_and_not_before() {
        let sixteen_pages = live();
        assert!(!sixteen_pages.is_outgrown_by(16 * (KEYS_PER_PAGE_MAX + 1) - 1));
        assert!(sixteen_pages.is_outgrown_by(16 * (KEYS_PER_PAGE_MAX + 1)));
        let largest = LiveTable { page_bits: PAGE_BITS_MAX, ..live() };
        assert!(!largest.is_outgrown_by(u64::MAX / 2), "there is no larger table to build");
    }

    #[test]
    fn a_table_is_littered_beyond_its_limit_once_in_a_while_and_beyond_the_highest_at_once() {
        let loaded = MonotonicMillis(500);
        let with = |rights_written| LiveTable { rights_written, ..live() };
        let soon = loaded.plus_millis(RIGHTS_LOAD_PAUSE_MS - 1);
        let later = loaded.plus_millis(RIGHTS_LOAD_PAUSE_MS);
        assert!(!with(RIGHTS_GARBAGE_MAX).is_littered(later));
        assert!(with(RIGHTS_GARBAGE_MAX + 1).is_littered(later));
        assert!(!with(RIGHTS_WRITTEN_MAX).is_littered(soon));
        assert!(with(RIGHTS_WRITTEN_MAX + 1).is_littered(soon));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = TableHeader::decode(&bytes);
        }
    }
}
