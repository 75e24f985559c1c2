//! How a fleet is made, and what may befall it: what stays as it is while the schedule is cut short.

use crate::dice::Dice;
use crate::keys::KEYS_MAX;

/// The setting of one run.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Machines with an edge on each. The two processes of a hot restart share one.
    pub machines: usize,
    /// Threads of a process that serve requests, beside its main thread.
    pub workers: usize,
    /// The configurations that each process begins with, for each `vm_id`.
    pub plans: Vec<Vec<ConfigKind>>,
    /// Keys that there may be.
    pub keys: usize,
    /// Replicas of the key service.
    pub replicas: usize,
    /// Whether the last replica is of a version that knows only the first version of the feed.
    pub has_old_replica: bool,
    /// Whether it stays so to the end.
    pub stays_old: bool,
    /// Rows of an answer at most.
    pub rows_max: usize,
    /// Whether processes keep their tables in files. VMs do not.
    pub has_table_files: bool,
    /// What happens to the clocks of machines.
    pub clocks: ClockFault,
    /// What is drawn for the schedule.
    pub faults: Faults,
    /// Whether each edge is asked after each step that it has made. Otherwise its workers may be idle.
    pub is_attentive: bool,
    /// Steps of the schedule.
    pub steps: usize,
}

/// A configuration of the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfigKind {
    /// A table of names, and little patience with an old one.
    Strict,
    /// The same table, with more patience, and requests wait for it.
    Patient,
    /// A table of its own, with more texts.
    Wide,
    /// A table of its own, with what keys may do.
    Rights,
}

/// What may happen to the clocks of a machine. A machine whose clock is set back while it sleeps looks as if
/// no time had passed, and no edge can tell: the two do not happen to one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockFault {
    /// Nothing.
    None,
    /// Somebody sets the wall clock.
    Set,
    /// The machine sleeps.
    Sleep,
}

/// How often faults happen, among a hundred steps.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// Answers and requests that are lost, late, doubled, cut.
    pub network: u64,
    /// VMs that trap, processes that end and begin, configurations that come.
    pub edges: u64,
    /// Replicas that restart, purges, restored stores.
    pub service: u64,
    /// Time that passes, and clocks.
    pub time: u64,
    /// Table files that are written and damaged, and processes that begin anew with them. Without files: nothing.
    pub files: u64,
    /// Steps in the middle of which something else happens.
    pub interleaved: u64,
}

impl ConfigKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Strict, Self::Patient, Self::Wide, Self::Rights];
}

impl Setting {
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        let vm_ids = 1 + usize::from(dice.percent(20));
        let plans = (0..vm_ids).map(|_| {
            let plugins = 1 + usize::from(dice.percent(30));
            (0..plugins).map(|_| dice.pick(&ConfigKind::ALL)).collect()
        });
        let plans = plans.collect();
        let replicas = 1 + usize::from(dice.percent(50));
        Self {
            machines: 1 + usize::from(dice.percent(35)),
            workers: 1 + usize::from(dice.percent(50)),
            plans,
            keys: dice.between(2, KEYS_MAX as u64) as usize,
            replicas,
            has_old_replica: replicas > 1 && dice.percent(25),
            stays_old: dice.percent(50),
            rows_max: dice.pick(&[1, 2, 3, 100]),
            has_table_files: dice.percent(60),
            clocks: dice.pick(&[ClockFault::None, ClockFault::Set, ClockFault::Sleep]),
            faults: Faults {
                network: dice.pick(&[0, 5, 15, 30]),
                edges: dice.pick(&[0, 2, 6, 12]),
                service: dice.pick(&[0, 2, 6, 12]),
                time: dice.pick(&[2, 8, 15]),
                files: dice.pick(&[4, 10, 20]),
                interleaved: dice.pick(&[0, 10, 30, 60]),
            },
            is_attentive: dice.percent(60),
            steps: dice.between(30, 150) as usize,
        }
    }
}

impl Setting {
    /// The same for a fleet whose processes have VMs.
    pub(crate) fn of_vms(mut self) -> Self {
        self.has_table_files = false;
        self
    }

    /// The same for a fleet whose processes have threads in place of VMs.
    pub(crate) fn of_threads(mut self) -> Self {
        self.plans.truncate(1);
        self
    }
}
