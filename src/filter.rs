//! The rules of the filter over a [`Host`]: what becomes of a request whatever the host does, and of the
//! table between requests.
//!
//! | part | decides |
//! |------|---------|
//! | [`Root`] | which configuration is at work |
//! | [`RequestFilter`] | which parts of a request may move on |
//! | [`Filter`] | one configuration in one VM: requests in this file, what happens between them in `following` |
//! | [`Vm`] | who finishes the work of a plugin that has ended |
//!
//! A request passes only after each of its owned headers was set or removed. Where the host fails before
//! that, the request is refused. Where the host does not send the refusal either, the request stays held.

mod feed_call;
mod following;
mod held_requests;
mod leaving;
mod request;
mod root;
mod stats;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use latchkey_key_feed::{MonotonicMillis, header_value};

use self::following::Following;
use self::held_requests::HeldRequests;
use self::stats::Stats;
use crate::clock::{ClockFailed, Moment, VmClock};
use crate::config::{Authentication, Config};
use crate::denial::{Denial, Unavailable};
use crate::gate::{self, Admission, Freshness, Refusal, Verdict, VerifiedKey, WaitingTime};
use crate::headers::Headers;
use crate::host::{Host, HostFailed, HostRequest, LogLevel, RequestId};
use crate::identity::{CLAIMED_ID_STATE, HeaderEdit, KeyIdentity};
use crate::limits::{RETRY_AFTER_MS, SETTLED_PER_TICK_MAX};
use crate::refresh::Candidate;
use crate::reply::Reply;
use crate::table::{FeedIdentity, KeyTable, SharedNames};

pub use leaving::Vm;
pub use request::{Flow, RequestFilter};
pub use root::Root;

/// One configuration at work in one VM.
pub struct Filter<H: Host> {
    host: H,
    vm: Rc<Vm<H>>,
    config: Config,
    table: H::Table,
    following: Following<H>,
    clock: VmClock<H>,
    held: HeldRequests,
    stats: Stats<H>,
    tick_ms: Cell<u64>,
    /// Whether the last tick left requests that may be settled by the next.
    has_more_to_settle: Cell<bool>,
    freshness: Cell<Option<Freshness>>,
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
    fn new(host: H, vm: Rc<Vm<H>>, config: Config) -> Self {
        let service = &config.key_service;
        let feed = FeedIdentity::of(&service.cluster, &service.authority, &service.path);
        let names = SharedNames::of(&feed, config.identity.record_shape());
        declare_filter_state(&host, &config);
        vm.one_came();
        Self {
            table: host.table(&names),
            following: Following::new(&host, names),
            clock: VmClock::new(host.clone()),
            held: HeldRequests::default(),
            stats: Stats::define(host.clone()),
            tick_ms: Cell::new(0),
            has_more_to_settle: Cell::new(false),
            freshness: Cell::new(None),
            candidate: Cell::new(Candidate::Idle),
            host,
            vm,
            config,
        }
    }

    /// Whether it has a table to keep fresh. A filter that looks at no credential has none: it only ticks for
    /// plugins that have ended.
    fn follows(&self) -> bool {
        self.config.authentication != Authentication::Off
    }

    /// Decides about a request, and carries the verdict out.
    fn handle(&self, id: RequestId, request: &mut H::Request) -> Handled {
        // From here on this VM leaves loads to VMs on which no request waits.
        self.candidate.set(Candidate::Serving);
        let Ok(now) = self.clock.now() else { return self.refuse_for_the_host(request) };
        let wait = if self.held.are_full() { Duration::ZERO } else { self.config.start_up_wait };
        let until = now.monotonic.plus(wait);
        let handled = self.decide(request, until, now);
        if handled == Handled::Waits {
            self.stats.add(self.stats.waited, 1);
            self.held.hold(id, until);
        }
        handled
    }

    /// Removes from the trailers of a request what an upstream could take for our headers.
    fn clean_trailers(&self, request: &mut H::Request) -> Result<(), HostFailed> {
        let trailers = request.trailers()?;
        let is_owned = |(name, _): &(&[u8], &[u8])| self.config.identity.is_owned(name);
        let owned: Vec<_> = trailers.iter().filter(is_owned).map(|(name, _)| name.to_vec()).collect();
        drop(trailers);
        owned.iter().try_for_each(|name| request.remove_trailer(name))
    }

