//! Which process has the file of a table, and until when.

use std::time::Duration;

use latchkey_filter::refresh::{FeedSink as _, Register};
use latchkey_filter::table::{FeedStanding, FeedTable as _};
use latchkey_filter::testing::any_table::{load, refresh};
use latchkey_filter::testing::feed_answers::{Answer, row, table_names};
use latchkey_key_feed::Cursor;

use super::table_file::{Process, a_file, later, written_at};
use crate::{FileTrouble, MemoryTables, Saved, TableSaver};

#[test]
fn only_one_process_has_the_file() {
    let (_folder, path) = a_file();
    let one = Process::at(&path);
    let other = MemoryTables::new().file(&table_names(), &path, written_at);
    assert!(matches!(other, Err(FileTrouble::Held)));
    drop(one);
    assert!(MemoryTables::new().file(&table_names(), &path, written_at).is_ok());
}

/// A restart could begin with it, and the table may acknowledge more.
#[test]
fn a_file_is_ours_while_it_may_be_begun_with_though_no_configuration_names_it_any_more() {
    let (_folder, path) = a_file();
    let Process { tables, sink, file } = Process::at(&path);
    let live = file.restore(later()).unwrap().unwrap();
    drop(file);
    let other = || MemoryTables::new().file(&table_names(), &path, written_at);
    assert!(matches!(other(), Err(FileTrouble::Held)));
    assert!(tables.file(&table_names(), &path, written_at).is_ok(), "the same process may keep it again");
    sink.table().advance(&live, Cursor(9), 1, FeedStanding::Current(refresh())).unwrap();
    assert!(!path.exists());
    assert!(other().is_ok());
}

#[test]
fn a_file_at_another_path_is_gone_before_a_new_one_counts() {
    let (folder, path) = a_file();
    let Process { tables, sink: _sink, file } = Process::at(&path);
    file.restore(later()).unwrap().unwrap();
    drop(file);
    let second = folder.path().join("second");
    let file = tables.file(&table_names(), &second, written_at).unwrap();
    assert!(!file.is_current(0), "what is current is at the other path");
    assert_eq!(file.save().unwrap(), Saved::Written);
    assert!(second.exists() && !path.exists());
}

/// So it is with a hot restart.
#[test]
fn a_process_that_begins_before_the_one_before_has_ended_keeps_its_table_after_that() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table");
    let before = Process::at(&path);
    let tables: &'static MemoryTables = Box::leak(Box::new(MemoryTables::new()));
    Register::new(tables.entries().clone(), &table_names()).enter(8, 60_000).unwrap();
    let sink = tables.sink(&table_names());
    load(sink.table(), &Answer::of(&[row(1, "k")]), Some(refresh())).unwrap();
    let (told, reports) = std::sync::mpsc::channel();
    let report = move |saved: Result<Saved, FileTrouble>| told.send(saved.unwrap()).unwrap();
    let (tried, tries) = std::sync::mpsc::channel();
    let own = path.clone();
    let open = move || {
        let opened = tables.file(&table_names(), &own, written_at);
        tried.send(opened.is_ok()).unwrap();
        opened
    };
    let saver = TableSaver::start(None, open, Duration::from_millis(1), report).unwrap();
    assert!(!tries.recv().unwrap(), "the one before has it");
    assert!(!path.exists());
    drop(before);
    assert_eq!(reports.recv().unwrap(), Saved::Written);
    drop(saver);
    assert!(path.exists());
}
