//! The key table in plain memory, for a shell of the filter that lives in one process with Envoy.
//!
//! | part | is |
//! |------|----|
//! | [`MemoryTables`] | the tables of the process: whoever names the same table gets the same one |
//! | [`MemoryTable`] | a table as one thread reads it, without a lock |
//! | [`MemorySink`] | a table as its follower has it, on the one thread that follows |
//! | [`TableFile`], [`TableSaver`] | the table on disk, for a start while the key service is away |
//! | [`ProcessEntries`] | the small entries that the plugins of the process share |
//!
//! A table is an array of 2^k shards, and a key stands in the one that the hash of its id picks. A shard never
//! changes: a change makes another one and puts it in its place, and whoever reads the old one keeps it until
//! the look-up is over. A load builds all shards aside, and one swap makes them the table. So there are no
//! pages that a reader could find of another generation, nothing to sweep, and no stamp that tells of changes.
//!
//! What keeps it right:
//!
//! * A change is there for all look-ups that begin after it was applied, and before the follower asks for what
//!   comes after, which acknowledges it.
//! * A shard only moves forward: a change applies only where its sequence number is higher than the shard's.
//! * A set of rights is written before the first key that has it, where it is missing.
//! * Writers take turns by a lock that no reader takes. A writer of a table that was replaced is stopped.

mod aside;
mod id_hash;
pub mod limits;
mod live;
mod memory_load;
mod memory_sink;
mod memory_table;
mod memory_tables;
mod memory_writer;
mod process_entries;
mod shard;
mod shards;
mod table_file;

pub use live::LiveMemory;
pub use memory_load::MemoryLoad;
pub use memory_sink::MemorySink;
pub use memory_table::{MemoryRecord, MemoryTable};
pub use memory_tables::MemoryTables;
pub use memory_writer::MemoryWriter;
pub use process_entries::ProcessEntries;
pub use table_file::Unusable;
pub use table_file::in_force::MachineClocks;
pub use table_file::keeper::{FileTrouble, Saved, TableFile};
pub use table_file::saver::TableSaver;

#[cfg(test)]
mod tests;