    /// Decides about a request that may wait `until` then.
    fn decide(&self, request: &mut H::Request, until: MonotonicMillis, now: Moment) -> Handled {
        let waiting_time = if now.monotonic < until { WaitingTime::Left } else { WaitingTime::Over };
        let Ok(headers) = request.headers() else { return self.refuse_for_the_host(request) };
        let authentication = self.config.authentication;
        match gate::decide(&headers, authentication, &self.table, &self.config.staleness, waiting_time, now) {
            Verdict::Admit(Admission { key, freshness }) => {
                let edits = self.edits(Some(&key), &headers);
                drop(headers);
                match edit(request, &edits).and_then(|()| self.tell(&key, request)) {
                    Ok(()) => self.admit(freshness),
                    Err(HostFailed) => self.refuse_for_the_host(request),
                }
            }
            Verdict::Pass => {
                let edits = self.edits(None::<&VerifiedKey<<H::Table as KeyTable>::Record>>, &headers);
                drop(headers);
                match edit(request, &edits) {
                    Ok(()) => self.pass(),
                    Err(HostFailed) => self.refuse_for_the_host(request),
                }
            }
            Verdict::Deny(Refusal { denial, claimed_id }) => {
                let reply = reply_to(denial, Some(&headers));
                drop(headers);
                if let Some(id) = claimed_id.filter(|_| self.config.identity.filter_state().claimed_id) {
                    // If the host does not take it, only the log lacks the id. The request is refused anyway.
                    let _ = request.set_filter_state(CLAIMED_ID_STATE, &header_value::encode(id.as_str()));
                }
                self.refuse(denial, &reply, request)
            }
            Verdict::Wait => Handled::Waits,
        }
    }

    /// What lets the upstream read the identity of the key and no other. A credential that is not looked at
    /// is not ours to remove.
    fn edits<'a, K: KeyIdentity>(
        &'a self,
        key: Option<&'a K>,
        headers: &impl Headers,
    ) -> Vec<HeaderEdit<'a>> {
        let forward = self.config.forward_credential || self.config.authentication == Authentication::Off;
        self.config.identity.edits(headers, key, forward)
    }

    /// Tells the identity to the rest of the proxy.
    fn tell(&self, key: &impl KeyIdentity, request: &mut H::Request) -> Result<(), HostFailed> {
        for field in &self.config.identity.filter_state().fields {
            if let Some(value) = key.value(*field).filter(|value| !value.is_empty()) {
                request.set_filter_state(field.filter_state(), value)?;
            }
        }
        Ok(())
    }

    fn pass(&self) -> Handled {
        self.stats.add(self.stats.passed_without_key, 1);
        Handled::Passed
    }

    fn admit(&self, freshness: Freshness) -> Handled {
        self.stats.add(self.stats.admitted, 1);
        if freshness == Freshness::Stale {
            self.stats.add(self.stats.admitted_stale, 1);
        }
        Handled::Passed
    }

    fn refuse(&self, denial: Denial, reply: &Reply, request: &mut H::Request) -> Handled {
        self.stats.count_denied(denial);
        if let Err(HostFailed) = request.reply(reply) {
            let status = reply.status;
            self.host.log(LogLevel::Error, format_args!("the host would not send a {status} reply"));
        }
        Handled::Replied
    }

    /// Refuses a request after a failed host call. Its identity is unknown, or it still has an identity
    /// header of the client, so it must not reach the upstream.
    fn refuse_for_the_host(&self, request: &mut H::Request) -> Handled {
        let denial = Denial::Unavailable(Unavailable::HostFailed);
        let reply = reply_to(denial, request.headers().ok().as_ref());
        self.refuse(denial, &reply, request)
    }

    /// Looks whether the requests that wait can be decided now, in the order in which they came, and settles
    /// at most [`SETTLED_PER_TICK_MAX`] of them.
    fn wake_waiting(&self, now: Result<Moment, ClockFailed>) {
        let mut settled = 0;
        self.has_more_to_settle.set(false);
        for (id, until) in self.held.undecided() {
            if settled == SETTLED_PER_TICK_MAX {
                self.has_more_to_settle.set(true);
                break;
            }
            let handled = self.host.with_held(id, |request| {
                let handled = match now {
                    Ok(now) => self.decide(request, until, now),
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

fn edit(request: &mut impl HostRequest, edits: &[HeaderEdit<'_>]) -> Result<(), HostFailed> {
    edits.iter().try_for_each(|edit| match edit {
        HeaderEdit::Remove(name) => request.remove_header(name),
        HeaderEdit::Set(name, value) => request.set_header(name, value),
    })
}

fn reply_to(denial: Denial, headers: Option<&impl Headers>) -> Reply {
    Reply::to(denial, headers, Duration::from_millis(RETRY_AFTER_MS))
}

/// Declares the filter state as text, where the host can. A failure only means that the state stays bytes.
fn declare_filter_state(host: &impl Host, config: &Config) {
    let filter_state = config.identity.filter_state();
    let fields = filter_state.fields.iter().map(|field| field.filter_state());
    for name in fields.chain(filter_state.claimed_id.then_some(CLAIMED_ID_STATE)) {
        let _ = host.declare_text_state(name);
    }
}

#[cfg(test)]
mod tests;
