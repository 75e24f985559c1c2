//! Following the feed: one VM of the process reads it and applies it to the table, for all of them.
//!
//! The follower performs no IO. It is told what happened and the time, and says what to ask the service next;
//! the shell around it sends the request and brings the answer back.
//!
//! | state       | event                         | does                                                  | next        |
//! |-------------|-------------------------------|-------------------------------------------------------|-------------|
//! | Watching    | tick, the lease is free       | takes it, reads the header                            | Sending, or Sweeping an unswept table |
//! | Sending     | the call was made             |                                                       | Polling     |
//! | Sending     | the call could not be made    | counts a failure                                      | BackingOff or Watching |
//! | Polling     | a page of the live table      | applies it, advances the header, asks on              | Sending     |
//! | Polling     | the last page of a credential that has ended | applies it; acknowledges it, then waits for a better one | Sending, then BackingOff |
//! | Polling     | a reset, another epoch, a table outgrown, littered or unreadable | begins a load from cursor 0  | Sending     |
//! | Polling     | the first page of a load      | puts it aside for the generation being built, asks on | Sending     |
//! | Polling     | a page of a load, more follow | asks on, and puts it aside while the next is on its way | Sending   |
//! | Polling     | the last page of a load       | puts it aside                                         | LayingOut   |
//! | Polling     | a page of an older replica than the table was read from | counts a failure, a few times | BackingOff |
//! | Polling     | anything but a page, or no answer in time | counts a failure                          | BackingOff, or Watching after some |
//! | BackingOff  | tick, the delay is over       | asks again                                            | Sending     |
//! | LayingOut   | tick                          | writes a slice of the new generation, makes it live after the last | LayingOut, then Sweeping or Sending |
//! | Sweeping    | tick                          | clears a slice of the old generation                  | Sweeping, then Sending |
//! | any but Watching | tick, another VM holds the lease |                                                | Watching    |
//!
//! A load is seconds of work, so a VM that has come to serve requests since it took the lease leaves the load
//! to one that does not.
//!
//! What it asks is also what it acknowledges: a request after cursor N of an epoch says that no VM of the
//! process admits by anything older. That is why a new generation is swept before the next request, whoever
//! the follower then is. A request with `purged` acknowledges nothing. A load has it, because the table before it
//! may still be read; and a table has it while more changes are known to follow: the feed has only the latest
//! change of each key, so a key that has changed before N and again after it has not come yet.
//!
//! Two followers may believe that it is their turn. Only the one that took over last can note answers, and so
//! acknowledge them: what the other applies may have been skipped, because its answer is older than the page.

mod answering;
mod back_off;
mod departure;
mod housekeeping;
mod instance;
mod lease;
mod note;
mod older_replica;
mod poll;
mod process_name;
mod register;
mod replication;
mod sink;

use std::mem;
use std::time::Duration;

use latchkey_key_feed::{Epoch, MonotonicMillis};

use crate::clock::Moment;
use crate::limits::{ANSWER_GRACE_MS, FIRST_FOLLOWERS, IDLE_FIRST_MS};
use crate::table::{Changes, FeedTable as _, LiveFeed, WriteError};

use replication::{Load, LoadEnd, Replication};
use sink::Live;

pub use departure::Departure;
pub use housekeeping::Housekeeping;
pub use instance::instance_of;
pub use lease::{Candidate, FollowerId};
pub use note::{LoadReason, Note, PollFailure};
pub use poll::{FeedEndpoint, Poll};
pub use process_name::ProcessName;
pub use register::{Register, TableNumber};
pub use sink::{FeedSink, FollowerTurn, PagedSink};

