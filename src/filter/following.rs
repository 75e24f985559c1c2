//! How a plugin keeps the table: it joins the others of its table, follows the feed when it is its turn, and
//! leaves.

use std::cell::{Cell, OnceCell, RefCell, RefMut};
use std::time::Duration;

use latchkey_key_feed::{EdgeName, Epoch, FeedVersion, MonotonicMillis, whole_millis};

use super::leaving::Leaving;
use super::{Filter, feed_call};
use crate::clock::{Moment, Tick};
use crate::gate::Freshness;
use crate::host::{Host, HostAnswer, HostFailed, LogLevel};
use crate::limits::{TICK_BUSY_MS, TICK_MS};
use crate::refresh::{
    CallId, Departure, FeedEndpoint, Follower, FollowerId, Housekeeping, LoadReason, Note, ProcessName,
    Register, Step, TableNumber, instance_of,
};
use crate::table::{KeyTable, LiveFeed, SharedNames};

/// What a plugin has for following the feed.
pub(super) struct Following<H: Host> {
    names: SharedNames,
    /// Why the feed could not be read, until the next tick logs it. A proxy that ends fails all its calls
    /// first and ticks no more, and that its feed ended with it is no news.
    untold: Cell<Option<String>>,
    /// From the first tick on. A VM that only checks a configuration never ticks.
    joined: OnceCell<Joined<H>>,
}

/// A plugin that counts among those of its table.
struct Joined<H: Host> {
    id: FollowerId,
    number: TableNumber,
    request: FeedEndpoint,
    follower: RefCell<Follower<H::Sink>>,
    housekeeping: RefCell<Housekeeping<H, H::Sink>>,
}

impl<H: Host> Following<H> {
    pub(super) fn new(names: SharedNames) -> Self {
        Self { names, untold: Cell::new(None), joined: OnceCell::new() }
    }

    pub(super) fn names(&self) -> &SharedNames {
        &self.names
    }

    fn follower(&self) -> Option<RefMut<'_, Follower<H::Sink>>> {
        Some(self.joined.get()?.follower.borrow_mut())
    }

    fn is_busy(&self) -> bool {
        let Some(joined) = self.joined.get() else { return false };
        joined.follower.borrow().is_busy() || joined.housekeeping.borrow().is_busy()
    }
}

impl<H: Host> Filter<H> {
    /// Time has passed.
    pub(super) fn tick(&self) {
        self.table.clear_cache();
        self.tell_failure();
        let tick = self.clock.tick();
        if let Ok(tick) = tick {
            self.vm.go_on(&self.host, tick.now.monotonic);
            if self.follows() {
                self.follow(tick);
            }
        }
        self.wake_waiting(tick.map(|tick| tick.now));
        self.stats.tell_tallies();
        self.stats.show_build(true);
        self.set_tick_period();
    }

    /// Time has passed, and this configuration was replaced. Says whether requests still wait for it.
    pub(super) fn finish_waiting(&self) -> bool {
        self.table.clear_cache();
        self.wake_waiting(self.clock.now());
        self.stats.tell_tallies();
        !self.held.undecided().is_empty()
    }

    /// A call to the service has ended.
    pub(super) fn answered(&self, call: CallId, answer: &impl HostAnswer) {
        if self.vm.answered(call) || self.usage_answered(call, answer) {
            return;
        }
        let (Some(mut follower), Ok(now)) = (self.following.follower(), self.clock.now()) else {
            return;
        };
        let step = feed_call::with_answer(answer, |answer| {
            // The random number only spreads retries.
            follower.answered(call, answer, now, self.host.random())
        });
        drop(follower);
        self.carry_out(step, now);
        self.set_tick_period();
    }

