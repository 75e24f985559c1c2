//! How a plugin keeps the table: it joins the others of its table, follows the feed when it is its turn, and leaves.

use std::cell::{OnceCell, RefCell, RefMut};
use std::time::Duration;

use latchkey_key_feed::MonotonicMillis;
use proxy_wasm::hostcalls;

use super::super::abi;
use super::super::feed_call;
use super::super::leaving;
use super::super::shared_data::EnvoySharedData;
use super::{Plugin, millis};
use crate::clock::{Moment, Tick};
use crate::gate::Freshness;
use crate::limits::{TICK_BUSY_MS, TICK_MS};
use crate::refresh::{
    CallId, Departure, EdgeName, FeedRequest, Follower, FollowerId, Housekeeping, Instance, LoadReason, Note,
    Register, Step, TableNumber,
};
use crate::table::SharedNames;

/// What a plugin has for following the feed.
pub(super) struct Following {
    store: EnvoySharedData,
    names: SharedNames,
    id: FollowerId,
    /// From the first tick on. A VM that only checks a configuration never ticks.
    joined: OnceCell<Joined>,
}

/// A plugin that counts among those of its table.
struct Joined {
    number: TableNumber,
    request: FeedRequest,
    follower: RefCell<Follower<EnvoySharedData>>,
    housekeeping: RefCell<Housekeeping<EnvoySharedData>>,
}

/// Where the id of Envoy's node is: Envoy 1.39 knows it by its attribute `xds.node`, other hosts by the older `node`.
const NODE_ID_PROPERTIES: [&[&str]; 2] = [&["xds", "node", "id"], &["node", "id"]];

impl Following {
    pub(super) fn new(store: EnvoySharedData, names: SharedNames) -> Self {
        let id = FollowerId::allot(&store, &names);
        leaving::one_came();
        Self { store, names, id, joined: OnceCell::new() }
    }

    fn follower(&self) -> Option<RefMut<'_, Follower<EnvoySharedData>>> {
        Some(self.joined.get()?.follower.borrow_mut())
    }

    fn is_busy(&self) -> bool {
        let Some(joined) = self.joined.get() else { return false };
        joined.follower.borrow().is_busy() || joined.housekeeping.borrow().is_busy()
    }
}

impl Plugin {
    /// Time has passed.
    pub(in crate::proxy) fn tick(&self) {
        self.table.forget_kept();
        let tick = self.clock.tick();
        if let Ok(tick) = tick {
            leaving::go_on(tick.now.monotonic);
            if self.follows() {
                self.follow(tick);
            }
        }
        self.wake_waiting(tick.map(|tick| tick.now));
        self.set_tick_period();
    }

    /// A call to the service has ended.
    pub(in crate::proxy) fn answered(&self, call: CallId, num_headers: usize, body_size: usize) {
        if leaving::answered(call) {
            return;
        }
        let (Some(mut follower), Ok(now)) = (self.following.follower(), self.clock.now()) else {
            return;
        };
        let step = feed_call::with_answer(num_headers, body_size, |answer| {
            follower.answered(call, answer, now, jitter())
        });
        drop(follower);
        self.carry_out(step, now);
        self.set_tick_period();
    }

    /// The root context ends, and no request of it is left: another VM may follow at once.
    pub(in crate::proxy) fn leave(&self) {
        let Following { store, names, joined, .. } = &self.following;
        let departure = match (joined.get(), self.clock.monotonic()) {
            (Some(joined), Ok(now)) => {
                joined.follower.borrow_mut().resign(now);
                let request = joined.request.clone();
                Some(Departure::begin(store, names.clone(), joined.number, request, now))
            }
            _ => None,
        };
        leaving::one_left(departure, &self.config.key_service);
    }

    fn follow(&self, tick: Tick) {
        let now = tick.now.monotonic;
        let Some(joined) = self.join(now) else { return };
        if tick.clock_stepped {
            log::warn!("the clock was set, or the machine slept: the key service is asked at once");
            joined.follower.borrow_mut().ask_at_once();
        }
        let step = joined.follower.borrow_mut().tick(self.candidate.get(), now, jitter());
        self.carry_out(step, tick.now);
        let is_following = joined.follower.borrow().current(now) == Some(self.following.id);
        joined.housekeeping.borrow_mut().tick(is_following, now);
        self.report(tick.now);
    }

