//! A whole fleet and its service, and what has become of them.
//!
//! Everything is called from one thread. What runs in the middle of something else is called from within it, as
//! a host call of the one is where another VM runs in between; a thread that is in the middle of something is
//! left alone meanwhile. So nothing of the world is borrowed while a plugin runs.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use latchkey_filter::testing::{FakeClocks, WALL_START};
use latchkey_key_feed::FeedVersion;

use crate::configs::Configured;
use crate::dice::Dice;
use crate::disk::{self, Disks};
use crate::host::{Meanwhile, SimHost};
use crate::invariants::Broken;
use crate::network::Network;
use crate::promises::Promises;
use crate::proxy::{Plugin, Process};
use crate::schedule::{Act, Step};
use crate::service::Service;
use crate::setting::Setting;
use crate::trace::Trace;

/// The world of one run.
pub(crate) struct World<H: SimHost> {
    pub(crate) setting: Setting,
    /// True time, in milliseconds.
    pub(crate) time: Cell<u64>,
    pub(crate) machines: Vec<FakeClocks>,
    /// Where tables are kept in files, if they are.
    pub(crate) disks: Option<Disks>,
    pub(crate) configured: Vec<Configured>,
    pub(crate) processes: RefCell<Vec<Rc<Process<H>>>>,
    processes_begun: Cell<u64>,
    pub(crate) network: RefCell<Network<H>>,
    /// Says which replica a request comes to, where the schedule does not.
    pub(crate) balancer: RefCell<Dice>,
    pub(crate) service: RefCell<Service>,
    pub(crate) promises: RefCell<Promises>,
    /// Processes in which something has run since they were last asked.
    pub(crate) touched: RefCell<BTreeSet<u64>>,
    /// What happens in the middle of the next thing that a plugin does.
    pub(crate) meanwhile: RefCell<Vec<(u16, Act)>>,
    /// Entries of shared data at most, by process and `vm_id`.
    entries_max: RefCell<BTreeMap<(u64, usize), BTreeMap<usize, usize>>>,
    pub(crate) broken: RefCell<Option<Broken>>,
    pub(crate) trace: Trace,
}

/// Processes of a machine at most: the two of a hot restart, and one that lingers.
const PROCESSES_OF_MACHINE_MAX: usize = 3;

impl<H: SimHost> World<H> {
    pub(crate) fn new(setting: &Setting, trace: Trace) -> Rc<Self> {
        let mut versions = vec![FeedVersion::V2; setting.replicas];
        if let Some(last) = versions.last_mut().filter(|_| setting.has_old_replica) {
            *last = FeedVersion::V1;
        }
        let world = Rc::new(Self {
            time: Cell::new(WALL_START.0),
            machines: (0..setting.machines).map(|_| FakeClocks::new()).collect(),
            disks: setting.has_table_files.then(Disks::new),
            configured: Configured::all(),
            processes: RefCell::default(),
            processes_begun: Cell::new(0),
            network: RefCell::new(Network(Vec::new())),
            balancer: RefCell::new(Dice::of(0)),
            service: RefCell::new(Service::new(setting.rows_max, versions)),
            promises: RefCell::default(),
            touched: RefCell::default(),
            meanwhile: RefCell::default(),
            entries_max: RefCell::default(),
            broken: RefCell::default(),
            trace,
            setting: setting.clone(),
        });
        (0..setting.machines).for_each(|machine| world.begin_process(machine));
        world
    }

    /// One step, and whether everything that is promised still holds.
    pub(crate) fn step(self: &Rc<Self>, step: &Step) -> Result<(), Broken> {
        self.trace.tell(|| format!("[{}] {:?}", self.time.get() - WALL_START.0, step.act));
        *self.meanwhile.borrow_mut() = step.meanwhile.clone();
        self.act(&step.act);
        for (_, act) in self.meanwhile.take() {
            self.act_meanwhile(act, "afterwards");
        }
        self.look();
        self.so_far()
    }

    /// Whether every promise was kept so far.
    pub(crate) fn so_far(&self) -> Result<(), Broken> {
        self.broken.borrow().clone().map_or(Ok(()), Err)
    }

