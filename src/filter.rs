//! The rules of the filter over a [`Host`]: what becomes of a request whatever the host does, and of the
//! table between requests.
//!
//! | part | decides |
//! |------|---------|
//! | [`Root`] | which configuration is at work |
//! | [`RequestFilter`] | which parts of a request may move on |
//! | [`Filter`] | one configuration in one VM: who waits in this file, what becomes of a request in `deciding`, what happens between requests in `following` |
//! | [`Vm`] | who finishes the work of a plugin that has ended |
//!
//! A request passes only after each of its owned headers was set or removed. Where the host fails before
//! that, the request is refused. Where the host does not send the refusal either, the request stays held.

mod deciding;
mod feed_call;
mod following;
mod held_requests;
mod leaving;
mod log_lines;
mod reporting;
mod request;
mod root;
mod routes;
mod stats;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use self::deciding::{edit, edits_of};
use self::following::Following;
use self::held_requests::HeldRequests;
use self::reporting::Reporting;
use self::routes::Routes;
use self::stats::Stats;
use crate::clock::{ClockFailed, Moment, VmClock};
use crate::config::Config;
use crate::credential::Presented;
use crate::gate::Freshness;
use crate::headers::Headers;
use crate::host::{Host, HostFailed, HostRequest, RequestId};
use crate::identity::{CLAIMED_ID_STATE, RULE_STATE, SHADOW_STATE};
use crate::limits::SETTLED_PER_TICK_MAX;
use crate::refresh::Candidate;
use crate::rights::PreparedRights;

pub use leaving::Vm;
pub use log_lines::LogLines;
pub use request::{Flow, RequestFilter};
pub use root::Root;

/// One configuration at work in one VM.
pub struct Filter<H: Host> {
    host: H,
    vm: Rc<Vm<H>>,
    config: Arc<Config>,
    table: H::Table,
    following: Following<H>,
    reporting: Reporting,
    clock: VmClock<H>,
    held: HeldRequests,
    stats: Stats<H>,
    tick_ms: Cell<u64>,
    /// Whether the last tick left requests that may be settled by the next.
    has_more_to_settle: Cell<bool>,
    freshness: Cell<Option<Freshness>>,
    shadow_lines: LogLines,
    untold_lines: LogLines,
    routes: Routes,
    /// What keys may do, as far as it was asked for.
    rights: PreparedRights,
    /// The applications that rules ask about, and whose privileges are told.
    applications: Vec<String>,
    /// Whether this VM has seen a request. The one of Envoy's main thread never does.
    candidate: Cell<Candidate>,
}

/// What has become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handled {
    /// It may go upstream, changed as it must be.
    Passed,
    /// It has been answered.
    Replied,
    /// It is still to be decided.
    Waits,
}

impl<H: Host> Filter<H> {
    fn new(host: H, vm: Rc<Vm<H>>, config: Arc<Config>) -> Self {
        let names = config.table_names();
        let applications = names.shape().applications().to_vec();
        declare_filter_state(&host, &config);
        vm.one_came();
        Self {
            table: host.table(&names),
            following: Following::new(names),
            reporting: Reporting::new(&host, config.report_usage),
            clock: VmClock::new(host.clone()),
            held: HeldRequests::default(),
            stats: Stats::define(host.clone()),
            tick_ms: Cell::new(0),
            has_more_to_settle: Cell::new(false),
            freshness: Cell::new(None),
            shadow_lines: LogLines::default(),
            untold_lines: LogLines::default(),
            routes: Routes::default(),
            rights: PreparedRights::default(),
            applications,
            candidate: Cell::new(Candidate::Idle),
            host,
            vm,
            config,
        }
    }

    /// Whether it has a table to keep fresh. A filter that looks at no credential has none: it only ticks for
    /// plugins that have ended.
    fn follows(&self) -> bool {
        self.config.asks_for_keys()
    }

