//! Clearing tables that nobody uses any more.
//!
//! The last plugin of a table clears it when it ends ([`Departure`](super::Departure)), unless its VM died.
//! So every plugin writes heartbeats into the directory of the process, and each follower checks that all
//! other tables still have them.

use latchkey_key_feed::MonotonicMillis;

use super::sink::{Clearing, FeedSink};
use crate::limits::{TABLE_LOOK_MS, TABLE_SILENT_LOOKS};
use crate::table::{Directory, FeedTable as _, Progress, SharedEntries, SharedNames, TableIdentity};

/// The housekeeping of one plugin.
pub struct Housekeeping<S, K: FeedSink> {
    directory: Directory<S>,
    own: TableIdentity,
    next_look: MonotonicMillis,
    silent: Vec<SilentTable>,
    clearing: Option<(TableIdentity, K, Clearing<K>)>,
}

/// A table that has given no sign of life since it was first looked at.
struct SilentTable {
    table: TableIdentity,
    heartbeat: MonotonicMillis,
    looks: u32,
}

impl<S: SharedEntries, K: FeedSink> Housekeeping<S, K> {
    /// The housekeeping of a plugin of that table.
    pub fn new(store: S, own: TableIdentity) -> Self {
        let directory = Directory::new(store);
        let next_look = MonotonicMillis::default();
        Self { directory, own, next_look, silent: Vec::new(), clearing: None }
    }

    /// Time has passed. Gives a heartbeat, and does a slice of what else there is to do if this plugin
    /// follows its feed. `open` gives the table with those names.
    pub fn tick(&mut self, is_following: bool, now: MonotonicMillis, open: impl FnOnce(&SharedNames) -> K) {
        if let Some((cleared, sink, clearing)) = &mut self.clearing {
            if sink.table().clear(clearing) == Progress::Done {
                self.directory.remove(*cleared);
                self.clearing = None;
            }
            return;
        }
        if now < self.next_look {
            return;
        }
        self.next_look = now.plus_millis(TABLE_LOOK_MS);
        self.directory.heartbeat(self.own, now, TABLE_LOOK_MS);
        if is_following {
            self.look(open);
        } else {
            self.silent.clear();
        }
    }

    /// Whether the next tick has work to do, and should come soon.
    pub fn is_busy(&self) -> bool {
        self.clearing.is_some()
    }

    fn look(&mut self, open: impl FnOnce(&SharedNames) -> K) {
        let mut silent = Vec::new();
        for listed in self.directory.tables().into_iter().filter(|listed| listed.table != self.own) {
            let before = self
                .silent
                .iter()
                .find(|seen| seen.table == listed.table && seen.heartbeat == listed.heartbeat);
            let looks = before.map_or(0, |seen| seen.looks) + 1;
            silent.push(SilentTable { table: listed.table, heartbeat: listed.heartbeat, looks });
        }
        self.silent = silent;
        let Some(gone) = self.silent.iter().find(|seen| seen.looks >= TABLE_SILENT_LOOKS) else { return };
        let sink = open(&SharedNames::of_table(gone.table));
        if let Ok(clearing) = sink.table().close() {
            self.clearing = Some((gone.table, sink, clearing));
        }
    }
}
