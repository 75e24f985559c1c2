//! A fleet of edges that follow one replica, simulated event by event.
//!
//! Assumptions, each of them on the unfavourable side where it matters:
//!
//! * A replica does all work of its followers on one core, one poll after another, in the order in which the
//!   polls become due.
//! * An edge has one poll at a time. After an answer has travelled to it, it applies the change and asks
//!   again.
//! * An answer carries every change that was committed before the replica began to write it. So changes that
//!   come faster than a fleet can be told are told together, and an edge is never more than one round of the
//!   fleet behind.
//! * Changes come at random, independent of each other (a Poisson process), from a fixed seed: the same run
//!   gives the same table.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Edges, the network to them, and what it costs to tell them.
#[derive(Clone, Copy, Debug)]
pub struct Fleet {
    /// How many edges follow the replica.
    pub edges: usize,
    /// Work of the replica for one answered poll, in microseconds.
    pub poll_us: u64,
    /// From replica to edge or back, in microseconds.
    pub one_way_us: u64,
    /// What an edge takes to apply a change, in microseconds.
    pub apply_us: u64,
}

/// How long a change took to be in force.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Propagation {
    /// At the edge in the middle, in microseconds.
    pub p50_us: u64,
    /// At all but one edge in a hundred, in microseconds.
    pub p99_us: u64,
    /// At the last edge, in microseconds.
    pub worst_us: u64,
    /// The part of its core that the replica was busy with polls.
    pub busy: f64,
}

/// Something that happens at a moment, in microseconds since the start; of several at one moment, in this
/// order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Change,
    Served,
    Asks { edge: usize },
}

/// The fleet at work.
struct Simulation<'a> {
    fleet: &'a Fleet,
    /// When each change is committed, in order.
    changes: &'a [u64],
    /// How many of them have been.
    committed: usize,
    /// How many of them each edge has been told of.
    known: Vec<usize>,
    /// Edges whose poll waits for a change.
    waiting: Vec<usize>,
    /// Edges whose poll is to be answered, in order.
    due: VecDeque<usize>,
    /// The edge that is being answered, and how many changes the answer has.
    serving: Option<(usize, usize)>,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    busy_us: u64,
    /// From the commit of a change to its force at an edge, for each of both.
    delays: Vec<u64>,
}

impl Fleet {
    /// Lets changes happen at `per_second` for `seconds`, and looks when each was in force at each edge.
    ///
    /// `None` if none happened.
    #[must_use]
    pub fn propagate(&self, per_second: f64, seconds: u64, seed: u64) -> Option<Propagation> {
        let changes = moments(per_second, seconds, seed);
        let mut simulation = Simulation::of(self, &changes);
        let mut now = 0;
        while let Some(Reverse((at, event))) = simulation.events.pop() {
            now = at;
            simulation.happens(event, now);
            simulation.serve_next(now);
        }
        Propagation::of(simulation.delays, simulation.busy_us, now)
    }
}

impl<'a> Simulation<'a> {
    fn of(fleet: &'a Fleet, changes: &'a [u64]) -> Self {
        Self {
            fleet,
            changes,
            committed: 0,
            known: vec![0; fleet.edges],
            waiting: (0..fleet.edges).collect(),
            due: VecDeque::new(),
            serving: None,
            events: changes.iter().map(|at| Reverse((*at, Event::Change))).collect(),
            busy_us: 0,
            delays: Vec::with_capacity(changes.len() * fleet.edges),
        }
    }

    fn happens(&mut self, event: Event, now: u64) {
        match event {
            Event::Change => {
                self.committed += 1;
                self.due.extend(self.waiting.drain(..));
            }
            Event::Asks { edge } => {
                let is_behind = self.known.get(edge).is_some_and(|known| *known < self.committed);
                if is_behind { self.due.push_back(edge) } else { self.waiting.push(edge) }
            }
            Event::Served => self.tell(now),
        }
    }

