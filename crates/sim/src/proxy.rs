//! A proxy: its process, threads, VMs and plugins.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use latchkey_filter::filter::{RequestFilter, Root, Vm};
use latchkey_filter::host::RequestId;
use latchkey_filter::table::TableIdentity;
use latchkey_filter::testing::{FakeClocks, FakePlace};

use crate::configs::Configured;
use crate::disk::Kept;
use crate::host::SimHost;
use crate::keys::Presented;
use crate::setting::ConfigKind;

/// A process of an edge.
pub(crate) struct Process<H: SimHost> {
    pub(crate) number: u64,
    pub(crate) machine: usize,
    pub(crate) clocks: FakeClocks,
    /// The memory that each `vm_id` has.
    pub(crate) shared: Vec<H::Shared>,
    pub(crate) threads: Vec<Rc<Thread<H>>>,
    pub(crate) plugins: RefCell<Vec<Rc<Plugin<H>>>>,
    /// Its tables that are kept in files.
    pub(crate) kept: RefCell<Vec<Kept>>,
}

/// A thread of a process. The first is its main thread, which serves no request.
pub(crate) struct Thread<H: SimHost> {
    pub(crate) number: usize,
    /// Whether it is in the middle of something.
    pub(crate) is_busy: Cell<bool>,
    /// Its VM for each `vm_id`.
    vms: RefCell<Vec<Rc<SimVm<H>>>>,
}

/// A VM of a thread.
pub(crate) struct SimVm<H: SimHost> {
    vm: Rc<Vm<H>>,
    pub(crate) is_dead: Cell<bool>,
}

/// A plugin of a VM: a configuration at work.
pub(crate) struct Plugin<H: SimHost> {
    pub(crate) table: TableAt,
    pub(crate) kind: ConfigKind,
    pub(crate) thread: Rc<Thread<H>>,
    pub(crate) vm: Rc<SimVm<H>>,
    pub(crate) shared: H::Shared,
    pub(crate) clocks: FakeClocks,
    pub(crate) host: H,
    pub(crate) root: RefCell<Option<Root<H>>>,
    /// Whether it was replaced, and will end soon.
    pub(crate) is_draining: Cell<bool>,
    pub(crate) calls_seen: Cell<usize>,
    pub(crate) lines_seen: Cell<usize>,
    pub(crate) held: RefCell<Vec<HeldRequest<H>>>,
    /// When it ticked last, by the monotonic clock of its machine.
    pub(crate) last_tick: Cell<u64>,
    last_request: Cell<u32>,
}

/// A request that waits.
pub(crate) struct HeldRequest<H: SimHost> {
    pub(crate) id: RequestId,
    pub(crate) presented: Presented,
    /// Ends with this value.
    pub(crate) filter: RequestFilter<H>,
}

/// Which table: of which process, `vm_id` and configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TableAt {
    pub(crate) process: u64,
    pub(crate) vm_id: usize,
    pub(crate) table: TableIdentity,
}

/// The operator's name of the edge on a machine: the same for both processes of a hot restart.
pub(crate) fn edge_name(machine: usize) -> String {
    format!("edge-{machine}")
}

impl<H: SimHost> Process<H> {
    pub(crate) fn new(
        number: u64,
        machine: usize,
        clocks: FakeClocks,
        workers: usize,
        vm_ids: usize,
    ) -> Self {
        let thread = |number| {
            let vms = (0..vm_ids).map(|_| Rc::new(SimVm::new())).collect();
            Rc::new(Thread { number, is_busy: Cell::new(false), vms: RefCell::new(vms) })
        };
        let shared = (0..vm_ids).map(|_| H::Shared::default()).collect();
        let threads = (0..=workers).map(thread).collect();
        Self {
            number,
            machine,
            clocks,
            shared,
            threads,
            plugins: RefCell::default(),
            kept: RefCell::default(),
        }
    }

    /// Begins a configuration on every thread whose VM lives.
    pub(crate) fn configure(&self, vm_id: usize, kind: ConfigKind, configured: &Configured) {
        for thread in &self.threads {
            let vm = Rc::clone(&thread.vms.borrow()[vm_id]);
            if !vm.is_dead.get() {
                self.begin_plugin(thread, &vm, vm_id, kind, configured);
            }
        }
    }

