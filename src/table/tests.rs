//! The table as a whole: what readers see while followers write.

use std::collections::BTreeMap;

use latchkey_key_feed::{Cursor, Epoch, FeedRow, KeyId, MonotonicMillis};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::sample_keys::{at, build, changes, key, live, refreshed_at, removed, shape, text_of};
use super::*;
use crate::limits::HEADER_LIFE_MS;
use crate::testing::FakeSharedData;
use crate::testing::any_table::{self, TableProcess};
use crate::testing::feed_answers::table_names;

const NOW: MonotonicMillis = MonotonicMillis(1_000_000);
/// Within the life of a header read at [`NOW`].
const STILL: MonotonicMillis = MonotonicMillis(NOW.0 + HEADER_LIFE_MS - 1);

fn names() -> SharedNames {
    SharedNames::of(&FeedIdentity::of("key_service", "key_service", "/_latchkey/feed"), shape())
}

fn epoch() -> Epoch {
    Epoch::try_from("epoch".to_owned()).unwrap()
}

fn id(text: &str) -> KeyId {
    KeyId::try_from(text).unwrap()
}

/// The same cases as any other kind of table.
impl TableProcess for FakeSharedData {
    type Reader = TableReader<Self>;
    type Writer = TableWriter<Self>;

    fn new(_names: &SharedNames) -> Self {
        Self::default()
    }

    fn reader(&self) -> TableReader<Self> {
        TableReader::new(self.clone(), table_names())
    }

    fn writer(&self) -> TableWriter<Self> {
        TableWriter::new(self.clone(), table_names())
    }
}

#[test]
fn a_table_of_pages_behaves_as_any_table() {
    any_table::check::<FakeSharedData>();
}

struct Process {
    shared: FakeSharedData,
    writer: TableWriter<FakeSharedData>,
}

impl Process {
    fn new() -> Self {
        let shared = FakeSharedData::default();
        Self { writer: TableWriter::new(shared.clone(), names()), shared }
    }

    fn reader(&self) -> TableReader<FakeSharedData> {
        TableReader::new(self.shared.clone(), names())
    }

    fn load(&self, rows: &[FeedRow]) -> LiveTable {
        let build = build(&self.writer, rows);
        let cursor = rows.last().map_or(Cursor(0), FeedRow::seq);
        self.writer.publish(&build, &epoch(), cursor, rows.len() as u64, Some(refreshed_at(at(NOW)))).unwrap()
    }

    fn apply(&self, table: &LiveTable, rows: &[FeedRow]) -> Result<(), WriteError> {
        self.writer.apply(table, &changes(rows))
    }

    fn sweep_all(&self, mut live: LiveTable) {
        while let (Progress::Continues, next) = self.writer.sweep(&live).unwrap() {
            live = next;
        }
    }
}

fn holds(reader: &TableReader<FakeSharedData>, key: &str, now: MonotonicMillis) -> bool {
    let page = reader.page_for(&id(key), now).unwrap().expect("a live table");
    page.find(&id(key)).unwrap().key().is_some()
}

/// An upgrade lets a VM of the release before and one of this read the shared data of one process. Whoever
/// changes what is written moves the number in the names, that of table files if it is a record, and then what is
/// expected here.
#[test]
fn the_layout_of_shared_data_is_the_one_that_its_names_say() {
    let process = Process::new();
    let live = process.load(&[live(1, key("one")), removed(2, "two")]);
    let more_follows = FeedStanding::MoreFollows { purged: Cursor(1) };
    process.writer.advance(&live, Cursor(3), 1, more_follows).unwrap();
    let mut hash = Sha256::new();
    for name in process.shared.names() {
        hash.update(name.text().as_bytes());
        hash.update(process.shared.read(name).bytes);
    }
    let beginning = hash.finalize()[..8].to_vec();
    assert_eq!(beginning, [149, 142, 242, 208, 220, 254, 197, 170]);
}

