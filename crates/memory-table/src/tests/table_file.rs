//! A table in a file, and who may begin with it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use latchkey_filter::clock::Moment;
use latchkey_filter::refresh::{FeedSink as _, Register, TableNumber};
use latchkey_filter::table::{
    FeedStanding, FeedTable as _, KeyTable as _, LiveFeed as _, RecordShape, SharedNames, TableIdentity,
    WriteError,
};
use latchkey_filter::testing::WALL_START;
use latchkey_filter::testing::any_table::{after_start, load, refresh, rights_told, told};
use latchkey_filter::testing::feed_answers::{Answer, gone, key_id, row, table_names};
use latchkey_key_feed::{Cursor, UnixMillis};
use proptest::prelude::*;
use sha2::Sha256;

use crate::table_file::decoding::decode;
use crate::table_file::encoding::{Encoder, Standing};
use crate::table_file::{BootId, CHECKSUM_LEN};
use crate::{
    FileTrouble, LiveMemory, MachineClocks, MemorySink, MemoryTable, MemoryTables, Saved, TableFile,
    TableSaver, Unusable,
};

/// A process with a table file.
pub(super) struct Process {
    pub(super) tables: MemoryTables,
    pub(super) sink: MemorySink,
    pub(super) file: TableFile,
}

impl Process {
    pub(super) fn at(path: &Path) -> Self {
        Self::with(path, written_at)
    }

    pub(super) fn with(path: &Path, clocks: MachineClocks) -> Self {
        let tables = MemoryTables::new();
        let (sink, file) = (tables.sink(&table_names()), tables.file(&table_names(), path, clocks).unwrap());
        Self { tables, sink, file }
    }

    pub(super) fn enter(&self, drawn: u64) -> TableNumber {
        Register::new(self.tables.entries().clone(), &table_names()).enter(drawn, 60_000).unwrap()
    }

    fn reader(&self) -> MemoryTable {
        self.tables.table(&table_names())
    }

    pub(super) fn advance(&self, live: &LiveMemory, cursor: u64) -> Result<LiveMemory, WriteError> {
        self.sink.table().advance(live, Cursor(cursor), 1, FeedStanding::Current(refresh()))
    }

    fn save(&self) -> Saved {
        self.file.save().unwrap()
    }
}

/// When files are written.
#[expect(clippy::unnecessary_wraps, reason = "a clock may fail")]
pub(super) fn written_at() -> Option<Moment> {
    Some(after_start(500))
}

/// A file of a table with a key, a removed one, and what a key may do, as of change 4.
pub(super) fn a_file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table");
    let process = Process::at(&path);
    process.enter(7);
    loaded(&process);
    assert_eq!(process.save(), Saved::Written);
    drop(process);
    (folder, path)
}

pub(super) fn loaded(process: &Process) -> LiveMemory {
    let mut answer = Answer::of(&[row(1, "k"), gone(2, "revoked"), row(4, "granted")]);
    answer.rights = [(key_id("granted"), RIGHTS.to_owned())].into();
    answer.registered = Some((3, r#"{"read":["data:1"]}"#.to_owned()));
    load(process.sink.table(), &answer, Some(refresh())).unwrap()
}

const RIGHTS: &str = r#"{"limited_by":{"cluster":["some"]}}"#;

pub(super) fn later() -> Moment {
    after_start(1_000)
}

pub(super) fn refused(path: &Path, now: Moment) -> String {
    let process = Process::at(path);
    let refused = process.file.restore(now).unwrap_err().to_string();
    assert_eq!(told(&process.reader(), "k"), "no table");
    refused
}

#[test]
fn a_process_begins_with_the_table_of_the_one_before_and_as_the_same_instance() {
    let (_folder, path) = a_file();
    let process = Process::at(&path);
    let live = process.file.restore(later()).unwrap().expect("a table");
    assert_eq!((live.cursor(), live.epoch().as_str(), live.keys()), (Cursor(4), "epoch.2", 3));
    let reader = process.reader();
    assert_eq!(
        ["k", "revoked", "granted", "x"].map(|id| told(&reader, id)),
        ["as of 1", "removed", "as of 4", "unknown"]
    );
    assert_eq!(rights_told(&reader, "granted"), RIGHTS);
    let age = reader.age(later()).unwrap().unwrap();
    assert_eq!((age.ms, age.wall_ms, age.serves_ms), (1_000, 1_000, 60_000));
    assert_eq!(process.enter(8), TableNumber(7), "the service knows it");
    let live = process.sink.table().live().unwrap();
    process.sink.table().apply(&live, &Answer::of(&[gone(5, "k")]).changes()).unwrap();
    assert_eq!(told(&reader, "k"), "removed");
}

#[test]
fn without_a_file_nothing_is_restored() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::at(&folder.path().join("table"));
    assert_eq!(process.file.restore(later()).unwrap(), None);
    assert_eq!(process.save(), Saved::Nothing);
    assert_eq!(process.enter(8), TableNumber(8));
}

#[test]
fn the_file_is_for_nobody_else_and_nothing_is_left_beside_it() {
    let (folder, path) = a_file();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["table", "table.lock"]);
}

