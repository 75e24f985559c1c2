//! The key tables that are kept in files, so that a start while the key service is away begins with one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use latchkey_filter::clock::Moment;
use latchkey_filter::config::TableFileSettings;
use latchkey_filter::table::{LiveFeed as _, SharedNames, TableIdentity};
use latchkey_memory_table::{FileTrouble, MemoryTables, Saved, TableFile, TableSaver};

use crate::abi::{self, Level};
use crate::clocks;

/// A table that is kept in a file for as long as this lives. Dropping it waits for the write under way.
pub(crate) struct KeptTable {
    path: PathBuf,
    /// Absent where the system has no thread for it.
    _saver: Option<TableSaver>,
}

/// The tables of the process that are kept. A configuration that takes the place of another finds its table here.
static KEPT: Mutex<BTreeMap<TableIdentity, Weak<KeptTable>>> = Mutex::new(BTreeMap::new());

/// Keeps a table in a file, and begins with what is there. Done before a plugin of the table comes.
///
/// A file that cannot be used is told in the log, and the table begins without it: who may come in is then decided as
/// without a file.
///
/// # Errors
///
/// The reason for which the configuration must be refused.
pub(crate) fn keep(
    tables: &'static MemoryTables,
    names: &SharedNames,
    settings: &TableFileSettings,
    now: Moment,
) -> Result<Arc<KeptTable>, &'static str> {
    let path = PathBuf::from(&settings.path);
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(table) = kept.get(&names.table()).and_then(Weak::upgrade) {
        return if table.path == path { Ok(table) } else { Err("the same table is kept in another file") };
    }
    let file = tables.file(names, &path, clocks::both);
    match &file {
        Ok(file) => begin_with(file, now),
        Err(trouble) => tell(Level::Error, "begins without the file, and tries for it again", trouble),
    }
    let open = {
        let (names, path) = (names.clone(), path.clone());
        move || tables.file(&names, &path, clocks::both)
    };
    let saver = TableSaver::start(file.ok(), open, settings.interval, report).map_err(FileTrouble::from);
    let saver = saver.inspect_err(|trouble| tell(Level::Error, "the table is not kept", trouble)).ok();
    let table = Arc::new(KeptTable { path, _saver: saver });
    kept.insert(names.table(), Arc::downgrade(&table));
    Ok(table)
}

fn begin_with(file: &TableFile, now: Moment) {
    match file.restore(now) {
        Ok(None) => {}
        Ok(Some(live)) => {
            let (keys, age_s) = (live.keys(), live.age(now).ms / 1_000);
            abi::log(Level::Info, &format!("table_file: begins with {keys} keys as of {age_s} s ago"));
        }
        Err(trouble) => tell(Level::Warn, "begins without the file", &trouble),
    }
}

fn report(saved: Result<Saved, FileTrouble>) {
    if let Err(trouble) = saved {
        tell(Level::Error, "the file was not written", &trouble);
    }
}

fn tell(level: Level, what: &str, trouble: &FileTrouble) {
    abi::log(level, &format!("table_file: {what}: {trouble}"));
}
