//! Whose turn it is to follow the feed in a process with one thread that does.

use std::sync::{MutexGuard, PoisonError};

use latchkey_filter::refresh::{Candidate, FeedSink, FollowerId, FollowerTurn, Register};
use latchkey_key_feed::MonotonicMillis;

use crate::limits::TURN_SILENT_MS;
use crate::memory_writer::MemoryWriter;
use crate::process_entries::ProcessEntries;

/// The table of a process as its follower has it. Several plugins share a table, and the first to take the
/// turn keeps it until it hands it over.
pub struct MemorySink {
    writer: MemoryWriter,
    register: Register<ProcessEntries>,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turn {
    holder: Option<FollowerId>,
    /// Until when it is nobody else's.
    until: MonotonicMillis,
    failures: u32,
}

impl MemorySink {
    pub(crate) fn new(writer: MemoryWriter, register: Register<ProcessEntries>) -> Self {
        Self { writer, register }
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.writer.shared.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FollowerTurn for MemorySink {
    /// All candidates are alike: none of them is on a thread that serves requests.
    fn take(&self, me: FollowerId, _candidate: Candidate, now: MonotonicMillis) -> Option<u32> {
        let mut turn = self.turn();
        if turn.holder != Some(me) && now < turn.until {
            return None;
        }
        *turn = Turn { holder: Some(me), until: now.plus_millis(TURN_SILENT_MS), failures: turn.failures };
        Some(turn.failures)
    }

    fn keep(&self, me: FollowerId, now: MonotonicMillis) -> bool {
        let mut turn = self.turn();
        if turn.holder != Some(me) {
            return false;
        }
        *turn = Turn { holder: Some(me), until: now.plus_millis(TURN_SILENT_MS), failures: 0 };
        true
    }

    fn hand_over(&self, me: FollowerId, until: MonotonicMillis, failures: u32) {
        let mut turn = self.turn();
        if turn.holder == Some(me) {
            *turn = Turn { holder: None, until, failures };
        }
    }

    fn holder(&self, now: MonotonicMillis) -> Option<FollowerId> {
        let turn = self.turn();
        turn.holder.filter(|_| now < turn.until)
    }
}

impl FeedSink for MemorySink {
    type Table = MemoryWriter;

    fn table(&self) -> &MemoryWriter {
        &self.writer
    }

    fn refuse_after_ms(&self) -> u64 {
        self.register.refuse_after_ms()
    }
}
