//! What a load puts aside comes back whole, and nothing of it stays.

use std::collections::BTreeMap;

use latchkey_key_feed::{Epoch, FeedRow, KeyId, MonotonicMillis};

use super::*;
use crate::table::RecordText;
use crate::table::sample_keys::{at, build, changes, key, live, refreshed_at, removed, shape, text_of};
use crate::table::shared_store::SharedEntries as _;
use crate::table::{FeedIdentity, FeedTable as _, LiveTable, SharedNames, TableReader};
use crate::testing::FakeSharedData;

const NOW: MonotonicMillis = MonotonicMillis(1_000_000);
/// More than one partition, and more than one run of each.
const KEYS: u64 = 6_000;

struct Process {
    shared: FakeSharedData,
    writer: TableWriter<FakeSharedData>,
}

impl Process {
    fn new() -> Self {
        let shared = FakeSharedData::default();
        Self { writer: TableWriter::new(shared.clone(), names()), shared }
    }

    fn publish(&self, build: &Build) -> Result<LiveTable, WriteError> {
        let epoch = Epoch::try_from("epoch".to_owned()).unwrap();
        self.writer.publish(build, &epoch, Cursor(KEYS), KEYS, Some(refreshed_at(at(NOW))))
    }

    fn filled_runs(&self) -> usize {
        (0..1_000).filter(|run| !self.shared.read(names().run(*run)).bytes.is_empty()).count()
    }
}

fn names() -> SharedNames {
    SharedNames::of(&FeedIdentity::of("c", "a", "/p"), shape())
}

fn rows(seqs: std::ops::RangeInclusive<u64>) -> Vec<FeedRow> {
    seqs.map(|seq| live(seq, key(&format!("key-{seq}")))).collect()
}

#[test]
fn a_load_in_many_answers_holds_the_latest_state_of_every_key() {
    let process = Process::new();
    let mut build = process.writer.begin(KEYS, 7).unwrap();
    assert!(build.partitions.len() > 1);
    let mut expected: BTreeMap<String, String> = BTreeMap::new();
    for answer in rows(1..=KEYS).chunks(1_000) {
        process.writer.collect(&mut build, &changes(answer)).unwrap();
        expected.extend(answer.iter().map(|row| (row.id().to_string(), format!("name-of-{}", row.id()))));
    }
    // What changes while it is loaded comes again, at its new place in the feed.
    let mut renamed = key("key-7");
    renamed.name = "renamed".to_owned();
    process
        .writer
        .collect(&mut build, &changes(&[live(KEYS + 1, renamed), removed(KEYS + 2, "key-8")]))
        .unwrap();
    expected.insert("key-7".to_owned(), "renamed".to_owned());
    expected.remove("key-8");
    assert!(process.filled_runs() > build.partitions.len(), "several runs a partition");

    while process.writer.lay_out(&mut build).unwrap() == Progress::Continues {}
    process.publish(&build).unwrap();
    let reader = TableReader::new(process.shared.clone(), names());
    for number in 1..=KEYS {
        let id = KeyId::try_from(format!("key-{number}")).unwrap();
        let page = reader.page_for(&id, NOW).unwrap().unwrap();
        let name = text_of(&page, id.as_str(), &RecordText::Name);
        assert_eq!(name.as_ref(), expected.get(id.as_str()), "{id}");
    }
    assert_eq!(process.filled_runs(), 0);
}

#[test]
fn a_build_stops_where_it_meets_a_later_one() {
    let process = Process::new();
    let mut earlier = process.writer.begin(KEYS, 7).unwrap();
    let mut later = process.writer.begin(KEYS, 7).unwrap();
    let rows = changes(&rows(1..=KEYS));
    process.writer.collect(&mut later, &rows).unwrap();
    assert_eq!(process.writer.collect(&mut earlier, &rows), Err(WriteError::Deposed));
    assert_eq!(process.publish(&earlier).map(|_| ()), Err(WriteError::Deposed));
    while process.writer.lay_out(&mut later).unwrap() == Progress::Continues {}
    process.publish(&later).unwrap();
}

#[test]
fn a_build_whose_runs_were_taken_by_a_later_one_is_given_up() {
    let process = Process::new();
    let mut earlier = process.writer.begin(KEYS, 7).unwrap();
    process.writer.collect(&mut earlier, &changes(&rows(1..=KEYS))).unwrap();
    let mut later = process.writer.begin(KEYS, 7).unwrap();
    process.writer.collect(&mut later, &changes(&rows(1..=KEYS))).unwrap();
    assert_eq!(process.writer.lay_out(&mut earlier), Err(WriteError::Deposed));
}

#[test]
fn what_an_abandoned_load_put_aside_is_cleared_by_the_next() {
    let process = Process::new();
    let mut abandoned = process.writer.begin(KEYS, 7).unwrap();
    process.writer.collect(&mut abandoned, &changes(&rows(1..=KEYS))).unwrap();
    assert!(process.filled_runs() > 0);
    build(&process.writer, &rows(1..=3));
    assert_eq!(process.filled_runs(), 0);
}

#[test]
fn garbage_among_the_runs_ends_the_load_and_is_never_laid_out() {
    let process = Process::new();
    let mut build = process.writer.begin(KEYS, 7).unwrap();
    process.writer.collect(&mut build, &changes(&rows(1..=KEYS))).unwrap();
    let run = names().run(build.partitions[0].runs[0]);
    let head = build.generation.0.to_le_bytes();
    process.shared.overwrite(run, &[&head[..], b"garbage"].concat());
    assert_eq!(process.writer.lay_out(&mut build), Err(WriteError::Unreadable));
}