    /// Decides about a request, and carries the verdict out.
    fn handle(&self, id: RequestId, request: &mut H::Request) -> Handled {
        // From here on this VM leaves loads to VMs on which no request waits.
        self.candidate.set(Candidate::Serving);
        let Ok(now) = self.clock.now() else { return self.refuse_for_the_host(request) };
        let wait = if self.held.are_full() { Duration::ZERO } else { self.config.start_up_wait };
        let until = now.monotonic.plus(wait);
        let handled = self.decide(request, None, until, now);
        if handled == Handled::Waits {
            self.stats.add(self.stats.waited, 1);
            match self.hide_credential(request) {
                Ok(hidden) => self.held.hold(id, until, hidden),
                Err(HostFailed) => return self.refuse_for_the_host(request),
            }
        }
        handled
    }

    /// Takes a credential out of the path of a request that waits: should its client go away meanwhile, the
    /// path is in the access log. Where it is forwarded, it will be there anyway.
    fn hide_credential(&self, request: &mut H::Request) -> Result<Option<Rc<Presented>>, HostFailed> {
        let sources = &self.config.credential_sources;
        if self.config.forward_credential || !sources.look_at_the_query() {
            return Ok(None);
        }
        let headers = request.headers()?;
        let stripped = sources.strip_paths(&headers);
        let hidden = if stripped.is_empty() { None } else { sources.extract(&headers).ok().flatten() };
        drop(headers);
        edit(request, &edits_of(stripped))?;
        Ok(hidden.map(Rc::new))
    }

    /// Removes from the trailers of a request what an upstream could take for our headers.
    fn clean_trailers(&self, request: &mut H::Request) -> Result<(), HostFailed> {
        let trailers = request.trailers()?;
        let is_owned = |(name, _): &(&[u8], &[u8])| self.config.identity.is_owned(name);
        let owned: Vec<_> = trailers.iter().filter(is_owned).map(|(name, _)| name.to_vec()).collect();
        drop(trailers);
        owned.iter().try_for_each(|name| request.remove_trailer(name))
    }

    /// Looks again at one request that waits, and says what has become of it. The caller resumes it where it
    /// passes.
    fn look_again(&self, id: RequestId, request: &mut H::Request) -> Handled {
        let Some((until, hidden)) = self.held.undecided_of(id) else { return Handled::Replied };
        let handled = match self.clock.now() {
            Ok(now) => self.decide(request, hidden.as_deref(), until, now),
            Err(ClockFailed) => self.refuse_for_the_host(request),
        };
        match handled {
            Handled::Waits => {}
            Handled::Passed => self.held.remove(id),
            Handled::Replied => self.held.refuse(id),
        }
        handled
    }

    /// Looks whether the requests that wait can be decided now, in the order in which they came, and settles
    /// at most [`SETTLED_PER_TICK_MAX`] of them.
    fn wake_waiting(&self, now: Result<Moment, ClockFailed>) {
        let mut settled = 0;
        self.has_more_to_settle.set(false);
        for (id, until, hidden) in self.held.undecided() {
            if settled == SETTLED_PER_TICK_MAX {
                self.has_more_to_settle.set(true);
                break;
            }
            let handled = self.host.with_held(id, |request| {
                let handled = match now {
                    Ok(now) => self.decide(request, hidden.as_deref(), until, now),
                    Err(ClockFailed) => self.refuse_for_the_host(request),
                };
                if handled == Handled::Passed {
                    self.held.remove(id);
                    let _ = request.resume();
                }
                handled
            });
            settled += usize::from(handled != Ok(Handled::Waits));
            match handled {
                Ok(Handled::Waits | Handled::Passed) => {}
                // A request that the host no longer knows has ended. If it is there in spite of that, nothing
                // of it may pass.
                Ok(Handled::Replied) | Err(HostFailed) => self.held.refuse(id),
            }
        }
    }
}

/// Makes texts of what is told in filter state, where the host can. Where it cannot, or was told before,
/// nothing is lost but that.
fn declare_filter_state(host: &impl Host, config: &Config) {
    let filter_state = config.identity.filter_state();
    let fields = filter_state.fields.iter().map(|field| field.filter_state());
    let rule = (filter_state.rule && !config.rules.list().is_empty()).then_some(RULE_STATE);
    let shadow = (filter_state.rule && config.rules.may_shadow()).then_some(SHADOW_STATE);
    let claimed_id = filter_state.claimed_id.then_some(CLAIMED_ID_STATE);
    for name in fields.chain(claimed_id).chain(rule).chain(shadow) {
        let _ = host.declare_text_state(name);
    }
}

#[cfg(test)]
mod tests;
