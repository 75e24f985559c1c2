//! The disks of machines, and the files in which processes of the native module keep their tables.
//!
//! The files are real ones, in a folder that ends with the run. A process that is killed leaves its files as they were at that
//! moment, whatever its parts would do at their end.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use latchkey_filter::clock::{HostClocks as _, Moment};
use latchkey_filter::table::{SharedNames, TableIdentity};
use latchkey_filter::testing::FakeClocks;
use latchkey_memory_table::{Saved, TableFile};
use tempfile::TempDir;

use crate::configs::Configured;
use crate::host::SimHost;
use crate::proxy::{Process, TableAt};
use crate::schedule::Damage;
use crate::world::World;

/// Where files need no disk.
const MEMORY: &str = "/dev/shm";

thread_local! {
    /// The clocks of the machine on which something is done. A table file asks them by a function without a place.
    static CLOCKS: RefCell<Option<FakeClocks>> = const { RefCell::new(None) };
}

/// The disks of all machines.
pub(crate) struct Disks(TempDir);

/// A table that a process keeps in a file.
pub(crate) struct Kept {
    table: TableAt,
    names: SharedNames,
    path: PathBuf,
    /// Absent while another process has it.
    file: Option<TableFile>,
}

impl Kept {
    /// Which table.
    pub(crate) fn table(&self) -> TableAt {
        self.table
    }
}

/// From here on something is done on the machine with these clocks.
pub(crate) fn be_on(clocks: &FakeClocks) {
    CLOCKS.with(|on| *on.borrow_mut() = Some(clocks.clone()));
}

/// What the clocks of that machine say.
pub(crate) fn moment() -> Option<Moment> {
    CLOCKS.with(|on| {
        let on = on.borrow();
        let clocks = on.as_ref()?;
        Some(Moment { wall: clocks.wall().ok()?, monotonic: clocks.monotonic().ok()? })
    })
}

impl Disks {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir_in(MEMORY).or_else(|_| tempfile::tempdir()).unwrap())
    }

    fn file_of(&self, machine: usize, table: TableIdentity) -> PathBuf {
        let table = table.to_bytes().map(|byte| format!("{byte:02x}")).concat();
        self.0.path().join(format!("{machine}-{table}"))
    }

    /// The table files of a machine, in the order of their names.
    fn files_of(&self, machine: usize) -> Vec<PathBuf> {
        let beginning = format!("{machine}-");
        let is_table = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with(&beginning) && !name.contains('.')
        };
        let mut files: Vec<_> = fs::read_dir(&self.0).unwrap().map(|it| it.unwrap().path()).collect();
        files.retain(is_table);
        files.sort();
        files
    }
}

impl<H: SimHost> World<H> {
    /// Lets a process keep a table in a file, and begin with what is there.
    pub(crate) fn keep(&self, process: &Process<H>, vm_id: usize, configured: &Configured) {
        let Some(disks) = &self.disks else { return };
        let table = TableAt { process: process.number, vm_id, table: configured.table };
        if process.kept.borrow().iter().any(|kept| kept.table == table) {
            return;
        }
        be_on(&process.clocks);
        let (names, path) = (configured.config.table_names(), disks.file_of(process.machine, table.table));
        let file = H::file(&process.shared[vm_id], &names, &path).and_then(Result::ok);
        match file.as_ref().map(|file| file.restore(moment().unwrap())) {
            Some(Ok(Some(live))) => {
                self.trace.tell(|| format!("    process {} begins with a file: {live:?}", table.process));
                self.promises.borrow_mut().note_restored(process.machine, table);
            }
            Some(Ok(None)) | None => {}
            Some(Err(trouble)) => {
                self.trace
                    .tell(|| format!("    process {} begins without its file: {trouble}", table.process));
            }
        }
        process.kept.borrow_mut().push(Kept { table, names, path, file });
    }

    /// Writes the tables of a process that a restart would not begin with.
    pub(crate) fn save(&self, process: &Process<H>) {
        be_on(&process.clocks);
        for kept in process.kept.borrow_mut().iter_mut() {
            if kept.file.is_none() {
                let shared = &process.shared[kept.table.vm_id];
                kept.file = H::file(shared, &kept.names, &kept.path).and_then(Result::ok);
            }
            let Some(file) = kept.file.as_ref().filter(|file| !file.is_current(0)) else { continue };
            let saved = file.save();
            self.trace.tell(|| format!("    process {}: {saved:?}", process.number));
            if matches!(saved, Ok(Saved::Written)) {
                self.promises.borrow_mut().note_saved(process.machine, kept.table);
            }
        }
    }

    /// A file of a machine is damaged.
    pub(crate) fn damage(&self, machine: usize, damage: Damage) {
        let Some(disks) = &self.disks else { return };
        for path in disks.files_of(machine) {
            let mut bytes = fs::read(&path).unwrap();
            let len = bytes.len();
            match damage {
                // An earlier cut may have left nothing.
                Damage::Flipped(_) if len == 0 => {}
                Damage::Flipped(at) => bytes[usize::from(at) % len] ^= 1 << (at % 8),
                Damage::Cut(part) => bytes.truncate(len * usize::from(part) / 256),
            }
            write(&path, &bytes);
        }
    }

    /// Has something end at once, so that the files of its machine stay as they are.
    pub(crate) fn leaving_files(&self, machine: usize, end: impl FnOnce()) {
        let Some(disks) = &self.disks else { return end() };
        let files = disks.files_of(machine);
        let contents: Vec<_> = files.iter().map(|path| fs::read(path).unwrap()).collect();
        end();
        files.iter().zip(contents).for_each(|(path, bytes)| write(path, &bytes));
    }
}

/// Writes a file that only its owner reads.
fn write(path: &Path, bytes: &[u8]) {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
}
