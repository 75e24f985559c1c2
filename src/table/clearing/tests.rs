use latchkey_key_feed::{Cursor, Epoch, KeyId, MonotonicMillis};

use super::*;
use crate::table::sample_keys::{at, build, changes, key, live, refreshed_at};
use crate::table::{FeedIdentity, FeedTable as _, Found, RecordShape, SharedNames, TableReader, WriteError};
use crate::testing::FakeSharedData;

const NOW: MonotonicMillis = MonotonicMillis(1_000_000);

fn names() -> SharedNames {
    SharedNames::of(&FeedIdentity::of("c", "a", "/p"), RecordShape::default())
}

fn load(writer: &TableWriter<FakeSharedData>, keys: u64) {
    let rows: Vec<_> = (1..=keys).map(|seq| live(seq, key(&format!("key-{seq}")))).collect();
    let build = build(writer, &rows);
    let epoch = Epoch::try_from("e".to_owned()).unwrap();
    let mut live = writer.publish(&build, &epoch, Cursor(keys), keys, Some(refreshed_at(at(NOW)))).unwrap();
    while let (Progress::Continues, next) = writer.sweep(&live).unwrap() {
        live = next;
    }
}

fn holds(reader: &TableReader<FakeSharedData>, id: &str) -> Option<bool> {
    let id = KeyId::try_from(id).unwrap();
    let page = reader.page_for(&id, NOW).unwrap()?;
    Some(matches!(page.find(&id).unwrap(), Found::Key(_)))
}

#[test]
fn of_a_table_that_is_cleared_nothing_is_left_but_its_header() {
    let shared = FakeSharedData::default();
    let writer = TableWriter::new(shared.clone(), names());
    load(&writer, 20_000);
    load(&writer, 10);
    // A load that was given up has left runs behind.
    let mut given_up = writer.begin(20_000, 7).unwrap();
    let rows: Vec<_> = (1..=5_000).map(|seq| live(seq, key(&format!("new-{seq}")))).collect();
    writer.collect(&mut given_up, &changes(&rows)).unwrap();
    assert!(shared.filled() > 10);
    let mut clearing = writer.close().unwrap();
    let mut slices = 1;
    while writer.clear(&mut clearing) == Progress::Continues {
        slices += 1;
    }
    assert!(slices > 1, "so much is cleared at once");
    assert_eq!(shared.filled(), 1);
    assert_eq!(writer.lay_out(&mut given_up), Err(WriteError::Deposed));
}

#[test]
fn no_reader_admits_by_a_table_that_is_cleared_whatever_it_keeps() {
    let shared = FakeSharedData::default();
    let writer = TableWriter::new(shared.clone(), names());
    load(&writer, 100);
    let reader = TableReader::new(shared.clone(), names());
    assert_eq!(holds(&reader, "key-7"), Some(true));
    let mut clearing = writer.close().unwrap();
    while writer.clear(&mut clearing) == Progress::Continues {}
    // At the same moment: its header is young, and its page is kept.
    assert_eq!(holds(&reader, "key-7"), None);
}

#[test]
fn a_table_that_is_begun_meanwhile_is_left_alone() {
    let shared = FakeSharedData::default();
    let writer = TableWriter::new(shared.clone(), names());
    load(&writer, 20_000);
    let mut clearing = writer.close().unwrap();
    load(&writer, 100);
    while writer.clear(&mut clearing) == Progress::Continues {}
    let reader = TableReader::new(shared.clone(), names());
    assert!((1..=100).all(|seq| holds(&reader, &format!("key-{seq}")) == Some(true)));
}