/// One candidate for following the feed: every VM has one, and the lease decides which of them works.
pub struct Follower<K: FeedSink> {
    id: FollowerId,
    sink: K,
    request: FeedEndpoint,
    /// For how long the last request said that keys may be admitted by its answer, in milliseconds.
    announced_ms: u64,
    state: State<K>,
    /// Whether the age of the table that is being loaded is uncertain: the clock was set meanwhile, or an
    /// answer came late.
    is_age_uncertain: bool,
    /// Failures in a row, by this follower and those it took over from.
    failures: u32,
    /// The epoch of the last answer that was read.
    last_epoch: Option<Epoch>,
    /// Whether the service said last that the credential has ended.
    credential_ended: bool,
    /// Until when the lease is left to others.
    stands_back_until: MonotonicMillis,
    /// Whether requests wait while this VM works.
    candidate: Candidate,
    /// What this VM was when it took the lease. If it served by then, no idle VM had come for it.
    took_as: Candidate,
}

/// The host's number for a call; proxy-wasm calls it a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallId(pub u32);

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// The service said 200, with this body.
    Page(&'a [u8]),
    /// Another status: the service's, or the proxy's own for a service that it cannot reach.
    Refused {
        /// The HTTP status.
        status: u16,
        /// Whether the service itself answered.
        is_of_service: bool,
    },
    /// The call ended without a whole answer.
    Lost,
}

/// What follows from an event.
#[derive(Debug, Default)]
pub struct Step {
    /// The request to send now, if any. The shell reports with [`Follower::sent`] or [`Follower::not_sent`].
    pub poll: Option<Poll>,
    /// What is worth counting or logging.
    pub notes: Vec<Note>,
}

enum State<K: FeedSink> {
    Watching,
    Sending { replication: Replication<K> },
    Polling { call: CallId, until: MonotonicMillis, call_end: Moment, replication: Replication<K> },
    BackingOff { until: MonotonicMillis, replication: Replication<K> },
    LayingOut { load: Load<K>, end: LoadEnd },
    Sweeping { live: Live<K> },
}

impl<K: FeedSink> Follower<K> {
    /// A follower that watches for its turn. Those of the first VMs come first: see [`FIRST_FOLLOWERS`].
    pub fn new(id: FollowerId, sink: K, request: FeedEndpoint, now: MonotonicMillis) -> Self {
        let stands_back_ms = if id.0 > FIRST_FOLLOWERS { IDLE_FIRST_MS } else { 0 };
        Self {
            id,
            sink,
            request,
            announced_ms: 0,
            state: State::Watching,
            is_age_uncertain: false,
            failures: 0,
            last_epoch: None,
            credential_ended: false,
            stands_back_until: now.plus_millis(stands_back_ms),
            candidate: Candidate::Idle,
            took_as: Candidate::Idle,
        }
    }

    /// Time has passed. `jitter` is any random number.
    pub fn tick(&mut self, candidate: Candidate, now: MonotonicMillis, jitter: u64) -> Step {
        let mut step = Step::default();
        self.candidate = candidate;
        if !matches!(self.state, State::Watching) && !self.sink.keep(self.id, now) {
            self.state = State::Watching;
            step.notes.push(Note::StoppedFollowing);
            return step;
        }
        match mem::replace(&mut self.state, State::Watching) {
            State::Watching => self.try_to_follow(now, &mut step),
            State::Polling { until, replication, .. } if now >= until => {
                self.fail(PollFailure::NoAnswer, replication, now, jitter, &mut step);
            }
            State::BackingOff { until, replication } if now >= until => self.ask(replication, &mut step),
            State::LayingOut { load, end } => self.lay_out(load, end, now, &mut step),
            State::Sweeping { live } => self.sweep(&live, &mut step),
            State::Polling { call, until, call_end, replication } => {
                if let Some(replication) = self.catch_up(replication, now, jitter, &mut step) {
                    self.state = State::Polling { call, until, call_end, replication };
                }
            }
            waiting @ (State::Sending { .. } | State::BackingOff { .. }) => self.state = waiting,
        }
        step
    }

