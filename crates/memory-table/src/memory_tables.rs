//! All tables of a process.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use latchkey_filter::refresh::Register;
use latchkey_filter::table::{SharedNames, TableIdentity};

use crate::memory_sink::MemorySink;
use crate::memory_table::{MemoryTable, Shared};
use crate::memory_writer::MemoryWriter;
use crate::process_entries::ProcessEntries;
use crate::table_file::in_force::MachineClocks;
use crate::table_file::keeper::{FileTrouble, TableFile};

/// The tables of a process. Whoever names the same table gets the same one; a table that nobody has any more
/// is gone. Clones are the same tables.
#[derive(Clone, Debug, Default)]
pub struct MemoryTables {
    tables: Arc<Mutex<BTreeMap<TableIdentity, Weak<Shared>>>>,
    entries: ProcessEntries,
}

impl MemoryTables {
    /// No tables yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The small entries of the process.
    #[must_use]
    pub fn entries(&self) -> &ProcessEntries {
        &self.entries
    }

    /// The table with those names, for one thread that reads it.
    #[must_use]
    pub fn table(&self, names: &SharedNames) -> MemoryTable {
        MemoryTable::new(self.open(names), names)
    }

    /// The table with those names, for a plugin that follows the feed.
    #[must_use]
    pub fn sink(&self, names: &SharedNames) -> MemorySink {
        let register = Register::new(self.entries.clone(), names);
        MemorySink::new(self.writer(names), register)
    }

    /// The file of the table with those names, which this process has for itself as long as the result lives. `clocks`
    /// are those of the table.
    ///
    /// # Errors
    ///
    /// [`FileTrouble`] when another process has it, or the file system would not.
    pub fn file(
        &self,
        names: &SharedNames,
        path: &Path,
        clocks: MachineClocks,
    ) -> Result<TableFile, FileTrouble> {
        let register = Register::new(self.entries.clone(), names);
        TableFile::open(path, self.open(names), names, register, clocks)
    }

    pub(crate) fn writer(&self, names: &SharedNames) -> MemoryWriter {
        MemoryWriter::new(self.open(names), names.clone())
    }

    fn open(&self, names: &SharedNames) -> Arc<Shared> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = tables.get(&names.table()).and_then(Weak::upgrade) {
            return open;
        }
        tables.retain(|_, table| table.strong_count() > 0);
        let opened = Arc::<Shared>::default();
        tables.insert(names.table(), Arc::downgrade(&opened));
        opened
    }
}