    /// Notes that a promise was broken; the first counts.
    pub(crate) fn judge(&self, outcome: Result<(), Broken>) {
        if let Err(broken) = outcome {
            self.broken.borrow_mut().get_or_insert(broken);
        }
    }

    pub(crate) fn act_meanwhile(self: &Rc<Self>, act: Act, when: &str) {
        self.trace.tell(|| format!("    {when}: {act:?}"));
        self.act(&act);
    }

    /// Lets a plugin do something on its thread, unless that is in the middle of something else.
    pub(crate) fn on_thread(self: &Rc<Self>, plugin: &Rc<Plugin<H>>, work: impl FnOnce(&Plugin<H>)) {
        if plugin.thread.is_busy.get() || plugin.vm.is_dead.get() || plugin.root.borrow().is_none() {
            return;
        }
        plugin.thread.is_busy.set(true);
        disk::be_on(&plugin.clocks);
        H::interleave(&plugin.shared, self.queue_meanwhile());
        work(plugin);
        for rest in H::take_interleaved(&plugin.shared) {
            rest();
        }
        plugin.thread.is_busy.set(false);
        self.touched.borrow_mut().insert(plugin.table.process);
        self.collect_calls(plugin);
        if let Some(process) = self.process(plugin.table.process) {
            process.bury();
        }
    }

    /// What was to happen in the middle, by the number of the call before which it does.
    fn queue_meanwhile(self: &Rc<Self>) -> Vec<Meanwhile> {
        let mut queue: Vec<Meanwhile> = Vec::new();
        if !H::HAS_VMS {
            return queue;
        }
        for (before, act) in self.meanwhile.take() {
            while queue.len() < before as usize {
                queue.push(Box::new(|| {}));
            }
            let world = Rc::clone(self);
            queue.push(Box::new(move || world.act_meanwhile(act, "in the middle")));
        }
        queue
    }

    pub(crate) fn process(&self, number: u64) -> Option<Rc<Process<H>>> {
        self.processes.borrow().iter().find(|process| process.number == number).cloned()
    }

    /// All plugins of all processes.
    pub(crate) fn plugins(&self) -> Vec<Rc<Plugin<H>>> {
        let processes = self.processes.borrow();
        processes.iter().flat_map(|process| process.plugins.borrow().clone()).collect()
    }

    /// Begins a process on a machine, unless there are enough.
    pub(crate) fn begin_process(&self, machine: usize) {
        let of_machine = |process: &&Rc<Process<H>>| process.machine == machine;
        if self.processes.borrow().iter().filter(of_machine).count() >= PROCESSES_OF_MACHINE_MAX {
            return;
        }
        let number = self.processes_begun.get() + 1;
        self.processes_begun.set(number);
        let Setting { workers, plans, .. } = &self.setting;
        let process =
            Rc::new(Process::new(number, machine, self.machines[machine].clone(), *workers, plans.len()));
        self.processes.borrow_mut().push(Rc::clone(&process));
        for (vm_id, plan) in plans.iter().enumerate() {
            plan.iter().for_each(|kind| self.configure(&process, vm_id, *kind as usize));
        }
    }

    /// Gives a process one more configuration.
    pub(crate) fn configure(&self, process: &Process<H>, vm_id: usize, kind: usize) {
        let configured = &self.configured[kind];
        let mut entries_max = self.entries_max.borrow_mut();
        let tables = entries_max.entry((process.number, vm_id)).or_default();
        tables.insert(kind_of_table(kind), configured.entries_max);
        self.keep(process, vm_id, configured);
        process.configure(vm_id, crate::setting::ConfigKind::ALL[kind], configured);
    }

    /// Entries of shared data that the tables of a process have at most: those of each, the list of them and
    /// the number of the stamp.
    pub(crate) fn entries_max(&self, process: u64, vm_id: usize) -> usize {
        let entries_max = self.entries_max.borrow();
        2 + entries_max.get(&(process, vm_id)).map_or(0, |tables| tables.values().sum())
    }
}

/// Kinds that share a table have one number.
fn kind_of_table(kind: usize) -> usize {
    kind.max(1)
}
