//! Processes that begin with the file of the one before, and what the key service was told.

use std::collections::BTreeMap;
use std::path::Path;

use latchkey_filter::refresh::{
    Answer, CallId, Candidate, FeedSink as _, Follower, FollowerId, Register, Step, TableNumber,
};
use latchkey_filter::table::{FeedStanding, FeedTable as _};
use latchkey_filter::testing::START;
use latchkey_filter::testing::any_table::{after_start, load, refresh, told};
use latchkey_filter::testing::feed_answers::{self, gone, row, table_names};
use latchkey_key_feed::Cursor;
use proptest::prelude::*;

use super::following::endpoint;
use crate::{LiveMemory, MemorySink, MemoryTable, MemoryTables, TableFile};

struct Process {
    tables: MemoryTables,
    sink: MemorySink,
    file: TableFile,
}

impl Process {
    /// A process that begins with the file, if there is one.
    fn begin(path: &Path, drawn: u64) -> (Self, TableNumber) {
        let tables = MemoryTables::new();
        let (sink, file) = (
            tables.sink(&table_names()),
            tables.file(&table_names(), path, || Some(after_start(1))).unwrap(),
        );
        file.restore(after_start(1)).unwrap();
        let number = Register::new(tables.entries().clone(), &table_names()).enter(drawn, 60_000).unwrap();
        (Self { tables, sink, file }, number)
    }

    fn reader(&self) -> MemoryTable {
        self.tables.table(&table_names())
    }

    fn live(&self) -> Option<LiveMemory> {
        self.sink.table().live()
    }

    fn save(&self) {
        self.file.save().unwrap();
    }

    fn follower(&self, number: TableNumber) -> Follower<MemorySink> {
        Follower::new(FollowerId(1), self.tables.sink(&table_names()), endpoint(number), START)
    }
}

fn path_of(step: &Step) -> &str {
    &step.poll.as_ref().expect("a request").path
}

#[test]
fn the_follower_goes_on_where_the_file_ends_as_the_instance_that_wrote_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table");
    let (before, number) = Process::begin(&path, 7);
    load(before.sink.table(), &feed_answers::Answer::of(&[row(1, "k")]), Some(refresh())).unwrap();
    before.save();
    drop(before);

    let (process, same) = Process::begin(&path, 8);
    assert_eq!((number, same), (TableNumber(7), TableNumber(7)));
    let mut follower = process.follower(same);
    let step = follower.tick(Candidate::Idle, START, 0);
    let asked = path_of(&step);
    assert!(asked.contains("after=1&") && asked.contains("wait=0ms"), "{asked}");
    assert!(asked.ends_with("&epoch=epoch.2"), "{asked}");
    let revoked = feed_answers::Answer { after: 1, ..feed_answers::Answer::of(&[gone(2, "k")]) };
    follower.sent(CallId(1), after_start(1));
    let step = follower.answered(CallId(1), Answer::Page(&revoked.to_json()), after_start(1), 0);
    assert_eq!(told(&process.reader(), "k"), "removed");
    assert!(path_of(&step).contains("after=2&") && !path.exists(), "the file is gone before that is asked");
}

#[test]
fn a_file_that_was_written_in_the_middle_of_several_answers_acknowledges_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table");
    let (before, number) = Process::begin(&path, 7);
    let table = before.sink.table();
    let live = load(table, &feed_answers::Answer::of(&[row(1, "k")]), Some(refresh())).unwrap();
    table.advance(&live, Cursor(2), 1, FeedStanding::MoreFollows { purged: Cursor(0) }).unwrap();
    before.save();
    drop(before);

    let (process, _) = Process::begin(&path, 8);
    let asked = process.follower(number).tick(Candidate::Idle, START, 0);
    assert!(path_of(&asked).contains("after=2&") && path_of(&asked).ends_with("&purged=0"), "{asked:?}");
}