    /// What the plugin has since its first tick. `None` when others kept writing the register, to be tried again with the next.
    fn join(&self, now: MonotonicMillis) -> Option<&Joined> {
        let Following { store, names, id, joined } = &self.following;
        if joined.get().is_none() {
            let refuse_after_ms = millis(self.config.staleness.refuse_after);
            let number = Register::new(*store, names).enter(abi::random(), refuse_after_ms)?;
            let request = self.feed_request(number);
            let follower = Follower::new(*id, *store, names, request.clone(), now);
            let housekeeping = RefCell::new(Housekeeping::new(*store, names.table()));
            let _ = joined.set(Joined { number, request, follower: RefCell::new(follower), housekeeping });
        }
        joined.get()
    }

    fn feed_request(&self, number: TableNumber) -> FeedRequest {
        let service = &self.config.key_service;
        let vm_id = property(&["plugin_vm_id"]).unwrap_or_default();
        FeedRequest {
            path: service.path.clone(),
            edge: edge_name(self.config.edge.as_deref(), number),
            instance: Instance::of(number, &vm_id, self.following.names.table()),
            wait_ms: millis(service.wait),
            fetch_timeout_ms: millis(service.fetch_timeout),
        }
    }

    fn carry_out(&self, step: Step, now: Moment) {
        for note in &step.notes {
            self.observe(note);
        }
        let Some(poll) = step.poll else { return };
        // The follower is not borrowed while the host is called: it could call back.
        let sent = feed_call::send(&poll, &self.config.key_service);
        let Some(mut follower) = self.following.follower() else { return };
        match sent {
            Ok(call) => {
                self.stats.feed_polls.add(1);
                follower.sent(call, now);
            }
            Err(feed_call::NotSent) => {
                let step = follower.not_sent(now.monotonic, jitter());
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
            Note::CredentialEnded(ended) => {
                self.stats.credential_ended.set(u64::from(*ended));
                if *ended { log::error!("{note}") } else { log::info!("{note}") }
            }
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
    fn report(&self, now: Moment) {
        let follower = self.following.follower().and_then(|follower| follower.current(now.monotonic));
        self.stats.feed_follower.set(follower.map_or(0, |id| u64::from(id.0)));
        let Ok(Some(live)) = self.table.live(now.monotonic) else { return };
        let age = live.age(now);
        self.stats.credential_ended.set(u64::from(live.credential_ended));
        self.stats.table_age_ms.set(age.ms);
        self.stats.table_cursor.set(live.cursor.0);
        self.stats.table_generation.set(u64::from(live.generation.0));
        self.stats.table_keys.set(live.keys);
        let freshness = Freshness::of(age, &self.config.staleness);
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
        let tick_ms = if self.following.is_busy() || leaving::is_busy() { TICK_BUSY_MS } else { TICK_MS };
        if self.tick_ms.replace(tick_ms) != tick_ms {
            let _ = hostcalls::set_tick_period(Duration::from_millis(tick_ms));
        }
    }
}

/// The name of this process for the operator. A process that nobody has named is heard of in the log.
fn edge_name(configured: Option<&str>, drawn: TableNumber) -> String {
    let node_id = NODE_ID_PROPERTIES.iter().find_map(|path| property(path)).unwrap_or_default();
    let name = EdgeName::of(configured, &node_id, drawn);
    if let EdgeName::Drawn(name) = &name {
        log::warn!(
            "this proxy has no node id, so the key service knows it as {name} until it restarts: set `edge`"
        );
    }
    name.into_text()
}

fn property(path: &[&str]) -> Option<Vec<u8>> {
    hostcalls::get_property(path.to_vec()).ok().flatten()
}

/// It only spreads retries.
fn jitter() -> u64 {
    abi::random()
}