#[test]
fn there_is_no_table_before_a_build_is_whole() {
    let process = Process::new();
    let reader = process.reader();
    let build = build(&process.writer, &[live(1, key("k"))]);
    assert_eq!(reader.page_for(&id("k"), NOW), Ok(None));
    process.writer.publish(&build, &epoch(), Cursor(1), 1, Some(refreshed_at(at(NOW)))).unwrap();
    assert!(holds(&reader, "k", NOW));
}

#[test]
fn nothing_is_built_where_a_reader_may_still_look_for_the_generation_before_the_last() {
    let process = Process::new();
    process.load(&[live(1, key("k"))]);
    assert!(holds(&process.reader(), "k", NOW));
    let second = process.load(&[removed(2, "k")]);
    assert_eq!(process.writer.begin(0, 7).err(), Some(WriteError::Deposed));
    process.sweep_all(second);
    assert!(process.writer.begin(0, 7).is_ok());
}

#[test]
fn every_reader_sees_a_change_at_its_next_look_up() {
    let process = Process::new();
    let table = process.load(&[live(1, key("k")), live(2, key("other"))]);
    let (one, two) = (process.reader(), process.reader());
    assert!(holds(&one, "k", NOW) && holds(&two, "k", NOW));
    process.apply(&table, &[removed(3, "k")]).unwrap();
    assert!(!holds(&one, "k", STILL) && !holds(&two, "k", STILL));
    assert!(holds(&one, "other", STILL));
}

#[test]
fn after_the_sweep_no_reader_admits_by_the_old_generation() {
    let process = Process::new();
    process.load(&[live(1, key("revoked")), live(2, key("kept"))]);
    let reader = process.reader();
    assert!(holds(&reader, "revoked", NOW));
    let table = process.load(&[live(2, key("kept")), removed(3, "revoked")]);
    process.sweep_all(table);
    // The reader still trusts its old header, and is sent back to it by the cleared page.
    assert!(!holds(&reader, "revoked", STILL));
    assert!(holds(&reader, "kept", STILL));
}

#[test]
fn generations_take_turns_and_leave_nothing_behind() {
    let process = Process::new();
    let rows: Vec<_> = (1..=2_000).map(|seq| live(seq, key(&format!("key-{seq}")))).collect();
    let turn = || process.sweep_all(process.load(&rows));
    turn();
    let filled = process.shared.filled();
    turn();
    let names = process.shared.names();
    for _ in 0..4 {
        turn();
        assert_eq!(process.shared.filled(), filled, "old pages and all runs are empty");
        assert_eq!(process.shared.names(), names, "and their names are used again");
    }
}

#[test]
fn an_abandoned_build_is_never_seen_and_its_follower_is_stopped() {
    let process = Process::new();
    let abandoned = build(&process.writer, &[live(1, key("ghost"))]);
    let mut unfinished = process.writer.begin(1, 7).unwrap();
    process.writer.collect(&mut unfinished, &changes(&[live(3, key("k"))])).unwrap();
    process.load(&[live(2, key("k"))]);
    let reader = process.reader();
    assert!(!holds(&reader, "ghost", NOW));
    assert_eq!(process.writer.lay_out(&mut unfinished), Err(WriteError::Deposed));
    assert_eq!(
        process.writer.publish(&abandoned, &epoch(), Cursor(3), 1, Some(refreshed_at(at(NOW)))),
        Err(WriteError::Deposed)
    );
}

#[test]
fn a_deposed_follower_cannot_undo_a_revocation() {
    let process = Process::new();
    let table = process.load(&[live(1, key("k"))]);
    let deposed = TableWriter::new(process.shared.clone(), names());
    process.apply(&table, &[removed(9, "k")]).unwrap();
    deposed.apply(&table, &changes(&[live(5, key("k"))])).unwrap();
    assert!(!holds(&process.reader(), "k", NOW));
}

#[test]
fn the_cursor_never_goes_back() {
    let process = Process::new();
    let table = process.load(&[live(7, key("k"))]);
    let later = process
        .writer
        .advance(&table, Cursor(3), 0, FeedStanding::MoreFollows { purged: Cursor(0) })
        .unwrap();
    assert_eq!((later.cursor, later.keys), (Cursor(7), 1));
}