    fn begin_plugin(
        &self,
        thread: &Rc<Thread<H>>,
        vm: &Rc<SimVm<H>>,
        vm_id: usize,
        kind: ConfigKind,
        configured: &Configured,
    ) {
        let began = self.plugins.borrow().len() as u64 + 1;
        let random = (self.number << 40) + ((thread.number as u64 * 64 + began) << 24);
        let place = FakePlace { node_id: edge_name(self.machine), vm_id: format!("vm-{vm_id}"), random };
        let host = H::new(&self.shared[vm_id], self.clocks.clone(), place);
        // A worker of the native module has no VM in which plugins finish the work of others.
        let of_vm = if H::HAS_VMS || thread.is_main() { Rc::clone(&vm.vm) } else { Rc::new(Vm::new()) };
        let mut root = Root::new(host.clone(), of_vm);
        root.adopt(configured.config.clone());
        let table = TableAt { process: self.number, vm_id, table: configured.table };
        self.plugins.borrow_mut().push(Rc::new(Plugin {
            table,
            kind,
            thread: Rc::clone(thread),
            vm: Rc::clone(vm),
            shared: self.shared[vm_id].clone(),
            clocks: self.clocks.clone(),
            host,
            root: RefCell::new(Some(root)),
            is_draining: Cell::new(false),
            calls_seen: Cell::new(0),
            lines_seen: Cell::new(0),
            held: RefCell::default(),
            last_tick: Cell::new(0),
            last_request: Cell::new(0),
        }));
    }

    /// Begins the VMs anew that have trapped, with the configurations that the others have. Envoy never does
    /// that on its main thread.
    pub(crate) fn revive(&self, configured: &[Configured]) {
        for vm_id in 0..self.shared.len() {
            let mut kinds: Vec<_> = self.current(vm_id).iter().map(|plugin| plugin.kind).collect();
            kinds.sort_unstable();
            kinds.dedup();
            for thread in self.threads.iter().filter(|thread| !thread.is_main()) {
                if thread.is_busy.get() || !thread.vms.borrow()[vm_id].is_dead.get() {
                    continue;
                }
                let vm = Rc::new(SimVm::new());
                thread.vms.borrow_mut()[vm_id] = Rc::clone(&vm);
                for kind in &kinds {
                    self.begin_plugin(thread, &vm, vm_id, *kind, &configured[*kind as usize]);
                }
            }
        }
    }

    /// The plugins of a `vm_id` that were not replaced, on any thread.
    fn current(&self, vm_id: usize) -> Vec<Rc<Plugin<H>>> {
        let plugins = self.plugins.borrow();
        plugins.iter().filter(|it| it.table.vm_id == vm_id && !it.is_draining.get()).cloned().collect()
    }

    /// Lets the plugins of a `vm_id` drain that are there.
    pub(crate) fn replace(&self, vm_id: usize) {
        self.current(vm_id).iter().for_each(|plugin| plugin.is_draining.set(true));
    }

    /// The plugins that requests come to.
    pub(crate) fn serving(&self) -> Vec<Rc<Plugin<H>>> {
        self.plugins.borrow().iter().filter(|plugin| plugin.serves()).cloned().collect()
    }

    /// Removes plugins that have ended.
    pub(crate) fn bury(&self) {
        let is_over = |plugin: &Rc<Plugin<H>>| plugin.vm.is_dead.get() && !plugin.thread.is_busy.get();
        let dead: Vec<_> = self.plugins.borrow_mut().extract_if(.., |plugin| is_over(plugin)).collect();
        for plugin in dead {
            plugin.end();
        }
    }

    /// Lets go of the files of tables that no configuration has any more.
    pub(crate) fn let_go_of_files(&self) {
        let plugins = self.plugins.borrow();
        self.kept.borrow_mut().retain(|kept| plugins.iter().any(|plugin| plugin.table == kept.table()));
    }

    /// Whether any thread is in the middle of something.
    pub(crate) fn is_busy(&self) -> bool {
        self.threads.iter().any(|thread| thread.is_busy.get())
    }
}

impl<H: SimHost> Thread<H> {
    pub(crate) fn is_main(&self) -> bool {
        self.number == 0
    }
}

impl<H: SimHost> SimVm<H> {
    fn new() -> Self {
        Self { vm: Rc::new(Vm::new()), is_dead: Cell::new(false) }
    }
}

impl<H: SimHost> Plugin<H> {
    /// Whether requests come to it.
    pub(crate) fn serves(&self) -> bool {
        !self.thread.is_main()
    }

    /// Whether it is ticked.
    pub(crate) fn ticks(&self) -> bool {
        H::HAS_VMS || self.thread.is_main()
    }

    pub(crate) fn next_request(&self) -> RequestId {
        let number = self.last_request.get() + 1;
        self.last_request.set(number);
        RequestId(number)
    }

    /// It ends; nothing of it is called any more.
    pub(crate) fn end(&self) {
        self.held.take();
        drop(self.root.take());
    }

    /// Where it is, for a reader of the trace.
    pub(crate) fn told(&self) -> String {
        let TableAt { process, vm_id, .. } = self.table;
        let thread = match self.thread.number {
            0 => "main".to_owned(),
            number => format!("worker {number}"),
        };
        let drains = if self.is_draining.get() { ", drains" } else { "" };
        format!("process {process}, vm-{vm_id}, {thread}, {:?}{drains}", self.kind)
    }
}
