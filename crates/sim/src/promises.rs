//! What was promised to whom: what edges have acknowledged, what they have heard, and of which changes the
//! service has said that they are complete.

use std::collections::BTreeMap;

use latchkey_filter::table::TableIdentity;
use latchkey_key_feed::{Cursor, EdgeInstance, FeedRequest, FeedVersion};

use crate::history::Position;
use crate::proxy::TableAt;

/// All promises.
#[derive(Default)]
pub(crate) struct Promises {
    acknowledged: BTreeMap<TableAt, Acknowledged>,
    heard: BTreeMap<TableAt, Heard>,
    files: BTreeMap<(usize, TableIdentity), InFile>,
    complete: Option<Position>,
}

/// What is promised of one table at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promised {
    /// What its edge has acknowledged with it.
    pub(crate) acknowledged: Option<Position>,
    /// The latest change that is complete.
    pub(crate) complete: Option<Position>,
}

/// A table in a file.
struct InFile {
    /// The table of the process that wrote it, or began with it.
    of: TableAt,
    /// When that was last told that it is current, when the file was written.
    heard: Heard,
}

#[derive(Clone)]
struct Acknowledged {
    instance: Option<EdgeInstance>,
    position: Position,
}

/// When a table was last told that it is current.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Heard {
    /// By the monotonic clock of its machine.
    pub(crate) monotonic: u64,
    /// In true time.
    pub(crate) time: u64,
}

impl Promises {
    /// A plugin has sent a request. Says whether it acknowledges anything new.
    pub(crate) fn note_request(&mut self, table: TableAt, request: &FeedRequest) -> bool {
        let Some(position) = acknowledged_by(request) else { return false };
        let instance = request.edge.as_ref().and_then(|edge| edge.instance.clone());
        let before = self.acknowledged.get(&table).filter(|before| before.instance == instance);
        let is_new = before.is_none_or(|before| is_further(position, before.position));
        if is_new {
            self.acknowledged.insert(table, Acknowledged { instance, position });
        }
        is_new
    }

    /// A table is told that it is current.
    pub(crate) fn note_heard(&mut self, table: TableAt, heard: Heard) {
        let known = self.heard.entry(table).or_default();
        known.monotonic = known.monotonic.max(heard.monotonic);
        known.time = known.time.max(heard.time);
    }

    /// A table was written to its file, on this machine.
    pub(crate) fn note_saved(&mut self, machine: usize, table: TableAt) {
        let heard = self.heard.get(&table).copied().unwrap_or_default();
        self.files.insert((machine, table.table), InFile { of: table, heard });
    }

    /// A process begins with the file of a table. What the one before has acknowledged is promised of it too.
    pub(crate) fn note_restored(&mut self, machine: usize, table: TableAt) {
        let Some(file) = self.files.get_mut(&(machine, table.table)) else { return };
        if let Some(acknowledged) = self.acknowledged.get(&file.of).cloned() {
            self.acknowledged.insert(table, acknowledged);
        }
        self.heard.insert(table, file.heard);
        file.of = table;
    }

    /// The service says that a change has reached every edge.
    pub(crate) fn note_complete(&mut self, change: Position) {
        if self.complete.is_none_or(|before| is_further(change, before)) {
            self.complete = Some(change);
        }
    }

    /// What the edge has acknowledged with this table.
    pub(crate) fn acknowledged(&self, table: TableAt) -> Option<Position> {
        self.acknowledged.get(&table).map(|acknowledged| acknowledged.position)
    }

    /// What is promised of a table now.
    pub(crate) fn of(&self, table: TableAt) -> Promised {
        Promised { acknowledged: self.acknowledged(table), complete: self.complete }
    }

    /// When a table was last told that it is current.
    pub(crate) fn heard(&self, table: TableAt) -> Option<Heard> {
        self.heard.get(&table).copied()
    }
}

fn is_further(position: Position, than: Position) -> bool {
    (position.epoch, position.cursor) > (than.epoch, than.cursor)
}

/// What a request says that no VM of its table admits by anything older than.
fn acknowledged_by(request: &FeedRequest) -> Option<Position> {
    if request.after == Cursor(0) || request.purged.is_some() || request.is_leaving {
        return None;
    }
    let (_, epoch) = FeedVersion::of_told_epoch(request.epoch.as_ref()?).ok()?;
    let epoch = epoch.as_str().strip_prefix('e')?.parse().ok()?;
    Some(Position { epoch, cursor: request.after.0 })
}