#[test]
fn garbage_in_shared_data_is_trouble_and_not_an_unknown_key() {
    let process = Process::new();
    let table = process.load(&[live(1, key("k"))]);
    let page = names().page(table.slot, table.page_of(&id("k")));
    process.shared.overwrite(page, b"?");
    assert_eq!(process.reader().page_for(&id("k"), NOW), Err(Unreadable));
    let change = [live(2, key("k"))];
    assert_eq!(process.apply(&table, &change), Err(WriteError::Unreadable));
    // A build writes over it, in either slot.
    for seq in 2..4 {
        let table = process.load(&[live(seq, key("k"))]);
        process.sweep_all(table);
    }
    assert!(holds(&process.reader(), "k", NOW));
}

#[test]
fn a_garbage_header_is_trouble_until_a_build_replaces_it() {
    let process = Process::new();
    process.shared.overwrite(names().header(), b"???");
    assert_eq!(process.reader().live(NOW), Err(Unreadable));
    process.load(&[live(1, key("k"))]);
    assert!(holds(&process.reader(), "k", NOW));
}

/// The history of some keys: each step makes or removes one of a few.
fn history() -> impl Strategy<Value = Vec<FeedRow>> {
    proptest::collection::vec((0..12_u8, any::<bool>()), 1..60).prop_map(|steps| {
        let rows = steps.into_iter().zip(1..).map(|((number, is_removal), seq)| {
            let id = format!("key-{number}");
            if is_removal { removed(seq, &id) } else { live(seq, named(&id, seq)) }
        });
        rows.collect()
    })
}

fn named(id: &str, seq: u64) -> latchkey_key_feed::KeyRecord {
    let mut record = key(id);
    record.name = format!("as-of-{seq}");
    record
}

/// What the feed serves for a history: each key once, at its latest change.
fn feed(history: &[FeedRow], after: u64, until: u64) -> Vec<FeedRow> {
    let mut latest = BTreeMap::new();
    for row in history.iter().filter(|row| row.seq().0 <= until) {
        latest.insert(row.id().clone(), row.clone());
    }
    let mut rows: Vec<_> = latest.into_values().filter(|row| row.seq().0 > after).collect();
    rows.sort_by_key(FeedRow::seq);
    rows
}

fn contents(process: &Process) -> BTreeMap<String, String> {
    let reader = process.reader();
    let mut names = BTreeMap::new();
    for number in 0..12 {
        let id = id(&format!("key-{number}"));
        let page = reader.page_for(&id, NOW).unwrap().unwrap();
        if let Some(name) = text_of(&page, id.as_str(), &RecordText::Name) {
            names.insert(id.to_string(), name);
        }
    }
    names
}

proptest! {
    #[test]
    fn deltas_in_any_split_equal_a_full_load(
        history in history(),
        mut cuts in proptest::collection::vec(0..60_u64, 0..6),
    ) {
        let end = history.len() as u64;
        let full = Process::new();
        full.load(&feed(&history, 0, end));

        cuts.push(end);
        cuts.sort_unstable();
        let split = Process::new();
        let table = split.load(&[]);
        let mut after = 0;
        for until in cuts.into_iter().map(|cut| cut.min(end)) {
            split.apply(&table, &feed(&history, after, until)).unwrap();
            after = until;
        }
        prop_assert_eq!(contents(&split), contents(&full));
    }

    #[test]
    fn two_followers_in_any_interleaving_end_where_one_does(
        history in history(),
        turns in proptest::collection::vec((any::<bool>(), 0..60_u64), 1..12),
    ) {
        let end = history.len() as u64;
        let alone = Process::new();
        alone.load(&feed(&history, 0, end));

        let shared = Process::new();
        let table = shared.load(&[]);
        // Each follower has read a page of the feed at some time, and applies it at another.
        let mut after = [0_u64; 2];
        for (which, until) in turns {
            let who = usize::from(which);
            let until = until.min(end);
            shared.apply(&table, &feed(&history, after[who], until)).unwrap();
            after[who] = after[who].max(until);
        }
        shared.apply(&table, &feed(&history, after[0], end)).unwrap();
        prop_assert_eq!(contents(&shared), contents(&alone));
    }
}