    /// The root context ends, and none of its requests is left. Another VM may follow at once.
    pub(super) fn leave(&self) {
        self.stats.show_build(false);
        self.gather_usage_now();
        let Following { names, joined, .. } = &self.following;
        let leaving = match (joined.get(), self.clock.monotonic()) {
            (Some(joined), Ok(now)) => {
                joined.follower.borrow_mut().resign(now);
                let (sink, endpoint) = (self.host.sink(names), joined.request.clone());
                let departure =
                    Departure::begin(&self.host, names, sink, joined.number, endpoint.clone(), now);
                Some(Leaving { departure, endpoint, usage: self.shared_usage() })
            }
            _ => None,
        };
        self.vm.one_left(leaving, &self.config.key_service);
    }

    fn follow(&self, tick: Tick) {
        let now = tick.now.monotonic;
        let Some(joined) = self.join(now) else { return };
        if tick.clock_stepped {
            self.host.log(
                LogLevel::Warn,
                format_args!("the clock was set, or the machine slept: the key service is asked at once"),
            );
            joined.follower.borrow_mut().ask_at_once();
        }
        let step = joined.follower.borrow_mut().tick(self.candidate.get(), now, self.host.random());
        self.carry_out(step, tick.now);
        let is_following = joined.follower.borrow().current(now) == Some(joined.id);
        joined.housekeeping.borrow_mut().tick(is_following, now, |names| self.host.sink(names));
        self.gather_usage(now);
        if is_following {
            self.report_usage(&joined.request, now);
        } else {
            self.leave_reports_to_others(now);
        }
        self.report(tick.now);
    }

    /// What the plugin has since its first tick. `None` when others kept writing the register, to be tried
    /// again with the next.
    fn join(&self, now: MonotonicMillis) -> Option<&Joined<H>> {
        let Following { names, joined, .. } = &self.following;
        let host = &self.host;
        if joined.get().is_none() {
            let refuse_after_ms = whole_millis(self.config.staleness.refuse_after);
            let number = Register::new(host.clone(), names).enter(host.random(), refuse_after_ms)?;
            let id = FollowerId::allocate(host, names);
            let request = self.feed_request(number);
            let follower = Follower::new(id, host.sink(names), request.clone(), now);
            let housekeeping = RefCell::new(Housekeeping::new(host.clone(), names.table()));
            // The cell is empty, as was just seen, so this cannot fail.
            let _ =
                joined.set(Joined { id, number, request, follower: RefCell::new(follower), housekeeping });
        }
        joined.get()
    }

    fn feed_request(&self, number: TableNumber) -> FeedEndpoint {
        let service = &self.config.key_service;
        let vm_id = self.host.vm_id().unwrap_or_default();
        FeedEndpoint {
            path: service.path.clone(),
            edge: self.edge_name(number),
            instance: instance_of(number, &vm_id, self.following.names.table()),
            version: self.following.names.shape().feed_version(),
            wait: service.wait,
            fetch_timeout: service.fetch_timeout,
        }
    }

    fn carry_out(&self, step: Step, now: Moment) {
        for note in &step.notes {
            self.observe(note);
        }
        let Some(poll) = step.poll else { return };
        // The follower is not borrowed while the host is called: it could call back.
        let sent = feed_call::send(&self.host, &poll, &self.config.key_service);
        let Some(mut follower) = self.following.follower() else { return };
        match sent {
            Ok(call) => {
                self.stats.add(self.stats.feed_polls, 1);
                follower.sent(call, now);
            }
            Err(HostFailed) => {
                let step = follower.not_sent(now.monotonic, self.host.random());
                for note in &step.notes {
                    self.observe(note);
                }
            }
        }
    }

    fn tell_failure(&self) {
        let Some(failure) = self.following.untold.take() else { return };
        let cluster = &self.config.key_service.cluster;
        self.host.log(
            LogLevel::Warn,
            format_args!("the feed could not be read from cluster {cluster}: {failure}"),
        );
    }

