//! One configuration at work in one VM.

use std::cell::{Cell, OnceCell, RefCell, RefMut};
use std::time::Duration;

use latchkey_key_feed::{MonotonicMillis, header_value};
use proxy_wasm::hostcalls;
use proxy_wasm::types::MapType;

use super::abi::{self, EnvoyClocks, HostFailed};
use super::shared_data::EnvoySharedData;
use super::stats::Stats;
use super::waiting_room::WaitingRoom;
use super::{feed_call, local_reply};
use crate::clock::{ClockFailed, Moment, Tick, VmClock};
use crate::config::{Authentication, Config};
use crate::denial::{Denial, Unavailable};
use crate::gate::{self, Freshness, Patience, Refusal, Verdict, VerifiedKey};
use crate::headers::HeaderPairs;
use crate::identity::{CLAIMED_ID_STATE, HeaderEdit, KeyIdentity as _};
use crate::limits::{RETRY_AFTER_MS, TICK_BUSY_MS, TICK_MS};
use crate::refresh::{
    CallId, Candidate, EdgeName, FeedRequest, Follower, FollowerId, LoadReason, Note, ProcessNumber, Step,
};
use crate::reply::Reply;
use crate::table::{FeedIdentity, SharedNames, TableReader};

/// What the contexts of one configuration share.
pub(super) struct Plugin {
    config: Config,
    table: TableReader<EnvoySharedData>,
    /// From the first tick on.
    follower: OnceCell<RefCell<Follower<EnvoySharedData>>>,
    follower_id: FollowerId,
    request: FeedRequest,
    store: EnvoySharedData,
    names: SharedNames,
    clock: VmClock<EnvoyClocks>,
    waiting: WaitingRoom,
    stats: Stats,
    root_context: u32,
    tick_ms: Cell<u64>,
    freshness: Cell<Option<Freshness>>,
    /// Whether this VM has seen a request. The one of Envoy's main thread never does.
    candidate: Cell<Candidate>,
}

/// What has become of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Handled {
    /// It may go upstream, changed as it must be.
    Passed,
    /// It has been answered.
    Replied,
    /// It is still to be decided.
    Waits,
}

/// Where the id of Envoy's node is: Envoy 1.39 knows it by its attribute `xds.node`, other hosts by the older `node`.
const NODE_ID_PROPERTIES: [&[&str]; 2] = [&["xds", "node", "id"], &["node", "id"]];

impl Plugin {
    pub(super) fn new(config: Config, root_context: u32) -> Self {
        let store = EnvoySharedData::new();
        let service = &config.key_service;
        let feed = FeedIdentity::of(&service.cluster, &service.authority, &service.path);
        let names = SharedNames::of(&feed, config.identity.record_shape());
        let request = FeedRequest {
            path: service.path.clone(),
            edge: edge_name(&config, store, &names),
            wait_ms: millis(service.wait),
            fetch_timeout_ms: millis(service.fetch_timeout),
        };
        declare_filter_state(&config);
        Self {
            follower: OnceCell::new(),
            follower_id: FollowerId::allot(&store, &names),
            request,
            clock: VmClock::new(EnvoyClocks),
            table: TableReader::new(store, names.clone()),
            store,
            names,
            waiting: WaitingRoom::default(),
            stats: Stats::define(),
            root_context,
            tick_ms: Cell::new(0),
            freshness: Cell::new(None),
            candidate: Cell::new(Candidate::Idle),
            config,
        }
    }

    /// Whether it has a table to keep fresh.
    pub(super) fn follows(&self) -> bool {
        self.config.authentication != Authentication::Off
    }

    /// Decides about the request that is current, and carries the verdict out.
    pub(super) fn handle(&self, request: u32) -> Handled {
        self.candidate.set(Candidate::Serving);
        let Ok(now) = self.clock.now() else { return self.refuse_for_the_host() };
        let until = now.monotonic.plus_millis(millis(self.config.start_up_wait));
        let handled = self.decide(until, now);
        if handled == Handled::Waits {
            self.stats.waited.add(1);
            self.waiting.enter(request, until);
        }
        handled
    }

    /// Whether a request that had to wait may still not move on.
    pub(super) fn holds(&self, request: u32) -> bool {
        self.waiting.holds(request)
    }

    pub(super) fn forget(&self, request: u32) {
        self.waiting.leave(request);
    }

    /// Removes from the trailers of the current request what an upstream could take for our headers.
    pub(super) fn clean_trailers(&self) -> Result<(), HostFailed> {
        let trailers = abi::header_pairs(MapType::HttpRequestTrailers)?;
        let mut owned = trailers.iter().filter(|(name, _)| self.config.identity.is_owned(name));
        owned.try_for_each(|(name, _)| abi::remove_header(MapType::HttpRequestTrailers, name))
    }