#[test]
fn nothing_later_is_acknowledged_before_the_file_is_gone() {
    let (_folder, path) = a_file();
    let process = Process::at(&path);
    let live = process.file.restore(later()).unwrap().unwrap();
    process.advance(&live, 4).unwrap();
    assert!(path.exists(), "it holds all that is acknowledged");
    process.sink.table().apply(&live, &Answer::of(&[gone(5, "k")]).changes()).unwrap();
    assert!(path.exists(), "what is applied is not acknowledged yet");
    let live = process.advance(&live, 5).unwrap();
    assert!(!path.exists() && !process.file.is_current(0));
    process.enter(8);
    assert_eq!(process.save(), Saved::Written);
    assert!(path.exists() && process.file.is_current(0));
    // The same with a load, which replaces all of it.
    load(process.sink.table(), &Answer::of(&[row(9, "k")]), Some(refresh())).unwrap();
    assert!(!path.exists());
    assert_eq!(process.advance(&live, 10), Err(WriteError::Deposed));
}

#[test]
fn before_the_goodbye_the_file_is_gone() {
    let (_folder, path) = a_file();
    let process = Process::at(&path);
    process.file.restore(later()).unwrap();
    process.sink.table().close().unwrap();
    assert!(!path.exists());
}

#[test]
fn a_file_that_cannot_be_removed_keeps_the_next_acknowledgement_back_and_no_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table");
    let process = Process::at(&path);
    process.enter(7);
    let live = load(process.sink.table(), &Answer::of(&[row(1, "k")]), Some(refresh())).unwrap();
    assert_eq!(process.save(), Saved::Written);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    process.sink.table().apply(&live, &Answer::of(&[gone(2, "k")]).changes()).unwrap();
    assert_eq!(process.advance(&live, 2), Err(WriteError::Deposed));
    assert_eq!((told(&process.reader(), "k"), process.file.is_stuck()), ("removed".to_owned(), true));
    fs::remove_dir(&path).unwrap();
    assert!(process.advance(&live, 2).is_ok() && !process.file.is_stuck());
}

#[test]
fn a_table_that_is_in_use_is_not_replaced_by_a_file() {
    let (_folder, path) = a_file();
    let process = Process::at(&path);
    let live = load(process.sink.table(), &Answer::of(&[row(9, "k")]), Some(refresh())).unwrap();
    assert!(matches!(process.file.restore(later()), Err(FileTrouble::TooLate)));
    assert_eq!(process.sink.table().live(), Some(live));
    let process_with_a_number = {
        drop(process);
        Process::at(&path)
    };
    process_with_a_number.enter(8);
    assert!(matches!(process_with_a_number.file.restore(later()), Err(FileTrouble::TooLate)));
}

#[test]
fn a_file_that_others_could_have_written_is_refused() {
    let (folder, path) = a_file();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let exposed = "it is not a file of this user alone, with mode 0600";
    assert_eq!(refused(&path, later()), exposed);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(!refused(&link, later()).is_empty());
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(refused(&path, later()), exposed);
}

/// Whoever changes what is written moves the version, and then what is expected here. Records are those of shared data,
/// whose layout is held in `table::tests`.
#[test]
fn the_layout_of_a_file_is_the_one_that_its_version_says() {
    let (_folder, path) = a_file();
    let live = loaded(&Process::at(&path));
    let mut bytes = Vec::new();
    let encoder = Encoder::begin(&mut bytes, table_names().table()).unwrap();
    let (number, boot, written_at) = (TableNumber(7), BootId::default(), WALL_START);
    encoder.end(&mut bytes, &Standing { live: &live, number, boot, written_at }).unwrap();
    // It ends with its checksum.
    assert_eq!((bytes[8], &bytes[bytes.len() - 8..]), (4, &[216, 102, 123, 139, 9, 230, 200, 231][..]));
}

#[test]
fn a_file_of_the_versions_before_is_read() {
    let (_folder, path) = a_file();
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(bytes.len() - CHECKSUM_LEN);
    for version in [2, 3] {
        bytes[8] = version;
        let bytes = checked(bytes.clone());
        assert!(decode(&bytes, &table_names(), BootId::default(), later()).is_ok());
    }
    bytes[8] = 1;
    let bytes = checked(bytes);
    let refused = decode(&bytes, &table_names(), BootId::default(), later()).map(|_| ()).unwrap_err();
    assert_eq!(refused.to_string(), "it has version 1, and this one reads 2 to 4");
}

