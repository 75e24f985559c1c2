//! What a worker has of each configuration: a root that decides, and never ticks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use latchkey_filter::filter::{RequestFilter, Root, Vm};
use latchkey_filter::host::RequestId;

use crate::module_host::ModuleHost;
use crate::plugin::Plugin;

/// One configuration on one thread. Requests count as its owners, which only this thread does; the configuration
/// itself would be counted by all of them in one place.
pub(crate) struct Worker {
    pub(crate) plugin: Arc<Plugin>,
    root: Root<ModuleHost>,
    last_request: Cell<u32>,
}

thread_local! {
    static WORKERS: RefCell<Vec<Rc<Worker>>> = const { RefCell::new(Vec::new()) };
}

impl Worker {
    /// A request has come to this thread.
    pub(crate) fn request(&self) -> RequestFilter<ModuleHost> {
        let number = self.last_request.get().wrapping_add(1);
        self.last_request.set(number);
        self.root.request(RequestId(number))
    }
}

/// What this thread has of that configuration.
pub(crate) fn of(plugin: &Arc<Plugin>) -> Rc<Worker> {
    let worker = WORKERS
        .with_borrow(|workers| workers.iter().find(|worker| worker.plugin.id == plugin.id).map(Rc::clone));
    worker.unwrap_or_else(|| begin(plugin))
}

/// The first request of a configuration on this thread. What is left of configurations that are gone goes.
fn begin(plugin: &Arc<Plugin>) -> Rc<Worker> {
    let mut root = Root::new(ModuleHost::new(Arc::clone(plugin)), Rc::new(Vm::new()));
    root.adopt(Arc::clone(&plugin.config));
    let worker = Rc::new(Worker { plugin: Arc::clone(plugin), root, last_request: Cell::new(0) });
    let gone = WORKERS.with_borrow_mut(|workers| {
        let gone: Vec<_> = workers.extract_if(.., |worker| !worker.plugin.is_live()).collect();
        workers.push(Rc::clone(&worker));
        gone
    });
    drop(gone);
    worker
}
