//! What becomes of a page of the feed: of the live table, or of a load.

use std::mem;

use latchkey_key_feed::{FeedHead, MonotonicMillis};

use super::replication::{Load, LoadEnd, Replication};
use super::sink::{FeedSink, Live};
use super::{Follower, LoadReason, Note, State, Step};
use crate::clock::Moment;
use crate::limits::CREDENTIAL_ENDED_MS;
use crate::table::{Changes, FeedStanding, FeedTable as _, LiveFeed, Progress, Refresh, WriteError};

impl<K: FeedSink> Follower<K> {
    pub(super) fn follow(
        &mut self,
        before: Live<K>,
        page: &FeedHead,
        changes: &Changes,
        now: Moment,
        step: &mut Step,
    ) -> Result<(), WriteError> {
        if page.reset || page.epoch != *before.epoch() || is_of_a_load(&before, page) {
            self.load(LoadReason::Reset, now.monotonic, step);
            return Ok(());
        }
        self.sink.table().apply(&before, changes)?;
        let standing = match (page.more, page.ended) {
            (true, _) => FeedStanding::MoreFollows { purged: page.purged },
            (false, true) => FeedStanding::CredentialEnded,
            (false, false) => FeedStanding::Current(self.refreshed(now)),
        };
        let live = self.sink.table().advance(&before, page.cursor, page.total, standing)?;
        step.notes.push(Note::Applied { rows: changes.count() });
        self.credential_ended = before.credential_ended();
        self.note_credential(live.credential_ended(), step);
        match standing {
            // One more request acknowledges what has just come, and there is nothing else to ask for.
            FeedStanding::CredentialEnded if page.cursor == before.cursor() => {
                self.wait_for_credential(
                    Replication::Following { live, confirmed: false },
                    now.monotonic,
                    step,
                );
            }
            FeedStanding::CredentialEnded => {
                self.ask(Replication::Following { live, confirmed: false }, step)
            }
            _ if live.is_outgrown_by(page.total) => self.load(LoadReason::Outgrown, now.monotonic, step),
            _ if live.is_littered(now.monotonic) => self.load(LoadReason::Littered, now.monotonic, step),
            _ => self.ask_on(live, step),
        }
        Ok(())
    }

    pub(super) fn collect(
        &mut self,
        load: Option<Load<K>>,
        page: &FeedHead,
        changes: &Changes,
        (now, random): (Moment, u64),
        step: &mut Step,
    ) -> Result<(), WriteError> {
        let has_ended = page.ended && !page.more;
        if !page.more {
            self.note_credential(page.ended, step);
        }
        if has_ended && self.sink.table().live().is_none() {
            // The service never said that such a table is current, so it would have no age.
            self.wait_for_credential(Replication::load(), now.monotonic, step);
            return Ok(());
        }
        let mut load = match load {
            Some(begun) => begun,
            None => Load::begun(self.sink.table().begin(page.total, random)?, page),
        };
        self.sink.table().collect(&mut load.build, changes)?;
        if page.more {
            self.ask(Replication::Loading { load: Some(load), cursor: page.cursor }, step);
        } else {
            let refreshed = (!has_ended).then(|| self.refreshed(now));
            let end = LoadEnd { cursor: page.cursor, keys: page.total, refreshed };
            self.lay_out(load, end, now.monotonic, step);
        }
        Ok(())
    }

    /// Asks for what comes after a table that has just become current; at once if its age is uncertain.
    fn ask_on(&mut self, live: Live<K>, step: &mut Step) {
        let confirmed = !mem::take(&mut self.is_age_uncertain);
        self.ask(Replication::Following { live, confirmed }, step);
    }

    fn refreshed(&self, now: Moment) -> Refresh {
        Refresh { at: now, serves_ms: self.announced_ms }
    }

    fn note_credential(&mut self, ended: bool, step: &mut Step) {
        if mem::replace(&mut self.credential_ended, ended) != ended {
            step.notes.push(Note::CredentialEnded(ended));
        }
    }

    /// Asks again after a while, because the operator may renew the credential. Another VM, which may have a
    /// newer one, takes over now and then.
    fn wait_for_credential(&mut self, replication: Replication<K>, now: MonotonicMillis, step: &mut Step) {
        self.back_off(CREDENTIAL_ENDED_MS, replication, now, step);
    }

    pub(super) fn lay_out(&mut self, mut load: Load<K>, end: LoadEnd, now: MonotonicMillis, step: &mut Step) {
        let written = self.sink.table().lay_out(&mut load.build).and_then(|progress| match progress {
            Progress::Continues => {
                self.state = State::LayingOut { load, end };
                Ok(())
            }
            Progress::Done => self.publish(&load, end, step),
        });
        self.go_on_after(written, now, step);
    }

    fn publish(&mut self, load: &Load<K>, end: LoadEnd, step: &mut Step) -> Result<(), WriteError> {
        let live =
            self.sink.table().publish(&load.build, &load.epoch, end.cursor, end.keys, end.refreshed)?;
        step.notes.push(Note::Loaded { generation: live.generation(), keys: live.keys() });
        if load.version < self.request.version {
            step.notes.push(Note::RightsMissing);
        }
        if live.is_swept() {
            self.ask_on(live, step);
        } else {
            self.state = State::Sweeping { live };
        }
        Ok(())
    }

    pub(super) fn sweep(&mut self, live: &Live<K>, step: &mut Step) {
        match self.sink.table().sweep(live) {
            Ok((Progress::Continues, live)) => self.state = State::Sweeping { live },
            Ok((Progress::Done, live)) => self.ask(Replication::Following { live, confirmed: false }, step),
            Err(WriteError::Deposed | WriteError::Unreadable) => step.notes.push(Note::StoppedFollowing),
        }
    }
}

/// Whether the service took the request for the first one of a load, and left out what it has forgotten. After
/// cursor 0 it cannot know better. The table need not be empty: a follower that is not the one any more may have
/// applied its answer meanwhile.
fn is_of_a_load(before: &impl LiveFeed, page: &FeedHead) -> bool {
    page.purged > before.cursor() && before.more_follows() != Some(page.purged)
}
