//! One request, from the hook that makes it to the one that destroys it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use latchkey_filter::filter::{Flow, RequestFilter};
use latchkey_filter::host::RequestId;

use crate::module_host::ModuleHost;
use crate::plugin::Plugin;
use crate::requests::EnvoyRequest;
use crate::timer::TIMER;
use crate::worker;

/// One request. It belongs to one thread.
pub(crate) struct StreamFilter {
    plugin: Arc<Plugin>,
    request: RequestFilter<ModuleHost>,
    /// Its number among those that wait, if it does.
    waits_as: Option<u64>,
}

static LAST_WAITING: AtomicU64 = AtomicU64::new(0);

impl StreamFilter {
    pub(crate) fn new(plugin: Arc<Plugin>) -> Self {
        let request = worker::request(&plugin);
        Self { plugin, request, waits_as: None }
    }

    /// One that is refused, whatever it is.
    pub(crate) fn refused(plugin: Arc<Plugin>) -> Self {
        Self { plugin, request: RequestFilter::without_configuration(RequestId(0)), waits_as: None }
    }

    pub(crate) fn headers(&mut self, request: &mut EnvoyRequest) -> Flow {
        let flow = self.request.headers(request);
        if self.request.waits() {
            self.wait(request);
        }
        flow
    }

    pub(crate) fn body(&self) -> Flow {
        self.request.body()
    }

    pub(crate) fn trailers(&self, request: &mut EnvoyRequest) -> Flow {
        self.request.trailers(request)
    }

    /// It waits, and may be decided now.
    pub(crate) fn look_again(&mut self, request: &mut EnvoyRequest) {
        self.request.look_again(request);
        if !self.request.waits() {
            self.wait_no_more();
        }
    }

    /// Without a scheduler it is held until its client or a time limit ends it.
    fn wait(&mut self, request: &EnvoyRequest) {
        let Some(scheduler) = request.stream().scheduler() else { return };
        let number = LAST_WAITING.fetch_add(1, Ordering::Relaxed);
        self.waits_as = Some(number);
        self.plugin.waiting.insert(number, scheduler);
        TIMER.one_waits();
    }

    fn wait_no_more(&mut self) {
        if let Some(number) = self.waits_as.take() {
            self.plugin.waiting.remove(number);
        }
    }
}

impl Drop for StreamFilter {
    fn drop(&mut self) {
        self.wait_no_more();
    }
}