    /// The answer leaves: its edge applies it and asks again.
    fn tell(&mut self, now: u64) {
        let Some((edge, upto)) = self.serving.take() else { return };
        let Some(known) = self.known.get_mut(edge) else { return };
        let in_force = now + self.fleet.one_way_us + self.fleet.apply_us;
        let told = self.changes.get(*known..upto).unwrap_or_default();
        self.delays.extend(told.iter().map(|committed| in_force - committed));
        *known = upto;
        self.events.push(Reverse((in_force + self.fleet.one_way_us, Event::Asks { edge })));
    }

    fn serve_next(&mut self, now: u64) {
        if self.serving.is_some() {
            return;
        }
        let Some(edge) = self.due.pop_front() else { return };
        self.serving = Some((edge, self.committed));
        self.busy_us += self.fleet.poll_us;
        self.events.push(Reverse((now + self.fleet.poll_us, Event::Served)));
    }
}

impl Propagation {
    fn of(mut delays: Vec<u64>, busy_us: u64, whole_us: u64) -> Option<Self> {
        delays.sort_unstable();
        let at = |part: f64| delays.get(((delays.len() - 1) as f64 * part) as usize).copied();
        Some(Self {
            worst_us: *delays.last()?,
            p50_us: at(0.5)?,
            p99_us: at(0.99)?,
            busy: busy_us as f64 / whole_us.max(1) as f64,
        })
    }
}

/// Moments of a Poisson process, in microseconds, in order.
fn moments(per_second: f64, seconds: u64, seed: u64) -> Vec<u64> {
    let (mut state, mut at, mut moments) = (seed, 0.0, Vec::new());
    loop {
        at += -uniform(&mut state).ln() / per_second;
        if at >= seconds as f64 {
            return moments;
        }
        moments.push((at * 1e6) as u64);
    }
}

/// A number above 0 and at most 1: SplitMix64 (Steele, Lea and Flood 2014), its upper 53 bits.
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64 + f64::EPSILON / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLEET: Fleet = Fleet { edges: 1_000, poll_us: 50, one_way_us: 250, apply_us: 1_000 };

    #[test]
    fn one_edge_hears_of_a_rare_change_after_poll_way_and_work() {
        let one = Fleet { edges: 1, ..FLEET };
        let seen = one.propagate(0.1, 1_000, 1).unwrap();
        assert_eq!((seen.p50_us, seen.p99_us), (1_300, 1_300));
    }

    #[test]
    fn the_last_of_a_fleet_waits_for_all_others() {
        let seen = FLEET.propagate(0.01, 1_000, 1).unwrap();
        assert_eq!(seen.worst_us, 1_000 * 50 + 1_250);
        assert!(seen.p50_us.abs_diff(500 * 50 + 1_250) <= 50, "{seen:?}");
    }

    #[test]
    fn changes_that_come_too_fast_are_told_together() {
        let seen = FLEET.propagate(1_000.0, 1, 1).unwrap();
        // A round of the fleet takes 50 ms: a change may miss one round, and is told in the next.
        assert!(seen.worst_us <= 2 * 1_000 * 50 + 4 * 1_250, "{seen:?}");
        assert!(seen.busy > 0.95, "{seen:?}");
    }

    #[test]
    fn every_change_reaches_every_edge_once() {
        let (fleet, changes) = (Fleet { edges: 7, ..FLEET }, moments(500.0, 10, 3));
        let mut simulation = Simulation::of(&fleet, &changes);
        while let Some(Reverse((now, event))) = simulation.events.pop() {
            simulation.happens(event, now);
            simulation.serve_next(now);
        }
        assert_eq!(simulation.delays.len(), 7 * changes.len());
        assert!(simulation.delays.iter().all(|delay| *delay >= 50 + 250 + 1_000));
    }

    #[test]
    fn nothing_happens_where_nothing_changes() {
        assert_eq!(FLEET.propagate(0.000_1, 1, 1), None);
    }

    #[test]
    fn random_moments_come_at_the_rate_asked_for() {
        let count = moments(100.0, 100, 7).len();
        assert!((9_500..10_500).contains(&count), "{count}");
    }
}