    /// Asks with the next tick whether the table is current, instead of waiting. The clock was set or the
    /// machine slept, so the age of the table is uncertain. The answer to a request on its way is dropped. A
    /// load goes on, and asks once more when it is done.
    pub fn ask_at_once(&mut self) {
        self.state = match mem::replace(&mut self.state, State::Watching) {
            State::Polling { replication: replication @ Replication::Following { .. }, .. }
            | State::BackingOff { replication, .. } => State::BackingOff {
                until: MonotonicMillis::default(),
                replication: replication.unconfirmed(),
            },
            other => {
                self.is_age_uncertain = true;
                other
            }
        };
        self.stands_back_until = MonotonicMillis::default();
    }

    /// The request of the last step is on its way.
    pub fn sent(&mut self, call: CallId, now: Moment) {
        if let State::Sending { replication } = mem::replace(&mut self.state, State::Watching) {
            let call_end = now.plus(self.request.timeout(replication.wait(&self.request)));
            let until = call_end.monotonic.plus_millis(ANSWER_GRACE_MS);
            self.state = State::Polling { call, until, call_end, replication };
        }
    }

    /// The host would not send the request of the last step.
    pub fn not_sent(&mut self, now: MonotonicMillis, jitter: u64) -> Step {
        let mut step = Step::default();
        if let State::Sending { replication } = mem::replace(&mut self.state, State::Watching) {
            self.fail(PollFailure::NotSent, replication, now, jitter, &mut step);
        }
        step
    }

    /// A call has ended. An answer that is not awaited, because the call was given up meanwhile, is dropped.
    pub fn answered(&mut self, call: CallId, answer: Answer<'_>, now: Moment, jitter: u64) -> Step {
        let mut step = Step::default();
        match mem::replace(&mut self.state, State::Watching) {
            State::Polling { call: awaited, call_end, replication, .. } if awaited == call => {
                if let Some(replication) = self.catch_up(replication, now.monotonic, jitter, &mut step) {
                    // The host may deliver the answer late. The service assumes that no table counts as fresh
                    // from later than the end of its call.
                    let told = now.no_later_than(call_end);
                    self.is_age_uncertain |= told != now;
                    self.read(replication, answer, told, jitter, &mut step);
                }
            }
            other => {
                self.state = other;
                step.notes.push(Note::UnexpectedAnswer);
            }
        }
        step
    }

    /// Gives the lease up at once, if it is held: this VM's plugin ends.
    pub fn resign(&mut self, now: MonotonicMillis) {
        if !matches!(mem::replace(&mut self.state, State::Watching), State::Watching) {
            self.sink.hand_over(self.id, now, self.failures);
        }
    }

    /// Whether the next tick has work to do, and should come soon.
    pub fn is_busy(&self) -> bool {
        match &self.state {
            State::LayingOut { .. } | State::Sweeping { .. } => true,
            State::Polling { replication, .. } => replication.has_unread(),
            State::Watching | State::Sending { .. } | State::BackingOff { .. } => false,
        }
    }

    /// Which follower holds the lease now, if any.
    pub fn current(&self, now: MonotonicMillis) -> Option<FollowerId> {
        self.sink.holder(now)
    }

    fn try_to_follow(&mut self, now: MonotonicMillis, step: &mut Step) {
        if now < self.stands_back_until {
            return;
        }
        let Some(failures) = self.sink.take(self.id, self.candidate, now) else { return };
        self.failures = failures;
        self.took_as = self.candidate;
        step.notes.push(Note::BeganFollowing);
        match self.sink.table().take_over() {
            Ok(None) => self.load(LoadReason::NoTable, now, step),
            Ok(Some(live)) if !live.is_swept() => self.state = State::Sweeping { live },
            Ok(Some(live)) => self.ask(Replication::Following { live, confirmed: false }, step),
            Err(WriteError::Deposed | WriteError::Unreadable) => step.notes.push(Note::StoppedFollowing),
        }
    }

    fn ask(&mut self, replication: Replication<K>, step: &mut Step) {
        let wait = replication.wait(&self.request);
        self.announced_ms = self.sink.refuse_after_ms();
        let (after, epoch, purged) = (replication.cursor(), replication.epoch(), replication.purged());
        step.poll =
            Some(self.request.poll(after, epoch, purged, wait, Duration::from_millis(self.announced_ms)));
        self.state = State::Sending { replication };
    }

