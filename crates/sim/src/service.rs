//! The key service: replicas over one store, with the real ledger of edges each. What a replica does with a
//! request is in the order of the real one.

use std::sync::Arc;
use std::time::Duration;

use latchkey_edge_ledger::limits::{EDGE_LEFT_LIFE, EDGE_ROW_LIFE};
use latchkey_edge_ledger::{
    EdgeId, EdgeLedger, EdgeRequest, EdgeRules, FollowerRequest, Holder, InstanceId, Missing, Moment,
    PageStanding, Waiting,
};
use latchkey_filter::testing::FakeClocks;
use latchkey_key_feed::{Cursor, FeedRequest, FeedVersion, whole_millis};

use crate::history::Position;
use crate::last_page::{end_of_key, last_page};
use crate::store::{Page, Store};

/// The service.
pub(crate) struct Service {
    pub(crate) store: Store,
    pub(crate) replicas: Vec<Replica>,
    rows_max: usize,
}

/// One process of it.
pub(crate) struct Replica {
    pub(crate) ledger: EdgeLedger,
    pub(crate) clocks: FakeClocks,
    /// The latest version of the feed that it knows.
    pub(crate) version: FeedVersion,
    /// The epoch of the store, as far as it knows.
    pub(crate) epoch: usize,
    told: u64,
    waits: Vec<EdgeWait>,
}

/// Somebody who waits for edges to have a change.
struct EdgeWait {
    change: Position,
    missing: Arc<Missing>,
    has_heard: bool,
    until: u64,
}

/// What a replica does with a request at first.
pub(crate) enum Answered {
    /// It answers.
    With(u16, Vec<u8>),
    /// It holds the answer back, for so many milliseconds.
    Waits(FollowerRequest, u64),
}

/// The longest that an edge may say, so that whoever does not say it counts for long enough.
const RULES: EdgeRules =
    EdgeRules { live_for_ms: 90_000, refuse_after_ms: 3_600_000, instances_per_key_max: 1_024 };

/// How long somebody waits for edges.
const WAIT_MS: u64 = 60_000;

impl Service {
    pub(crate) fn new(rows_max: usize, versions: Vec<FeedVersion>) -> Self {
        let store = Store::new();
        let replicas = versions.into_iter().map(|version| Replica::begin(&store, version, FakeClocks::new()));
        let replicas = replicas.collect();
        Self { store, replicas, rows_max }
    }

    /// A request arrives at a replica.
    pub(crate) fn arrive(&mut self, at: usize, request: &FeedRequest, asked: FeedVersion) -> Answered {
        let replica = &mut self.replicas[at];
        replica.turn();
        let (now, asked) = (replica.now(), asked.min(replica.version));
        let Some(request) = follower_request(request, asked, self.rows_max) else {
            return Answered::With(400, Vec::new());
        };
        if let Some(end) = end_of_key(&self.store, &request) {
            let (status, body) = last_page(&mut self.store, replica, &request, end);
            return Answered::With(status, body);
        }
        if let Some(edge) = &request.edge {
            if request.is_leaving {
                if replica.ledger.leave(&edge.id, &edge.holder, now) {
                    replica.store_rows(&mut self.store);
                }
            } else {
                if replica.ledger.claim(edge, now).is_err() {
                    return Answered::With(403, Vec::new());
                }
                let wait_ms = whole_millis(request.wait);
                if replica.ledger.note_request(edge.clone(), wait_ms, now).needs_row {
                    replica.store_rows(&mut self.store);
                }
            }
        }
        let page = self.page(&request);
        let replica = &mut self.replicas[at];
        let is_of_now = replica.epoch == self.store.epoch;
        let acknowledged = request.acknowledged(page.standing(), is_of_now);
        replica.hear(&request, acknowledged);
        if request.wait.is_zero() || request.is_leaving || request.has_news(page.standing()) {
            return Answered::With(200, page.body);
        }
        let wait_ms = whole_millis(request.wait);
        Answered::Waits(request, wait_ms)
    }

    /// The answer to a request that waits, once there is news or its time is over.
    pub(crate) fn answer_waiting(
        &mut self,
        at: usize,
        request: &FollowerRequest,
        is_over: bool,
    ) -> Option<(u16, Vec<u8>)> {
        if let Some(end) = end_of_key(&self.store, request) {
            return Some(last_page(&mut self.store, &mut self.replicas[at], request, end));
        }
        let page = self.page(request);
        if !is_over && !request.has_news(page.standing()) {
            return None;
        }
        // The answer makes the edge's table fresh. It acknowledges nothing more.
        self.replicas[at].hear(request, Cursor(0));
        Some((200, page.body))
    }

    fn page(&self, request: &FollowerRequest) -> Page {
        let FollowerRequest { after, purged, version, rows_max, .. } = *request;
        let page = self.store.page(after, purged, version, rows_max as usize, None);
        if request.is_of_another_feed(&page.told_epoch) { self.store.reset(version) } else { page }
    }

    /// A replica restarts: what it has not stored is lost.
    pub(crate) fn restart(&mut self, at: usize) {
        let Replica { clocks, version, .. } = &self.replicas[at];
        self.replicas[at] = Replica::begin(&self.store, *version, clocks.clone());
    }

    /// A replica learns of the changes and the epoch of the store.
    pub(crate) fn look(&mut self, at: usize) {
        self.replicas[at].epoch = self.store.epoch;
    }

