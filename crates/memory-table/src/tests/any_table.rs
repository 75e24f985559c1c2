//! The cases that hold for every kind of table.

use latchkey_filter::table::SharedNames;
use latchkey_filter::testing::any_table::{self, TableProcess};

use crate::memory_writer::MemoryWriter;
use crate::{MemoryTable, MemoryTables};

struct Process(MemoryTables, SharedNames);

impl TableProcess for Process {
    type Reader = MemoryTable;
    type Writer = MemoryWriter;

    fn new(names: &SharedNames) -> Self {
        Self(MemoryTables::new(), names.clone())
    }

    fn reader(&self) -> MemoryTable {
        self.0.table(&self.1)
    }

    fn writer(&self) -> MemoryWriter {
        self.0.writer(&self.1)
    }
}

#[test]
fn a_table_in_memory_behaves_as_any_table() {
    any_table::check::<Process>();
}
