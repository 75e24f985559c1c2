//! Which configuration is at work.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::stats::introduce;
use super::{Filter, RequestFilter, Vm};
use crate::config::Config;
use crate::host::{Host, HostAnswer, LogLevel, RequestId};
use crate::limits::FIRST_TICK_MS;
use crate::refresh::CallId;

/// Why a host without a file system refuses a configuration.
const NO_FILES: &str = "a Wasm filter has no files; the native module has";

/// One plugin of one VM: ticks, calls and their answers belong to it.
pub struct Root<H: Host> {
    host: H,
    vm: Rc<Vm<H>>,
    /// Absent until a configuration has been accepted; requests are refused without one.
    filter: Option<Rc<Filter<H>>>,
    /// Those that were replaced while requests waited for them.
    replaced: Vec<Rc<Filter<H>>>,
}

#[cfg(test)]
impl<H: Host> Root<H> {
    /// Of how many different metadata of routes it is known what they ask.
    pub(super) fn routes_kept(&self) -> usize {
        self.filter.as_ref().map_or(0, |filter| filter.routes.kept())
    }
}

impl<H: Host> Root<H> {
    /// A plugin without a configuration.
    pub fn new(host: H, vm: Rc<Vm<H>>) -> Self {
        Self { host, vm, filter: None, replaced: Vec::new() }
    }

    /// A configuration has come; says whether it is accepted. One that is not changes nothing.
    pub fn configure(&mut self, json: &[u8], environment: impl Fn(&str) -> Option<String>) -> bool {
        introduce(&self.host);
        match Config::parse(json, environment) {
            Ok(config) => {
                if let Some(field) = config.field_with_a_file() {
                    self.host.log(
                        LogLevel::Error,
                        format_args!("the configuration is refused: `{field}`: {NO_FILES}"),
                    );
                    return false;
                }
                self.adopt(Arc::new(config));
                true
            }
            Err(invalid) => {
                self.host.log(LogLevel::Error, format_args!("{invalid}"));
                false
            }
        }
    }

    /// Puts a configuration to work. Where several threads share one, each has a root of its own, and those
    /// that never tick only decide.
    pub fn adopt(&mut self, config: Arc<Config>) {
        let filter = Filter::new(self.host.clone(), Rc::clone(&self.vm), config);
        if let Some(before) = self.filter.replace(Rc::new(filter)) {
            before.leave();
            self.replaced.push(before);
        }
        // If the host does not tick, requests wait and none of them passes.
        let _ = self.host.set_tick_period(Duration::from_millis(FIRST_TICK_MS));
    }

    /// Time has passed.
    pub fn tick(&mut self) {
        if let Some(filter) = &self.filter {
            filter.tick();
        }
        // A request that waited for a configuration is decided by that configuration.
        self.replaced.retain(|filter| filter.finish_waiting());
    }

    /// A call to the service has ended.
    pub fn answered(&self, call: CallId, answer: &impl HostAnswer) {
        if let Some(filter) = &self.filter {
            filter.answered(call, answer);
        }
    }

    /// A request has come.
    #[must_use]
    pub fn request(&self, id: RequestId) -> RequestFilter<H> {
        RequestFilter::new(id, self.filter.clone())
    }
}

/// All requests of this plugin have ended.
impl<H: Host> Drop for Root<H> {
    fn drop(&mut self) {
        if let Some(filter) = &self.filter {
            filter.leave();
        }
    }
}
