//! The file of a table on disk: written now and then, and read at start. What is in it is known elsewhere.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use latchkey_filter::clock::Moment;
use latchkey_filter::refresh::{Register, TableNumber};
use latchkey_filter::table::SharedNames;
use latchkey_key_feed::UnixMillis;

use super::decoding::{Decoded, check_head, decode};
use super::encoding::{Encoder, Standing};
use super::in_force::{InForce, MachineClocks, sync_folder_of};
use super::{BootId, HEAD_LEN, Unusable};
use crate::limits::{SAVE_ROUNDS_MAX, SAVE_SETTLED_SHARDS, SAVE_TRIES_MAX, TABLE_FILE_LEN_MAX};
use crate::live::{Live, LiveMemory};
use crate::memory_table::Shared;
use crate::process_entries::ProcessEntries;
use crate::shards::SeenShards;

/// The file of one table, which this process has for itself as long as this lives.
pub struct TableFile {
    path: PathBuf,
    shared: Arc<Shared>,
    names: SharedNames,
    register: Register<ProcessEntries>,
    boot: BootId,
    clocks: MachineClocks,
    /// While it is open, the file is ours.
    lock: Arc<File>,
}

/// Why a file was not read or not written.
#[derive(Debug)]
pub enum FileTrouble {
    /// Another process has it, or another table of this one.
    Held,
    /// Its content cannot be used.
    Unusable(Unusable),
    /// Others could have written or read it: it is no plain file, not of this user, or not of mode 0600.
    Exposed,
    /// It is longer than any that is read.
    TooLong,
    /// The table is in use already.
    TooLate,
    /// The machine does not tell the time.
    NoTime,
    /// The file system would not.
    Io(io::Error),
}

/// What became of a table that was to be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// A restart begins with it.
    Written,
    /// There is no table.
    Nothing,
    /// It kept changing. The next try may have more luck.
    KeepsChanging,
}

impl TableFile {
    pub(crate) fn open(
        path: &Path,
        shared: Arc<Shared>,
        names: &SharedNames,
        register: Register<ProcessEntries>,
        clocks: MachineClocks,
    ) -> Result<Self, FileTrouble> {
        let (path, names, boot) = (path.to_owned(), names.clone(), boot_id());
        if let Some(lock) = lock_of(&shared, &path) {
            return Ok(Self { path, shared, names, register, boot, clocks, lock });
        }
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(NO_FOLLOW)
            .open(beside(&path, ".lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FileTrouble::Held),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        Ok(Self { path, shared, names, register, boot, clocks, lock: Arc::new(lock) })
    }

    /// Lets the table be the one of the file, if there is a file, and says as of which moment it is. Done before
    /// any plugin of the table comes, and off the path of requests.
    ///
    /// # Errors
    ///
    /// [`FileTrouble`] when there is a file that cannot be used. Nothing is changed then.
    pub fn restore(&self, now: Moment) -> Result<Option<LiveMemory>, FileTrouble> {
        let Some(bytes) = self.read()? else { return Ok(None) };
        let Decoded { shards, mut standing, number } =
            decode(&bytes, &self.names, self.boot, now).map_err(FileTrouble::Unusable)?;
        let mut writing = self.shared.lock();
        if self.shared.live.load().is_some() || !self.register.restore(number) {
            return Err(FileTrouble::TooLate);
        }
        standing.generation = writing.next_generation();
        writing.in_force = Some(self.in_force(&standing));
        let restored = standing.clone();
        self.shared.replace(&mut writing, Some(Arc::new(Live::new(shards, standing))));
        Ok(Some(restored))
    }

    /// Writes the table, and lets the file be what a restart begins with, if it holds everything that was
    /// acknowledged. This takes as long as the disk does: it is for a thread of its own.
    ///
    /// # Errors
    ///
    /// [`FileTrouble`] when the file system would not. What was there before stays.
    pub fn save(&self) -> Result<Saved, FileTrouble> {
        let now = (self.clocks)().ok_or(FileTrouble::NoTime)?.wall;
        let (Some(live), Some(number)) = (self.shared.live.load_full(), self.register.number()) else {
            return Ok(Saved::Nothing);
        };
        let unfinished = beside(&self.path, ".new");
        let saved = self.write(&unfinished, &live, number, now);
        if !matches!(saved, Ok(Saved::Written)) {
            // It may not be there. One that stays is written over.
            let _ = fs::remove_file(&unfinished);
        }
        saved
    }

    /// Whether a restart would begin with the table as it is now, or nearly: with everything that it holds, and
    /// refreshed no more than so many milliseconds earlier.
    #[must_use]
    pub fn is_current(&self, within_ms: u64) -> bool {
        let live = self.shared.live.load_full().map(|live| live.standing());
        let writing = self.shared.lock();
        match (live, &writing.in_force) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(live), Some(file)) => {
                file.path == self.path
                    && file.holds(live.generation, live.cursor)
                    && file.until.wall.plus_millis(within_ms) >= until(&live).wall
            }
        }
    }

