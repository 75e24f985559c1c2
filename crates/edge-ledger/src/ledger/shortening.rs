//! Shortening the times in the store as time passes.
//!
//! A row says for how long an instance may admit from when it is read. If that were not shortened as time
//! passes, an instance that is gone would count anew after each restart.

use latchkey_key_feed::UnixMillis;

use super::{EdgeLedger, EdgeProgress};
use crate::edge_row::EdgeTime;
use crate::limits::{EDGE_ROW_WINDOW, EDGE_TIMES_NOTED_AT_ONCE_MAX};
use crate::moment::Moment;

/// How much longer than needed a time in the store may be.
const EXCESS_MS_MAX: u64 = EDGE_ROW_WINDOW.as_secs() * 1_000 / 2;

impl EdgeLedger {
    /// Instances whose rows have a much longer time than they may admit, with what is left of it.
    #[must_use]
    pub fn take_times_to_shorten(&mut self, now: Moment) -> Vec<EdgeTime> {
        let mut times = Vec::new();
        for (id, progress) in &mut self.edges {
            if times.len() >= EDGE_TIMES_NOTED_AT_ONCE_MAX {
                break;
            }
            let Some(may_admit_for_ms) = progress.time_to_note(now) else { continue };
            // Counted from now: an answer that comes while this is written needs a longer time, and is
            // written after it.
            progress.stored.for_ms = may_admit_for_ms;
            progress.stored.steady_until =
                progress.stored.steady_until.min(now.steady.plus_millis(may_admit_for_ms));
            let (seen, may_admit_until) = (progress.seen, progress.stored.told_until);
            times.push(EdgeTime { id: id.clone(), seen, may_admit_until, may_admit_for_ms });
        }
        times
    }

    /// Rows that end at this moment or later may be of instances that may admit.
    #[must_use]
    pub fn earliest_row_that_counts(&self, now: Moment) -> UnixMillis {
        let counting = self.edges.values().filter(|progress| progress.may_admit(now));
        counting.map(|progress| progress.stored.told_until).min().unwrap_or(UnixMillis(u64::MAX))
    }

    /// The moment since which edges may be missing, once it does not matter any more because no missing edge
    /// can still admit. Call [`Self::note_known_again`] once this is written to the store.
    #[must_use]
    pub fn unknown_that_are_over(&self, now: Moment) -> Option<UnixMillis> {
        let is_over = self.known_since != self.known_again && self.is_sure(now);
        (is_over && self.known_since != UnixMillis(0)).then_some(self.known_since)
    }

    /// Notes that the store has noted that this moment does not matter any more.
    pub fn note_known_again(&mut self, begun: UnixMillis) {
        self.known_again = begun;
    }
}

impl EdgeProgress {
    fn time_to_note(&self, now: Moment) -> Option<u64> {
        let may_admit_for_ms = self.noted_for_ms(now);
        let excess = self.stored.for_ms.saturating_sub(may_admit_for_ms);
        let is_over = may_admit_for_ms == 0 && excess > 0;
        (!self.has_left && (is_over || excess >= EXCESS_MS_MAX)).then_some(may_admit_for_ms)
    }
}
