//! One request, from the hook that makes it to the one that destroys it.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use latchkey_filter::filter::{Flow, RequestFilter};

use crate::module_host::ModuleHost;
use crate::plugin::Plugin;
use crate::requests::EnvoyRequest;
use crate::timer::TIMER;
use crate::worker::{self, Worker};

/// One request. It belongs to one thread.
pub(crate) struct StreamFilter {
    /// Absent where a panic has prevented it.
    begun: Option<Begun>,
}

/// A request that has begun.
struct Begun {
    worker: Rc<Worker>,
    request: RequestFilter<ModuleHost>,
    /// Its number among those that wait, if it does.
    waits_as: Option<u64>,
}

static LAST_WAITING: AtomicU64 = AtomicU64::new(0);

impl StreamFilter {
    pub(crate) fn new(plugin: &Arc<Plugin>) -> Self {
        let worker = worker::of(plugin);
        let request = worker.request();
        Self { begun: Some(Begun { worker, request, waits_as: None }) }
    }

    /// One that is refused, whatever it is.
    pub(crate) const fn refused() -> Self {
        Self { begun: None }
    }

    pub(crate) fn headers(&mut self, request: &mut EnvoyRequest) -> Flow {
        let Some(begun) = &mut self.begun else {
            request.refuse_after_panic();
            return Flow::Hold;
        };
        let flow = begun.request.headers(request);
        if begun.request.waits() {
            begun.wait(request);
        }
        flow
    }

    pub(crate) fn body(&mut self, _request: &mut EnvoyRequest) -> Flow {
        self.begun.as_ref().map_or(Flow::Hold, |begun| begun.request.body())
    }

    pub(crate) fn trailers(&mut self, request: &mut EnvoyRequest) -> Flow {
        self.begun.as_ref().map_or(Flow::Hold, |begun| begun.request.trailers(request))
    }

    /// It waits, and may be decided now.
    pub(crate) fn look_again(&mut self, request: &mut EnvoyRequest) {
        let Some(begun) = &mut self.begun else { return };
        begun.request.look_again(request);
        if !begun.request.waits() {
            begun.wait_no_more();
        }
    }
}

impl Begun {
    /// Without a scheduler it is held until its client or a time limit ends it.
    fn wait(&mut self, request: &EnvoyRequest) {
        let Some(scheduler) = request.stream().scheduler() else { return };
        let number = LAST_WAITING.fetch_add(1, Ordering::Relaxed);
        self.waits_as = Some(number);
        self.worker.plugin.waiting.insert(number, scheduler);
        TIMER.one_waits();
    }

    fn wait_no_more(&mut self) {
        if let Some(number) = self.waits_as.take() {
            self.worker.plugin.waiting.remove(number);
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.wait_no_more();
    }
}