    /// Begins to load, or leaves the lease and with it the load to a VM on which no request waits. If no such
    /// VM takes it, one that serves requests does.
    fn load(&mut self, reason: LoadReason, now: MonotonicMillis, step: &mut Step) {
        if (self.took_as, self.candidate) == (Candidate::Idle, Candidate::Serving) {
            self.sink.hand_over(self.id, now, self.failures);
            step.notes.push(Note::StoppedFollowing);
            return;
        }
        step.notes.push(Note::LoadBegan(reason));
        self.ask(Replication::load(), step);
    }

    /// Reads the answer that was put off, if one was; `None` when this ended the replication.
    fn catch_up(
        &mut self,
        mut replication: Replication<K>,
        now: MonotonicMillis,
        jitter: u64,
        step: &mut Step,
    ) -> Option<Replication<K>> {
        let Replication::Loading { load: Some(load), cursor } = &mut replication else {
            return Some(replication);
        };
        let Some(unread) = load.unread.take() else { return Some(replication) };
        match self.sink.table().read(&unread.bytes, unread.after) {
            Ok((_, changes)) => {
                match self.sink.table().collect(&mut load.build, note_set_aside(&changes, step)) {
                    Ok(()) => return Some(replication),
                    lost => self.go_on_after(lost, now, step),
                }
            }
            Err(invalid) => {
                *cursor = unread.after;
                self.fail(PollFailure::Invalid(invalid), replication, now, jitter, step);
            }
        }
        None
    }

    fn read(
        &mut self,
        replication: Replication<K>,
        answer: Answer<'_>,
        now: Moment,
        jitter: u64,
        step: &mut Step,
    ) {
        let mut replication = replication;
        let page = match answer {
            Answer::Lost => Err(PollFailure::Lost),
            Answer::Refused { status, is_of_service } => Err(PollFailure::Refused { status, is_of_service }),
            Answer::Page(bytes) => {
                replication = match replication.put_off(bytes) {
                    Ok(next) => return self.ask(next, step),
                    Err(replication) => replication,
                };
                self.sink.table().read(bytes, replication.cursor()).map_err(PollFailure::Invalid)
            }
        };
        let (page, changes) = match page {
            Ok(read) => read,
            Err(failure) => return self.fail(failure, replication, now.monotonic, jitter, step),
        };
        if self.waits_for_newer(&page.epoch, &replication, now) {
            return self.fail(PollFailure::OlderReplica, replication, now.monotonic, jitter, step);
        }
        self.last_epoch = Some(page.epoch.clone());
        // Rows of another feed come again with the load of that feed, and are named then.
        if replication.is_of(&page) {
            note_set_aside(&changes, step);
        }
        if !page.ended {
            self.failures = 0;
        }
        let written = match replication {
            Replication::Following { live, .. } => self.follow(live, &page, &changes, now, step),
            replication @ Replication::Loading { .. } if !replication.is_of(&page) => {
                return self.fail(
                    PollFailure::LoadInterrupted,
                    Replication::load(),
                    now.monotonic,
                    jitter,
                    step,
                );
            }
            Replication::Loading { load, .. } => self.collect(load, &page, &changes, (now, jitter), step),
        };
        self.go_on_after(written, now.monotonic, step);
    }

    fn go_on_after(&mut self, written: Result<(), WriteError>, now: MonotonicMillis, step: &mut Step) {
        match written {
            Ok(()) => {}
            Err(WriteError::Unreadable) => self.load(LoadReason::Unreadable, now, step),
            Err(WriteError::Deposed) => step.notes.push(Note::StoppedFollowing),
        }
    }
}

/// Names the rows that no record can hold.
fn note_set_aside<'c>(changes: &'c Changes, step: &mut Step) -> &'c Changes {
    if changes.set_aside().count > 0 {
        step.notes.push(Note::SetAside(changes.set_aside().clone()));
    }
    changes
}

#[cfg(test)]
mod tests;
