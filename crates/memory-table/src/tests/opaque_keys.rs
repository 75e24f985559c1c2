//! By what opaque keys are found, in a table file.

use latchkey_filter::refresh::FeedSink as _;
use latchkey_filter::table::KeyTable as _;
use latchkey_filter::testing::any_table::{load, refresh, told};
use latchkey_filter::testing::feed_answers::{Answer, row, table_names};
use latchkey_key_feed::{MonotonicMillis, OpaqueKeyPepper};

use super::table_file::{Process, a_file, later};
use crate::Saved;

#[test]
fn a_process_that_begins_with_a_file_finds_opaque_keys() {
    let (folder, _) = a_file();
    let path = folder.path().join("another");
    let pepper = Some(OpaqueKeyPepper::from_bytes([4; 32]));
    let process = Process::at(&path);
    process.enter(7);
    let answer = Answer { pepper: pepper.clone(), ..Answer::of(&[row(1, "k")]) };
    assert!(load(process.sink.table(), &answer, Some(refresh())).is_ok());
    assert_eq!(process.file.save().unwrap(), Saved::Written);
    drop(process);
    let process = Process::at(&path);
    process.file.restore(later()).unwrap();
    let reader = process.tables.table(&table_names());
    assert_eq!(reader.opaque_key_pepper(MonotonicMillis(0)).unwrap(), Some(pepper));
    assert_eq!(told(&reader, "k"), "as of 1");
}
