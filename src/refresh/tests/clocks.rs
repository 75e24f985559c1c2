//! Wall clocks that are set while a table serves.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_key_feed::MonotonicMillis;
use proptest::prelude::*;

use super::a_current_edge;
use super::model::{Edge, Service, names};
use crate::clock::{Moment, VmClock};
use crate::config::StalenessLimits;
use crate::credential::CredentialSources;
use crate::gate::{self, Verdict, WaitingTime};
use crate::headers::HeaderPairs;
use crate::limits::{BACKOFF_MS_MAX, HEADER_LIFE_MS, LEASE_MS, TICK_LATE_MS_MAX};
use crate::refresh::Answer;
use crate::rules::{Asked, Authentication, RightsUnknown};
use crate::table::{PagedRecord, TableAge, TableReader};
use crate::testing::FakeClocks;
use crate::testing::FakeSharedData;

const LIMITS: StalenessLimits =
    StalenessLimits { stale_after: Duration::from_secs(30), refuse_after: Duration::from_secs(45) };

/// An edge whose VMs read the clocks of one machine.
struct ClockedEdge {
    edge: Edge,
    clocks: FakeClocks,
    vm_clocks: Vec<VmClock<FakeClocks>>,
    readers: Vec<TableReader<FakeSharedData>>,
    answered_at: MonotonicMillis,
}

#[derive(Clone, Debug)]
enum Event {
    Pass(u64),
    Step(i64),
    Sleep(u64),
    Tick(usize),
    Answer(usize),
    Lose(usize),
    Request(usize),
}

impl ClockedEdge {
    fn new(vms: usize) -> Self {
        let (edge, clocks) = (Edge::new(vms), FakeClocks::new());
        let vm_clocks = (0..vms).map(|_| VmClock::new(clocks.clone())).collect();
        let readers = (0..vms).map(|_| TableReader::new(edge.shared.clone(), names())).collect();
        let answered_at = clocks.true_monotonic();
        Self { edge, clocks, vm_clocks, readers, answered_at }
    }

    fn answer(&mut self, vm: usize, service: &Service) {
        self.edge.wall = self.clocks.true_wall();
        self.answered_at = self.clocks.true_monotonic();
        self.edge.answer(vm, service);
    }

    fn pass(&mut self, millis: u64) {
        self.clocks.pass(millis);
        self.edge.now = self.clocks.true_monotonic();
        self.edge.wall = self.clocks.true_wall();
    }

    fn tick(&mut self, vm: usize) {
        let tick = self.vm_clocks[vm].tick().unwrap();
        self.edge.wall = self.clocks.true_wall();
        assert_eq!(tick.now, self.edge.moment());
        if tick.clock_stepped {
            self.edge.vms[vm].follower.ask_at_once();
        }
        self.edge.tick(vm);
    }

    /// Whether the VM admits the key `k` now.
    fn admits(&self, vm: usize) -> bool {
        matches!(self.decide(vm, WaitingTime::Over), Verdict::Admit(_))
    }

    fn decide(&self, vm: usize, waiting_time: WaitingTime) -> Verdict<PagedRecord> {
        let encoded = STANDARD.encode("k:secret of k");
        let headers = HeaderPairs::from_iter([("authorization", format!("ApiKey {encoded}"))]);
        let presented = || CredentialSources::default().extract(&headers);
        let now = self.vm_clocks[vm].now().unwrap();
        let required = Asked::only(Authentication::Required);
        gate::decide(presented, &required, &self.readers[vm], &RightsUnknown, &LIMITS, waiting_time, now)
    }

    fn true_age(&self) -> TableAge {
        let now = Moment { monotonic: self.clocks.true_monotonic(), wall: self.clocks.true_wall() };
        self.edge.live().unwrap().age(now)
    }
}

#[test]
fn a_clock_that_was_set_during_a_load_makes_the_follower_ask_once_more_when_it_is_done() {
    let mut service = Service::new();
    service.create("k");
    // The follower learns of it by its tick, or by an answer that is later than its call could be.
    for ticks in [true, false] {
        let mut edge = Edge::new(1);
        edge.tick(0);
        edge.wall = edge.wall.plus_millis(3_600_000);
        if ticks {
            edge.vms[0].follower.ask_at_once();
        }
        edge.answer(0, &service);
        assert!(edge.pending_path(0).contains("after=1&limit=1000&wait=0ms"), "{}", edge.pending_path(0));
        edge.answer(0, &service);
        assert!(edge.pending_path(0).contains("after=1&limit=1000&wait=20000ms"));
    }
}