    fn observe(&self, note: &Note) {
        match note {
            Note::Applied { rows } => self.stats.add(self.stats.feed_rows, *rows),
            Note::BeganFollowing | Note::Loaded { .. } | Note::StoppedFollowing => {
                self.host.log(LogLevel::Info, format_args!("{note}"))
            }
            Note::CredentialEnded(ended) => {
                self.stats.set(self.stats.credential_ended, u64::from(*ended));
                if *ended {
                    self.host.log(LogLevel::Error, format_args!("{note}"))
                } else {
                    self.host.log(LogLevel::Info, format_args!("{note}"))
                }
            }
            Note::Failed(failure) => {
                self.stats.add(self.stats.feed_failures, 1);
                self.following.untold.set(Some(failure.to_string()));
            }
            Note::LoadBegan(reason) => {
                self.stats.add(self.stats.feed_loads, 1);
                if *reason == LoadReason::Reset {
                    self.stats.add(self.stats.feed_resets, 1);
                }
                self.host.log(LogLevel::Info, format_args!("{note}"));
            }
            Note::RightsMissing => self.host.log(LogLevel::Error, format_args!("{note}")),
            Note::SetAside(rows) => {
                self.stats.add(self.stats.feed_rows_set_aside, rows.count);
                self.host.log(LogLevel::Warn, format_args!("{note}"));
            }
            Note::UnexpectedAnswer => self.host.log(LogLevel::Warn, format_args!("{note}")),
        }
    }

    /// Shows the state of the table, and warns when its freshness has changed.
    fn report(&self, now: Moment) {
        let follower = self.following.follower().and_then(|follower| follower.current(now.monotonic));
        self.stats.set(self.stats.feed_follower, follower.map_or(0, |id| u64::from(id.0)));
        let Ok(Some(live)) = self.table.live(now.monotonic) else { return };
        let age = live.age(now);
        self.stats.set(self.stats.feed_version, version_of(live.epoch()));
        self.stats.set(self.stats.credential_ended, u64::from(live.credential_ended()));
        self.stats.set(self.stats.table_age_ms, age.ms);
        self.stats.set(self.stats.table_cursor, live.cursor().0);
        self.stats.set(self.stats.table_generation, u64::from(live.generation().0));
        self.stats.set(self.stats.table_keys, live.keys());
        let freshness = Freshness::of(age, &self.config.staleness);
        match (self.freshness.replace(Some(freshness)), freshness) {
            (Some(before), after) if before == after => {}
            (None | Some(_), Freshness::Stale) => self
                .host
                .log(LogLevel::Warn, format_args!("the table is stale, and serves while it is allowed to")),
            (None | Some(_), Freshness::TooOld) => {
                self.host.log(LogLevel::Error, format_args!("the table is too old: requests are refused"))
            }
            (None, Freshness::Fresh) => {}
            (Some(_), Freshness::Fresh) => {
                self.host.log(LogLevel::Info, format_args!("the table is fresh again"))
            }
        }
    }

    fn set_tick_period(&self) {
        let is_busy = self.following.is_busy() || self.vm.is_busy() || self.has_more_to_settle.get();
        let tick_ms = if is_busy { TICK_BUSY_MS } else { TICK_MS };
        if self.tick_ms.replace(tick_ms) != tick_ms {
            // If the host refuses, the former period stays, which is only slower or busier.
            let _ = self.host.set_tick_period(Duration::from_millis(tick_ms));
        }
    }

    /// The name of this process for the operator. The log warns when nobody has named the process.
    fn edge_name(&self, drawn: TableNumber) -> EdgeName {
        let node_id = self.host.node_id().unwrap_or_default();
        let name = ProcessName::of(self.config.edge.as_ref(), &node_id, drawn);
        if let ProcessName::Drawn(name) = &name {
            let name = name.as_str();
            self.host.log(
                LogLevel::Warn,
                format_args!(
                    "this proxy has no node id, so the key service knows it as {name} until it restarts: set `edge`"
                ),
            );
        }
        name.into_name()
    }
}

/// The version of the feed that the table of this epoch was read from.
fn version_of(epoch: &Epoch) -> u64 {
    match FeedVersion::of_told_epoch(epoch) {
        Ok((FeedVersion::V2, _)) => 2,
        Ok((FeedVersion::V1, _)) | Err(_) => 1,
    }
}
