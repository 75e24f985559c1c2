//! The table as a whole.

mod any_table;
mod following;
mod opaque_keys;
mod restarts;
mod table_file;
mod table_file_age;
mod table_file_lock;
mod threads;

use std::collections::BTreeMap;

use latchkey_filter::refresh::FeedSink as _;
use latchkey_filter::table::{
    FeedTable as _, Found, KeyTable as _, RecordText, SharedNames, TableRecord as _,
};
use latchkey_filter::testing::START;
use latchkey_filter::testing::any_table::{load, refresh, told};
use latchkey_filter::testing::feed_answers::{Answer, gone, key_id, row, table_names};
use latchkey_key_feed::FeedRow;
use proptest::prelude::*;

use crate::limits::SHARD_REMOVED_LEN_MAX;
use crate::{LiveMemory, MemorySink, MemoryTable, MemoryTables};

/// A process with a table.
struct Process {
    tables: MemoryTables,
    names: SharedNames,
    sink: MemorySink,
}

impl Process {
    fn new() -> Self {
        let (tables, names) = (MemoryTables::new(), table_names());
        let sink = tables.sink(&names);
        Self { tables, names, sink }
    }

    fn reader(&self) -> MemoryTable {
        self.tables.table(&self.names)
    }

    fn load(&self, rows: &[FeedRow]) -> LiveMemory {
        load(self.sink.table(), &Answer::of(rows), Some(refresh())).unwrap()
    }

    fn apply(&self, live: &LiveMemory, rows: &[FeedRow]) {
        self.sink.table().apply(live, &Answer::of(rows).changes()).unwrap();
    }
}

#[test]
fn who_names_the_same_table_gets_the_same_and_a_table_that_nobody_has_is_gone() {
    let process = Process::new();
    process.load(&[row(1, "k")]);
    let other = process.tables.clone();
    assert_eq!(told(&other.table(&process.names), "k"), "as of 1");
    let Process { tables, names, sink } = process;
    let reader = tables.table(&names);
    drop(sink);
    assert_eq!(told(&reader, "k"), "as of 1", "whoever reads it keeps it");
    drop(reader);
    assert_eq!(told(&tables.table(&names), "k"), "no table");
}

#[test]
fn whoever_clears_a_table_of_which_only_the_identity_is_known_changes_no_shape() {
    let (tables, names) = (MemoryTables::new(), table_names());
    let cleaner = tables.sink(&SharedNames::of_table(names.table()));
    let sink = tables.sink(&names);
    load(sink.table(), &Answer::of(&[row(1, "k")]), Some(refresh())).unwrap();
    assert_eq!(told(&tables.table(&names), "k"), "as of 1");
    cleaner.table().close().unwrap();
    assert_eq!(told(&tables.table(&names), "k"), "no table");
}

#[test]
fn a_record_outlives_its_key_and_its_table() {
    let process = Process::new();
    let live = process.load(&[row(1, "k")]);
    let reader = process.reader();
    let found = reader.find(&key_id("k"), START).unwrap().unwrap();
    process.apply(&live, &[gone(2, "k")]);
    process.load(&[]);
    process.sink.table().close().unwrap();
    let Found::Key(record) = found else { panic!("a key") };
    let name = record.text(|text| *text == RecordText::Name);
    assert_eq!(name, Some("as%20of%201"));
}

#[test]
fn a_full_load_of_many_keys_is_done_in_slices_and_small_in_memory() {
    const KEYS: u64 = 20_000;
    let process = Process::new();
    let rows: Vec<_> = (1..=KEYS).map(|seq| row(seq, &format!("VuaCfGcBCdbkQm-{seq:05}"))).collect();
    process.load(&rows);
    let reader = process.reader();
    let bytes_a_key = reader.bytes() as u64 / KEYS;
    assert!(bytes_a_key <= 150, "{bytes_a_key} bytes a key");
    assert_eq!(told(&reader, "VuaCfGcBCdbkQm-00001"), "as of 1");
}

#[test]
fn removed_keys_take_no_more_room_than_they_may() {
    let process = Process::new();
    let live = process.load(&[row(1, "kept")]);
    let before = process.reader().bytes();
    for seq in 2..1_500 {
        process.apply(&live, &[gone(seq, &format!("removed-{seq}"))]);
    }
    let reader = process.reader();
    // Two shards, and an index of the marks beside them.
    assert!(reader.bytes() - before < 3 * SHARD_REMOVED_LEN_MAX, "{}", reader.bytes());
    assert_eq!(told(&reader, "removed-1499"), "removed");
    assert_eq!(told(&reader, "removed-2"), "unknown");
    assert_eq!(told(&reader, "kept"), "as of 1");
}

proptest! {
    #[test]
    fn a_table_holds_what_a_map_would(
        keys in 0..300_u64,
        steps in proptest::collection::vec((0..40_u8, any::<bool>()), 1..120),
        loads in proptest::collection::vec(0..120_usize, 0..4),
    ) {
        let process = Process::new();
        let reader = process.reader();
        let id = |number: u64| format!("key-{number}");
        let mut model: BTreeMap<String, FeedRow> =
            (1..=keys).map(|seq| (id(seq), row(seq, &id(seq)))).collect();
        let all = |model: &BTreeMap<String, FeedRow>| {
            let mut rows: Vec<_> = model.values().cloned().collect();
            rows.sort_by_key(FeedRow::seq);
            rows
        };
        let mut live = process.load(&all(&model));
        for (position, (number, is_removal)) in steps.into_iter().enumerate() {
            let (id, seq) = (id(number.into()), keys + 1 + position as u64);
            let change = if is_removal { gone(seq, &id) } else { row(seq, &id) };
            process.apply(&live, std::slice::from_ref(&change));
            model.insert(id, change);
            if loads.contains(&position) {
                live = process.load(&all(&model));
            }
        }
        for number in 0..=keys.max(40) {
            let expected = match model.get(&id(number)) {
                None => "unknown".to_owned(),
                Some(FeedRow::Live { seq, .. }) => format!("as of {}", seq.0),
                Some(_) => "removed".to_owned(),
            };
            prop_assert_eq!(told(&reader, &id(number)), expected);
        }
    }
}