#[test]
fn a_clock_that_was_set_makes_the_follower_ask_at_once() {
    let (mut edge, mut service) = a_current_edge();
    assert!(edge.pending_path(0).contains("wait=20000ms"));
    let (late_call, late_poll) = edge.vms[0].pending.clone().unwrap();
    edge.vms[0].follower.ask_at_once();
    edge.tick(0);
    assert!(edge.pending_path(0).contains("wait=0ms"), "{}", edge.pending_path(0));
    service.invalidate("k");
    edge.answer(0, &service);
    assert!(!edge.holds("k"));
    // The request that it did not wait for is answered after all.
    edge.deliver(0, late_call, Answer::Page(&service.answer(&late_poll)));
    assert!(edge.noted(0, "UnexpectedAnswer") && edge.pending_path(0).contains("wait=20000ms"));
}

#[test]
fn a_follower_that_backs_off_asks_at_once_too() {
    let (mut edge, _) = a_current_edge();
    edge.fail(0, Answer::Lost);
    edge.tick(0);
    assert_eq!(edge.pending_path(0), "");
    edge.vms[0].follower.ask_at_once();
    edge.tick(0);
    assert!(edge.pending_path(0).contains("wait=0ms"));
}

#[test]
fn a_machine_that_slept_admits_nobody_by_what_it_had_before_and_asks_first() {
    let mut service = Service::new();
    service.create("k");
    let mut edge = ClockedEdge::new(1);
    edge.edge.catch_up(0, &service);
    edge.pass(0);
    edge.tick(0);
    assert!(edge.admits(0));
    edge.clocks.sleep(2 * LIMITS.refuse_after.as_millis() as u64);
    // Also before the first tick, and after it.
    for _ in 0..2 {
        assert!(matches!(edge.decide(0, WaitingTime::Left), Verdict::Wait));
        assert!(!edge.admits(0));
        edge.tick(0);
    }
    edge.tick(0);
    edge.answer(0, &service);
    edge.pass(HEADER_LIFE_MS);
    assert!(edge.admits(0));
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1..12_000_u64).prop_map(Event::Pass),
        3 => (-7_200_000..7_200_000_i64).prop_map(Event::Step),
        8 => (0..2_usize).prop_map(Event::Tick),
        3 => (0..2_usize).prop_map(Event::Answer),
        2 => (0..2_usize).prop_map(Event::Lose),
        1 => (1..7_200_000_u64).prop_map(Event::Sleep),
        8 => (0..2_usize).prop_map(Event::Request),
    ]
}

proptest! {
    #[test]
    fn however_the_wall_clock_is_set_the_table_ages_and_the_follower_asks(
        events in proptest::collection::vec(event(), 1..150),
    ) {
        let mut service = Service::new();
        service.create("k");
        let mut edge = ClockedEdge::new(2);
        edge.edge.catch_up(0, &service);
        edge.pass(0);
        for event in events {
            match event {
                Event::Pass(millis) => edge.pass(millis),
                Event::Step(millis) => edge.clocks.step(millis),
                Event::Sleep(millis) => edge.clocks.sleep(millis),
                Event::Tick(vm) => edge.tick(vm),
                Event::Answer(vm) => edge.answer(vm, &service),
                Event::Lose(vm) if edge.edge.vms[vm].pending.is_some() => edge.edge.fail(vm, Answer::Lost),
                Event::Lose(_) => {}
                Event::Request(vm) => {
                    let refuse_after_ms = LIMITS.refuse_after.as_millis() as u64;
                    let age = edge.true_age();
                    let oldest_ms = age.ms.max(age.wall_ms);
                    let is_admitted = edge.admits(vm);
                    // A VM that decided by the header before the last refresh reads it again soon.
                    let answered_ms = edge.clocks.true_monotonic().millis_since(edge.answered_at);
                    let is_just_refreshed = answered_ms < HEADER_LIFE_MS + TICK_LATE_MS_MAX;
                    let is_young = oldest_ms < refuse_after_ms + TICK_LATE_MS_MAX;
                    prop_assert!(!is_admitted || is_young || is_just_refreshed, "{age:?}");
                    let is_old = oldest_ms + TICK_LATE_MS_MAX >= refuse_after_ms;
                    prop_assert!(is_admitted || is_old || is_just_refreshed, "{age:?}");
                }
            }
        }
        // The service is there: however long ago and whatever the wall clock says, both VMs soon admit by a
        // table that is current.
        service.create("later");
        for _ in 0..2 * (BACKOFF_MS_MAX + LEASE_MS) / 100 {
            edge.pass(100);
            for vm in 0..2 {
                edge.tick(vm);
                edge.answer(vm, &service);
            }
        }
        prop_assert!(edge.edge.holds("later") && edge.admits(0) && edge.admits(1));
    }
}