#[test]
fn a_file_of_something_else_is_refused() {
    let (_folder, path) = a_file();
    let bytes = fs::read(&path).unwrap();
    let read = |bytes: &[u8], names: &SharedNames| {
        decode(bytes, names, BootId::default(), later()).map(|_| ()).unwrap_err()
    };
    let other = SharedNames::of_table(TableIdentity::from_bytes([9; 8]));
    assert_eq!(read(&bytes, &other), Unusable::OtherTable);
    let mut version = bytes.clone();
    version[8] = 9;
    assert_eq!(read(&version, &table_names()), Unusable::OtherVersion(9));
    assert_eq!(read(b"", &table_names()), Unusable::NotATable);
    assert_eq!(read(&[b'x'; 200], &table_names()), Unusable::NotATable);
    assert_eq!(read(&bytes[..bytes.len() - 1], &table_names()), Unusable::Damaged);
    let longer = [&bytes[..], b"x"].concat();
    assert_eq!(read(&longer, &table_names()), Unusable::Damaged);
    // Behind the sections stand a byte that says so, whether the edge's key has ended, and the number of the instance.
    let mut of_nobody = bytes[..bytes.len() - 32].to_vec();
    let number = bytes.windows(9).rposition(|part| part == [0, 7, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    of_nobody[number + 1] = 0;
    assert_eq!(read(&checked(of_nobody), &table_names()), Unusable::Damaged);
    // A configuration that tells nothing has another table.
    let feed = latchkey_filter::table::FeedIdentity::of("key_service", "key_service", "/_latchkey/feed");
    assert_eq!(read(&bytes, &SharedNames::of(&feed, RecordShape::default())), Unusable::OtherTable);
}

#[test]
fn a_thread_writes_the_file_when_the_table_has_changed_and_ends_with_its_owner() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table");
    let Process { tables, sink, file } = Process::at(&path);
    Register::new(tables.entries().clone(), &table_names()).enter(7, 60_000).unwrap();
    let live = load(sink.table(), &Answer::of(&[row(1, "k")]), Some(refresh())).unwrap();
    let (told, reports) = std::sync::mpsc::channel();
    let report = move |saved: Result<Saved, FileTrouble>| told.send(saved.unwrap()).unwrap();
    let saver =
        TableSaver::start(Some(file), || Err(FileTrouble::Held), Duration::from_millis(1), report).unwrap();
    assert_eq!(reports.recv().unwrap(), Saved::Written);
    sink.table().advance(&live, Cursor(2), 1, FeedStanding::MoreFollows { purged: Cursor(0) }).unwrap();
    assert_eq!(reports.recv().unwrap(), Saved::Written);
    drop((saver, sink, tables));
    assert!(reports.recv().is_err(), "nobody is left to report");
    assert!(Process::at(&path).file.restore(later()).unwrap().is_some());
}

#[test]
fn no_secret_stands_in_the_file() {
    let (_folder, path) = a_file();
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.windows(1).len() > 200);
    assert!(!bytes.windows(9).any(|part| part == b"secret of"));
}

#[test]
fn a_file_that_is_written_while_the_table_changes_holds_all_that_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table");
    let process = Process::at(&path);
    process.enter(7);
    let mut live = load(process.sink.table(), &Answer::of(&[row(1, "k")]), Some(refresh())).unwrap();
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                process.save();
            }
        });
        for seq in 2..300 {
            process.sink.table().apply(&live, &Answer::of(&[row(seq, "k")]).changes()).unwrap();
            live = process.advance(&live, seq).unwrap();
            // What a crash would leave. The file may come and go meanwhile.
            if let Ok(bytes) = fs::read(&path) {
                let decoded = decode(&bytes, &table_names(), BootId::default(), later()).unwrap();
                assert_eq!(decoded.standing.cursor(), Cursor(seq), "it is of what was acknowledged last");
            }
        }
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(process.save(), Saved::Written);
    drop(process);
    let process = Process::at(&path);
    process.file.restore(later()).unwrap();
    assert_eq!(told(&process.reader(), "k"), "as of 299");
}

/// The bytes of a file with a right checksum.
fn checked(mut content: Vec<u8>) -> Vec<u8> {
    use sha2::Digest as _;
    let checksum = Sha256::digest(&content);
    content.extend_from_slice(&checksum);
    content
}

proptest! {
    #[test]
    fn no_bytes_are_taken_for_a_table(bytes: Vec<u8>) {
        prop_assert!(decode(&bytes, &table_names(), BootId::default(), later()).is_err());
    }

    #[test]
    fn no_file_with_a_byte_changed_is_taken_for_a_table(place: prop::sample::Index, change in 1_u8..) {
        let (_folder, path) = a_file();
        let mut bytes = fs::read(&path).unwrap();
        let place = place.index(bytes.len());
        bytes[place] ^= change;
        prop_assert!(decode(&bytes, &table_names(), BootId::default(), later()).is_err());
    }

    /// Whoever can write the file can also make it a right one; it may not bring the process down.
    #[test]
    fn no_content_makes_it_panic(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        len: prop::sample::Index,
    ) {
        let (_folder, path) = a_file();
        let bytes = fs::read(&path).unwrap();
        let mut content = bytes[..bytes.len() - 32].to_vec();
        for (place, value) in places {
            let place = place.index(content.len());
            content[place] = value;
        }
        let _ = decode(&checked(content.clone()), &table_names(), BootId::default(), later());
        content.truncate(len.index(content.len()));
        let _ = decode(&checked(content), &table_names(), BootId::default(), Moment { wall: UnixMillis(u64::MAX), ..later() });
    }
}