    /// A replica tells the others what it has heard of edges, and hears what they have told.
    pub(crate) fn exchange(&mut self, at: usize) {
        if self.replicas.len() == 1 {
            return;
        }
        let replica = &mut self.replicas[at];
        replica.turn();
        let now = replica.now();
        let (told, rows) = replica.ledger.changed_since(replica.told, now);
        self.store.held.edges.tell_of(&rows);
        replica.told = told;
        replica.ledger.merge(self.store.held.edges.known(), now);
        replica.store_rows(&mut self.store);
    }

    /// What a replica does regularly.
    pub(crate) fn tidy(&mut self, at: usize) {
        let replica = &mut self.replicas[at];
        replica.turn();
        let now = replica.now();
        replica.ledger.sweep(now);
        replica.store_rows(&mut self.store);
        let edges = &mut self.store.held.edges;
        edges.shorten(&replica.ledger.take_times_to_shorten(now));
        if let Some(begun) = replica.ledger.unknown_that_are_over(now) {
            edges.know_all(begun);
            replica.ledger.note_known_again(begun);
        }
        let counting = replica.ledger.earliest_row_that_counts(now);
        let ended_by = now.wall.minus(EDGE_ROW_LIFE).min(counting);
        edges.drop_gone(now.wall.minus(EDGE_LEFT_LIFE), ended_by);
    }

    /// Somebody waits for the latest change.
    pub(crate) fn wait_for_edges(&mut self, at: usize, time: u64) {
        let change = Position { epoch: self.store.epoch, cursor: self.store.held.seq };
        self.look(at);
        self.exchange_before_waiting(at);
        let replica = &mut self.replicas[at];
        replica.turn();
        let now = replica.now();
        let (_, missing) = replica.ledger.wait_for(Cursor(change.cursor), Waiting::ForAll, now);
        replica.waits.push(EdgeWait { change, missing, has_heard: true, until: time + WAIT_MS });
    }

    fn exchange_before_waiting(&mut self, at: usize) {
        if self.replicas.len() > 1 {
            let now = self.replicas[at].now();
            let known = self.store.held.edges.known();
            self.replicas[at].ledger.merge(known, now);
        }
    }

    /// The changes of which a replica says now that they are complete. They are told once.
    pub(crate) fn completed(&mut self, at: usize, time: u64) -> Vec<Position> {
        let replica = &mut self.replicas[at];
        replica.turn();
        let now = replica.now();
        let ledger = &replica.ledger;
        let mut completed = Vec::new();
        replica.waits.retain(|wait| {
            let is_complete =
                wait.has_heard && ledger.is_sure(now) && ledger.still_missing(&wait.missing, now).is_empty();
            if is_complete {
                completed.push(wait.change);
            }
            !is_complete && time < wait.until
        });
        completed
    }
}

impl Page {
    pub(crate) fn standing(&self) -> PageStanding<'_> {
        PageStanding { epoch: &self.told_epoch, cursor: self.cursor, reset: self.reset }
    }
}

impl Replica {
    fn begin(store: &Store, version: FeedVersion, clocks: FakeClocks) -> Self {
        let mut ledger = EdgeLedger::new(Store::epoch_named(store.epoch), RULES);
        let now = moment(&clocks);
        ledger.merge(store.held.edges.known(), now);
        Self { ledger, clocks, version, epoch: store.epoch, told: 0, waits: Vec::new() }
    }

    pub(crate) fn now(&self) -> Moment {
        moment(&self.clocks)
    }

    pub(crate) fn turn(&mut self) {
        self.ledger.turn_to(&Store::epoch_named(self.epoch));
    }

    fn hear(&mut self, request: &FollowerRequest, acknowledged: Cursor) {
        let now = self.now();
        if let Some(edge) = request.edge.as_ref().filter(|_| !request.is_leaving) {
            self.ledger.note_request(EdgeRequest { acknowledged, ..edge.clone() }, 0, now);
        }
    }

    pub(crate) fn store_rows(&mut self, store: &mut Store) {
        let now = self.now();
        let evicted = self.ledger.evicted();
        store.held.edges.mark_gone(&evicted);
        self.ledger.note_marked_gone(evicted, true);
        let rows = self.ledger.take_unstored(now);
        store.held.edges.keep(&rows);
        self.ledger.note_stored(&rows, now);
    }
}

fn moment(clocks: &FakeClocks) -> Moment {
    Moment { wall: clocks.true_wall(), steady: clocks.true_monotonic() }
}

/// The request as the interface of the service reads it.
fn follower_request(request: &FeedRequest, version: FeedVersion, rows_max: usize) -> Option<FollowerRequest> {
    let edge = request.edge.as_ref().map(|edge| {
        let holder = Holder { key: None, username: edge.name.as_str().to_owned(), realm: "file".to_owned() };
        let instance = edge.instance.clone().map(InstanceId::from);
        EdgeRequest {
            id: EdgeId {
                name: edge.name.clone(),
                instance: instance.unwrap_or_else(|| InstanceId::of_holder(&holder)),
            },
            holder,
            refuse_after_ms: edge.refuse_after.map_or(RULES.refuse_after_ms, whole_millis),
            acknowledged: Cursor(0),
        }
    });
    Some(FollowerRequest {
        version,
        after: request.after,
        epoch: request.epoch.clone(),
        purged: request.purged,
        rows_max: u32::try_from(rows_max.min(request.limit? as usize)).ok()?,
        wait: request.wait.unwrap_or(Duration::ZERO),
        edge,
        is_leaving: request.is_leaving,
    })
}
