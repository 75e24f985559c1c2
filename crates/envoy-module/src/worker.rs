//! What a worker has of each configuration: a root that decides, and never ticks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use latchkey_filter::filter::{RequestFilter, Root, Vm};
use latchkey_filter::host::RequestId;

use crate::module_host::ModuleHost;
use crate::plugin::Plugin;

/// One configuration on one thread.
struct Worker {
    plugin: Arc<Plugin>,
    root: Root<ModuleHost>,
    last_request: Cell<u32>,
}

thread_local! {
    static WORKERS: RefCell<Vec<Rc<Worker>>> = const { RefCell::new(Vec::new()) };
}

/// A request of that configuration, which has come to this thread.
pub(crate) fn request(plugin: &Arc<Plugin>) -> RequestFilter<ModuleHost> {
    let worker = WORKERS
        .with_borrow(|workers| workers.iter().find(|worker| worker.plugin.id == plugin.id).map(Rc::clone));
    let worker = worker.unwrap_or_else(|| begin(plugin));
    let number = worker.last_request.get().wrapping_add(1);
    worker.last_request.set(number);
    worker.root.request(RequestId(number))
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