    pub(super) fn tick(&self) {
        self.table.forget_kept();
        let tick = self.clock.tick();
        if let Ok(tick) = tick {
            self.follow(tick);
        }
        self.wake_waiting(tick.map(|tick| tick.now));
        self.set_tick_period();
    }

    fn follow(&self, tick: Tick) {
        let now = tick.now.monotonic;
        let follower = self.follower.get_or_init(|| {
            RefCell::new(Follower::new(self.follower_id, self.store, &self.names, self.request.clone(), now))
        });
        if tick.clock_stepped {
            log::warn!("the clock was set, or the machine slept: the key service is asked at once");
            follower.borrow_mut().ask_at_once();
        }
        let step = follower.borrow_mut().tick(self.candidate.get(), now, jitter());
        self.carry_out(step, now);
        self.report(now);
    }

    pub(super) fn answered(&self, call: CallId, num_headers: usize, body_size: usize) {
        let (Some(mut follower), Ok(now)) = (self.follower(), self.clock.monotonic()) else { return };
        let step = feed_call::with_answer(num_headers, body_size, |answer| {
            follower.answered(call, answer, now, jitter())
        });
        drop(follower);
        self.carry_out(step, now);
        self.set_tick_period();
    }

    /// The root context ends; another VM may follow at once.
    pub(super) fn resign(&self) {
        if let (Some(mut follower), Ok(now)) = (self.follower(), self.clock.monotonic()) {
            follower.resign(now);
        }
    }

