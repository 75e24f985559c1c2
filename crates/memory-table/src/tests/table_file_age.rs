//! How old a table in a file is, and when its time is over.

use std::fs;

use latchkey_filter::clock::Moment;
use latchkey_filter::table::LiveFeed as _;
use latchkey_filter::testing::any_table::after_start;
use latchkey_filter::testing::feed_answers::table_names;
use latchkey_filter::testing::{START, WALL_START};
use latchkey_key_feed::MonotonicMillis;

use super::table_file::{Process, a_file, later, loaded, refused};
use crate::MachineClocks;
use crate::table_file::BootId;
use crate::table_file::decoding::decode;

#[test]
fn a_file_of_another_time_is_refused() {
    let (_folder, path) = a_file();
    assert_eq!(refused(&path, after_start(60_000)), "it is too old to admit anybody");
    assert_eq!(refused(&path, after_start(499)), "it was written later than now: the clock was set back");
    // The machine has not started anew, so the monotonic clock shows what the wall clock hides.
    let set_back = Moment { wall: WALL_START.plus_millis(500), monotonic: START.plus_millis(60_000) };
    assert_eq!(refused(&path, set_back), "it is too old to admit anybody");
    assert!(Process::at(&path).file.restore(after_start(59_999)).unwrap().is_some());
}

#[test]
fn a_machine_that_has_just_started_admits_for_less_and_never_for_longer() {
    let (_folder, path) = a_file();
    let bytes = fs::read(&path).unwrap();
    let started = Moment { wall: WALL_START.plus_millis(10_000), monotonic: MonotonicMillis(4_000) };
    let standing = decode(&bytes, &table_names(), BootId([1; 16]), started).unwrap().standing;
    let age = standing.age(started);
    assert_eq!((age.ms, age.wall_ms, age.serves_ms), (4_000, 10_000, 54_000));
}

/// A file at a path that cannot be cleared, and whether its time counts as over by these clocks.
fn counts_as_over(clocks: MachineClocks) -> bool {
    let (_folder, path) = a_file();
    let process = Process::with(&path, clocks);
    let live = process.file.restore(later()).unwrap().unwrap();
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    process.advance(&live, 9).is_ok()
}

/// One of them may have been set forward, and the other stands still while the machine sleeps.
#[test]
fn the_time_of_a_file_that_cannot_be_removed_is_over_when_both_clocks_say_so() {
    assert!(!counts_as_over(|| Some(after_start(60_000))));
    assert!(counts_as_over(|| Some(after_start(60_001))));
    assert!(!counts_as_over(|| Some(Moment { wall: after_start(60_001).wall, ..after_start(0) })));
    assert!(!counts_as_over(|| Some(Moment { monotonic: after_start(60_001).monotonic, ..after_start(0) })));
    assert!(!counts_as_over(|| None));
}

#[test]
fn without_a_clock_no_file_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table");
    let process = Process::with(&path, || None);
    process.enter(7);
    loaded(&process);
    assert_eq!(process.file.save().unwrap_err().to_string(), "the machine does not tell the time");
    assert!(!path.exists());
}