#[test]
fn a_file_of_an_epoch_that_is_over_serves_until_the_service_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table");
    let (before, _) = Process::begin(&path, 7);
    load(before.sink.table(), &feed_answers::Answer::of(&[row(1, "k")]), Some(refresh())).unwrap();
    before.save();
    drop(before);

    let (process, number) = Process::begin(&path, 8);
    let mut follower = process.follower(number);
    follower.tick(Candidate::Idle, START, 0);
    follower.sent(CallId(1), after_start(1));
    assert_eq!(told(&process.reader(), "k"), "as of 1");
    let answer = feed_answers::Answer::of(&[row(2, "new")]).to_json();
    let of_another = String::from_utf8(answer).unwrap().replace("epoch.2", "other.2");
    let step = follower.answered(CallId(1), Answer::Page(of_another.as_bytes()), after_start(1), 0);
    assert!(path_of(&step).contains("after=0&"), "it loads anew: {}", path_of(&step));
    follower.sent(CallId(2), after_start(1));
    follower.answered(CallId(2), Answer::Page(of_another.as_bytes()), after_start(1), 0);
    assert_eq!([told(&process.reader(), "k"), told(&process.reader(), "new")], ["unknown", "as of 2"]);
    assert!(!path.exists());
}

/// What can happen to an edge.
#[derive(Clone, Copy, Debug)]
enum Event {
    Load,
    Apply,
    Acknowledge,
    Save,
    Crash,
    Leave,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    use Event::{Acknowledge, Apply, Crash, Leave, Load, Save};
    let event = prop_oneof![
        1 => Just(Load), 4 => Just(Apply), 4 => Just(Acknowledge), 3 => Just(Save), 3 => Just(Crash), 1 => Just(Leave)
    ];
    prop::collection::vec(event, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What the service counts on: whatever an instance has acknowledged, no table by which it admits is older,
    /// and one that has said goodbye admits by none.
    #[test]
    fn no_process_ever_admits_by_less_than_its_instance_has_acknowledged(events in events()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table");
        // What the instance has acknowledged; `None` once it has said goodbye.
        let mut promised: BTreeMap<u64, Option<u64>> = BTreeMap::new();
        let (mut process, mut number) = Process::begin(&path, 1);
        let (mut seq, mut applied) = (0, 0);
        for (event, drawn) in events.into_iter().zip(2..) {
            match (event, process.live()) {
                (Event::Load, _) => {
                    seq += 1;
                    let answer = feed_answers::Answer::of(&[row(seq, "k")]);
                    load(process.sink.table(), &answer, Some(refresh())).unwrap();
                    applied = seq;
                    promised.insert(number.0, Some(seq));
                }
                (Event::Apply, Some(live)) => {
                    seq += 1;
                    let answer = feed_answers::Answer::of(&[row(seq, "k")]);
                    process.sink.table().apply(&live, &answer.changes()).unwrap();
                    applied = seq;
                }
                (Event::Acknowledge, Some(live)) => {
                    let standing = FeedStanding::Current(refresh());
                    process.sink.table().advance(&live, Cursor(applied), 1, standing).unwrap();
                    promised.insert(number.0, Some(applied));
                }
                (Event::Save, _) => process.save(),
                (Event::Leave, _) => {
                    process.sink.table().close().unwrap();
                    promised.insert(number.0, None);
                    drop(process);
                    (process, number) = Process::begin(&path, drawn);
                }
                (Event::Crash, _) => {
                    drop(process);
                    (process, number) = Process::begin(&path, drawn);
                    applied = process.live().map_or(0, |live| live.cursor.0);
                }
                (Event::Apply | Event::Acknowledge, None) => {}
            }
            if let Some(live) = process.live() {
                let promise = promised.get(&number.0).copied().unwrap_or(Some(0));
                prop_assert!(promise.is_some_and(|promise| live.cursor.0 >= promise), "{promise:?} {live:?}");
                let told = told(&process.reader(), "k");
                let admits_by: u64 = told.trim_start_matches("as of ").parse().unwrap();
                prop_assert!(Some(admits_by) >= promise, "{told}, {promise:?}");
            }
        }
    }
}