    fn follower(&self) -> Option<RefMut<'_, Follower<EnvoySharedData>>> {
        Some(self.follower.get()?.borrow_mut())
    }

    /// Decides about the request that is current and may wait `until` then.
    fn decide(&self, until: MonotonicMillis, now: Moment) -> Handled {
        let patience = if now.monotonic < until { Patience::Left } else { Patience::Over };
        let Ok(headers) = abi::header_pairs(MapType::HttpRequestHeaders) else {
            return self.refuse_for_the_host();
        };
        let authentication = self.config.authentication;
        match gate::decide(&headers, authentication, &self.table, &self.config.staleness, patience, now) {
            Verdict::Admit(admission) => match self.tell(&admission.key, &headers) {
                Ok(()) => self.admit(admission.freshness),
                // A header of ours that still is the client's must not reach the upstream.
                Err(HostFailed) => self.refuse(Denial::Unavailable(Unavailable::HostFailed), &headers),
            },
            Verdict::Pass => match self.edit_headers(None, &headers) {
                Ok(()) => self.pass(),
                Err(HostFailed) => self.refuse(Denial::Unavailable(Unavailable::HostFailed), &headers),
            },
            Verdict::Deny(Refusal { denial, claimed_id }) => {
                if let Some(id) = claimed_id.filter(|_| self.config.identity.filter_state().claimed_id) {
                    // The log misses a name where the host would not take it; the request is refused all the same.
                    let _ = abi::set_filter_state(CLAIMED_ID_STATE, &header_value::encode(id.as_str()));
                }
                self.refuse(denial, &headers)
            }
            Verdict::Wait => Handled::Waits,
        }
    }

    /// Tells the identity to the upstream and to the rest of the proxy.
    fn tell(&self, key: &VerifiedKey, headers: &HeaderPairs) -> Result<(), HostFailed> {
        self.edit_headers(Some(key), headers)?;
        for field in &self.config.identity.filter_state().fields {
            if let Some(value) = key.value(*field).filter(|value| !value.is_empty()) {
                abi::set_filter_state(field.filter_state(), value)?;
            }
        }
        Ok(())
    }

    /// Lets the upstream read the identity of the key and no other. A credential that is not looked at is not ours to remove.
    fn edit_headers(&self, key: Option<&VerifiedKey>, headers: &HeaderPairs) -> Result<(), HostFailed> {
        let forward = self.config.forward_credential || self.config.authentication == Authentication::Off;
        for edit in self.config.identity.edits(headers, key, forward) {
            match edit {
                HeaderEdit::Remove(name) => abi::remove_header(MapType::HttpRequestHeaders, name)?,
                HeaderEdit::Set(name, value) => abi::set_header(MapType::HttpRequestHeaders, name, value)?,
            }
        }
        Ok(())
    }

    fn pass(&self) -> Handled {
        self.stats.passed_without_key.add(1);
        Handled::Passed
    }

    fn admit(&self, freshness: Freshness) -> Handled {
        self.stats.admitted.add(1);
        if freshness == Freshness::Stale {
            self.stats.admitted_stale.add(1);
        }
        Handled::Passed
    }

    fn refuse(&self, denial: Denial, headers: &HeaderPairs) -> Handled {
        self.stats.count_denied(denial);
        local_reply::send(&Reply::to(denial, headers, Duration::from_millis(RETRY_AFTER_MS)));
        Handled::Replied
    }

    fn refuse_for_the_host(&self) -> Handled {
        self.refuse(Denial::Unavailable(Unavailable::HostFailed), &HeaderPairs::default())
    }

    /// Looks whether the requests that wait can be decided now.
    fn wake_waiting(&self, now: Result<Moment, ClockFailed>) {
        for (request, until) in self.waiting.undecided() {
            // Where the host knows the request no more, another one would be current still.
            if hostcalls::set_effective_context(request).is_err() {
                self.waiting.leave(request);
                continue;
            }
            let handled = match now {
                Ok(now) => self.decide(until, now),
                Err(ClockFailed) => self.refuse_for_the_host(),
            };
            match handled {
                Handled::Waits => {}
                Handled::Passed => {
                    self.waiting.leave(request);
                    let _ = hostcalls::resume_http_request();
                }
                Handled::Replied => self.waiting.refuse(request),
            }
        }
        let _ = hostcalls::set_effective_context(self.root_context);
    }

    fn carry_out(&self, step: Step, now: MonotonicMillis) {
        for note in &step.notes {
            self.observe(note);
        }
        let (Some(poll), Some(mut follower)) = (step.poll, self.follower()) else { return };
        match feed_call::send(&poll, &self.config.key_service) {
            Ok(call) => {
                self.stats.feed_polls.add(1);
                follower.sent(call, now);
            }
            Err(feed_call::NotSent) => {
                let step = follower.not_sent(now, jitter());
                for note in &step.notes {
                    self.observe(note);
                }
            }
        }
    }

    fn observe(&self, note: &Note) {
        match note {
            Note::Applied { rows } => self.stats.feed_rows.add(*rows),
            Note::BeganFollowing | Note::Loaded { .. } | Note::StoppedFollowing => log::info!("{note}"),
            Note::Failed(_) => {
                self.stats.feed_failures.add(1);
                log::warn!("{note}");
            }
            Note::LoadBegan(reason) => {
                self.stats.feed_loads.add(1);
                if *reason == LoadReason::Reset {
                    self.stats.feed_resets.add(1);
                }
                log::info!("{note}");
            }
            Note::SetAside(rows) => {
                self.stats.feed_rows_set_aside.add(rows.count);
                log::warn!("{note}");
            }
            Note::UnexpectedAnswer => log::warn!("{note}"),
        }
    }

    /// Shows the state of the table, and warns when its freshness has changed.
    fn report(&self, now: MonotonicMillis) {
        let follower = self.follower().and_then(|follower| follower.current(now));
        self.stats.feed_follower.set(follower.map_or(0, |id| u64::from(id.0)));
        let Ok(Some(live)) = self.table.live(now) else { return };
        let age_ms = live.age_ms(now);
        self.stats.table_age_ms.set(age_ms);
        self.stats.table_cursor.set(live.cursor.0);
        self.stats.table_generation.set(u64::from(live.generation.0));
        self.stats.table_keys.set(live.keys);
        let freshness = Freshness::of(age_ms, &self.config.staleness);
        match (self.freshness.replace(Some(freshness)), freshness) {
            (Some(before), after) if before == after => {}
            (None | Some(_), Freshness::Stale) => {
                log::warn!("the table is stale, and serves while it is allowed to")
            }
            (None | Some(_), Freshness::TooOld) => log::error!("the table is too old: requests are refused"),
            (None, Freshness::Fresh) => {}
            (Some(_), Freshness::Fresh) => log::info!("the table is fresh again"),
        }
    }

    fn set_tick_period(&self) {
        let tick_ms =
            if self.follower().is_some_and(|follower| follower.is_busy()) { TICK_BUSY_MS } else { TICK_MS };
        if self.tick_ms.replace(tick_ms) != tick_ms {
            let _ = hostcalls::set_tick_period(Duration::from_millis(tick_ms));
        }
    }
}

/// Makes texts of what is told in filter state, where the host can. Where it cannot, or was told before, nothing is lost but that.
fn declare_filter_state(config: &Config) {
    let filter_state = config.identity.filter_state();
    let fields = filter_state.fields.iter().map(|field| field.filter_state());
    for name in fields.chain(filter_state.claimed_id.then_some(CLAIMED_ID_STATE)) {
        let _ = abi::declare_text_state(name);
    }
}

/// The name under which this process acknowledges. A process that nobody has named is heard of in the log.
fn edge_name(config: &Config, store: EnvoySharedData, names: &SharedNames) -> String {
    let node_id =
        NODE_ID_PROPERTIES.iter().find_map(|path| hostcalls::get_property(path.to_vec()).ok().flatten());
    let node_id = node_id.unwrap_or_default();
    // Whoever comes first draws for the process.
    let drawn = || ProcessNumber::agree_on(&store, names, abi::random());
    let name = EdgeName::of(config.edge.as_deref(), &node_id, drawn);
    if let EdgeName::Drawn(name) = &name {
        log::warn!(
            "this proxy has no node id, so the key service knows it as {name} until it restarts: set `edge`"
        );
    }
    name.into_text()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// It only spreads retries.
fn jitter() -> u64 {
    abi::random()
}