    /// Whether the file could not be removed, so that nothing is acknowledged.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.shared.lock().is_stuck
    }

    fn write(
        &self,
        path: &Path,
        live: &Arc<Live>,
        number: TableNumber,
        now: UnixMillis,
    ) -> Result<Saved, FileTrouble> {
        let _ = fs::remove_file(path);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let mut out = BufWriter::new(file);
        let mut encoder = Encoder::begin(&mut out, self.names.table())?;
        let mut seen = SeenShards::default();
        // Most of it is written while the table changes, and what has changed meanwhile once more.
        for _ in 0..SAVE_ROUNDS_MAX {
            let changed = seen.changed(&live.shards);
            for (side, place, shard) in &changed {
                encoder.shard(&mut out, *side, *place, shard)?;
            }
            if changed.len() <= SAVE_SETTLED_SHARDS {
                break;
            }
        }
        for _ in 0..SAVE_TRIES_MAX {
            let (changed, standing) = {
                let _writing = self.shared.lock();
                (seen.changed(&live.shards), live.standing())
            };
            for (side, place, shard) in &changed {
                encoder.shard(&mut out, *side, *place, shard)?;
            }
            let told = Standing { live: &standing, number, boot: self.boot, written_at: now };
            encoder.clone().end(&mut out, &told)?;
            out.flush()?;
            out.get_ref().sync_all()?;
            if self.take_into_force(path, live, &standing)? {
                return Ok(Saved::Written);
            }
            out.get_ref().set_len(encoder.len())?;
            out.seek(SeekFrom::Start(encoder.len()))?;
        }
        Ok(Saved::KeepsChanging)
    }

    /// While nobody writes the table, lets the file be the one in force if it holds all of it.
    fn take_into_force(
        &self,
        path: &Path,
        live: &Arc<Live>,
        standing: &LiveMemory,
    ) -> Result<bool, FileTrouble> {
        let mut writing = self.shared.lock();
        let is_live = self.shared.live.load().as_ref().is_some_and(|now| Arc::ptr_eq(now, live));
        if !is_live || live.standing().cursor != standing.cursor {
            return Ok(false);
        }
        let file = self.in_force(standing);
        // A configuration before this one may have named another path. A restart with it must not begin there.
        if let Some(other) = writing.in_force.take_if(|other| other.path != self.path)
            && let Err(error) = other.remove()
        {
            writing.in_force = Some(other);
            return Err(error.into());
        }
        // Whatever fails from here on, it or the one before may be there after a restart.
        writing.in_force.get_or_insert_with(|| file.clone());
        fs::rename(path, &self.path)?;
        writing.in_force = Some(file);
        drop(writing);
        sync_folder_of(&self.path)?;
        Ok(true)
    }

    fn in_force(&self, standing: &LiveMemory) -> InForce {
        let LiveMemory { generation, cursor, .. } = *standing;
        let (path, lock) = (self.path.clone(), Arc::clone(&self.lock));
        InForce { path, lock, generation, cursor, until: until(standing), clocks: self.clocks }
    }

    fn read(&self) -> Result<Option<Vec<u8>>, FileTrouble> {
        let file = match OpenOptions::new().read(true).custom_flags(NO_FOLLOW).open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let about = file.metadata()?;
        let is_ours = about.uid() == rustix::process::geteuid().as_raw();
        if !about.is_file() || !is_ours || about.permissions().mode() & 0o077 != 0 {
            return Err(FileTrouble::Exposed);
        }
        if about.len() > TABLE_FILE_LEN_MAX {
            return Err(FileTrouble::TooLong);
        }
        // A file of something else may be long, and is not read to its end.
        let mut bytes = Vec::new();
        (&file).take(HEAD_LEN as u64).read_to_end(&mut bytes)?;
        check_head(&bytes, &self.names).map_err(FileTrouble::Unusable)?;
        file.take(TABLE_FILE_LEN_MAX).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }
}

/// The lock of a file that this process still has, though no configuration keeps the table in it any more.
fn lock_of(shared: &Shared, path: &Path) -> Option<Arc<File>> {
    let writing = shared.lock();
    let file = writing.in_force.as_ref().filter(|file| file.path == path);
    file.map(|file| Arc::clone(&file.lock))
}

/// Opens no symbolic link, and waits for no other end of a pipe.
const NO_FOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.union(rustix::fs::OFlags::NONBLOCK).bits() as i32;

/// Until when a table may admit.
fn until(live: &LiveMemory) -> Moment {
    live.refreshed.at.plus(Duration::from_millis(live.refreshed.serves_ms))
}

/// The path with this at its end.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(end);
    beside.into()
}

/// Which run of the machine this is; nothing where it cannot be told.
fn boot_id() -> BootId {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    u128::from_str_radix(&digits, 16).map_or(BootId::default(), |id| BootId(id.to_le_bytes()))
}

impl From<io::Error> for FileTrouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for FileTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held => f.write_str("another process has it, or another table of this one"),
            Self::Unusable(why) => why.fmt(f),
            Self::Exposed => f.write_str("it is not a file of this user alone, with mode 0600"),
            Self::TooLong => write!(f, "it is longer than {TABLE_FILE_LEN_MAX} bytes"),
            Self::TooLate => f.write_str("the table is in use already"),
            Self::NoTime => f.write_str("the machine does not tell the time"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for FileTrouble {}
