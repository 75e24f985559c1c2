//! One configuration at work in one VM: what it does with requests. `following` is what it does between them.

mod following;

use std::cell::Cell;
use std::time::Duration;

use latchkey_key_feed::{MonotonicMillis, header_value};
use proxy_wasm::hostcalls;
use proxy_wasm::types::MapType;

use self::following::Following;
use super::abi::{self, EnvoyClocks, HostFailed};
use super::local_reply;
use super::shared_data::EnvoySharedData;
use super::stats::Stats;
use super::waiting_room::WaitingRoom;
use crate::clock::{ClockFailed, Moment, VmClock};
use crate::config::{Authentication, Config};
use crate::denial::{Denial, Unavailable};
use crate::gate::{self, Freshness, Patience, Refusal, Verdict, VerifiedKey};
use crate::headers::HeaderPairs;
use crate::identity::{CLAIMED_ID_STATE, HeaderEdit, KeyIdentity as _};
use crate::limits::RETRY_AFTER_MS;
use crate::refresh::Candidate;
use crate::reply::Reply;
use crate::table::{FeedIdentity, SharedNames, TableReader};

/// What the contexts of one configuration share.
pub(super) struct Plugin {
    config: Config,
    table: TableReader<EnvoySharedData>,
    following: Following,
    clock: VmClock<EnvoyClocks>,
    waiting: WaitingRoom,
    stats: Stats,
    root_context: u32,
    tick_ms: Cell<u64>,
    freshness: Cell<Option<Freshness>>,
    /// Whether this VM has seen a request. The one of Envoy's main thread never does.
    candidate: Cell<Candidate>,
}

/// What has become of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Handled {
    /// It may go upstream, changed as it must be.
    Passed,
    /// It has been answered.
    Replied,
    /// It is still to be decided.
    Waits,
}

impl Plugin {
    pub(super) fn new(config: Config, root_context: u32) -> Self {
        let store = EnvoySharedData::new();
        let service = &config.key_service;
        let feed = FeedIdentity::of(&service.cluster, &service.authority, &service.path);
        let names = SharedNames::of(&feed, config.identity.record_shape());
        declare_filter_state(&config);
        Self {
            following: Following::new(store, names.clone()),
            clock: VmClock::new(EnvoyClocks),
            table: TableReader::new(store, names),
            waiting: WaitingRoom::default(),
            stats: Stats::define(),
            root_context,
            tick_ms: Cell::new(0),
            freshness: Cell::new(None),
            candidate: Cell::new(Candidate::Idle),
            config,
        }
    }

    /// Whether it has a table to keep fresh. One that looks at no credential ticks for those that have left alone.
    fn follows(&self) -> bool {
        self.config.authentication != Authentication::Off
    }

    /// Decides about the request that is current, and carries the verdict out.
    pub(super) fn handle(&self, request: u32) -> Handled {
        self.candidate.set(Candidate::Serving);
        let Ok(now) = self.clock.now() else { return self.refuse_for_the_host() };
        let until = now.monotonic.plus_millis(millis(self.config.start_up_wait));
        let handled = self.decide(until, now);
        if handled == Handled::Waits {
            self.stats.waited.add(1);
            self.waiting.enter(request, until);
        }
        handled
    }

    /// Whether a request that had to wait may still not move on.
    pub(super) fn holds(&self, request: u32) -> bool {
        self.waiting.holds(request)
    }

    pub(super) fn forget(&self, request: u32) {
        self.waiting.leave(request);
    }

    /// Removes from the trailers of the current request what an upstream could take for our headers.
    pub(super) fn clean_trailers(&self) -> Result<(), HostFailed> {
        let trailers = abi::header_pairs(MapType::HttpRequestTrailers)?;
        let mut owned = trailers.iter().filter(|(name, _)| self.config.identity.is_owned(name));
        owned.try_for_each(|(name, _)| abi::remove_header(MapType::HttpRequestTrailers, name))
    }

    /// Decides about the request that is current and may wait `until` then.
    fn decide(&self, until: MonotonicMillis, now: Moment) -> Handled {
        let patience = if now.monotonic < until { Patience::Left } else { Patience::Over };
        let Ok(headers) = abi::header_pairs(MapType::HttpRequestHeaders) else {
            return self.refuse_for_the_host();
        };
        let authentication = self.config.authentication;
        match gate::decide(&headers, authentication, &self.table, &self.config.staleness, patience, now) {
            Verdict::Admit(admission) => match self.tell(&admission.key, &headers) {
                Ok(()) => self.admit(admission.freshness),
                // A header of ours that still is the client's must not reach the upstream.
                Err(HostFailed) => self.refuse(Denial::Unavailable(Unavailable::HostFailed), &headers),
            },
            Verdict::Pass => match self.edit_headers(None, &headers) {
                Ok(()) => self.pass(),
                Err(HostFailed) => self.refuse(Denial::Unavailable(Unavailable::HostFailed), &headers),
            },
            Verdict::Deny(Refusal { denial, claimed_id }) => {
                if let Some(id) = claimed_id.filter(|_| self.config.identity.filter_state().claimed_id) {
                    // The log misses a name where the host would not take it; the request is refused all the same.
                    let _ = abi::set_filter_state(CLAIMED_ID_STATE, &header_value::encode(id.as_str()));
                }
                self.refuse(denial, &headers)
            }
            Verdict::Wait => Handled::Waits,
        }
    }

    /// Tells the identity to the upstream and to the rest of the proxy.
    fn tell(&self, key: &VerifiedKey, headers: &HeaderPairs) -> Result<(), HostFailed> {
        self.edit_headers(Some(key), headers)?;
        for field in &self.config.identity.filter_state().fields {
            if let Some(value) = key.value(*field).filter(|value| !value.is_empty()) {
                abi::set_filter_state(field.filter_state(), value)?;
            }
        }
        Ok(())
    }

    /// Lets the upstream read the identity of the key and no other. A credential that is not looked at is not ours to remove.
    fn edit_headers(&self, key: Option<&VerifiedKey>, headers: &HeaderPairs) -> Result<(), HostFailed> {
        let forward = self.config.forward_credential || self.config.authentication == Authentication::Off;
        for edit in self.config.identity.edits(headers, key, forward) {
            match edit {
                HeaderEdit::Remove(name) => abi::remove_header(MapType::HttpRequestHeaders, name)?,
                HeaderEdit::Set(name, value) => abi::set_header(MapType::HttpRequestHeaders, name, value)?,
            }
        }
        Ok(())
    }

    fn pass(&self) -> Handled {
        self.stats.passed_without_key.add(1);
        Handled::Passed
    }

    fn admit(&self, freshness: Freshness) -> Handled {
        self.stats.admitted.add(1);
        if freshness == Freshness::Stale {
            self.stats.admitted_stale.add(1);
        }
        Handled::Passed
    }

    fn refuse(&self, denial: Denial, headers: &HeaderPairs) -> Handled {
        self.stats.count_denied(denial);
        local_reply::send(&Reply::to(denial, headers, Duration::from_millis(RETRY_AFTER_MS)));
        Handled::Replied
    }

    fn refuse_for_the_host(&self) -> Handled {
        self.refuse(Denial::Unavailable(Unavailable::HostFailed), &HeaderPairs::default())
    }

    /// Looks whether the requests that wait can be decided now.
    fn wake_waiting(&self, now: Result<Moment, ClockFailed>) {
        for (request, until) in self.waiting.undecided() {
            // Where the host knows the request no more, another one would be current still.
            if hostcalls::set_effective_context(request).is_err() {
                self.waiting.leave(request);
                continue;
            }
            let handled = match now {
                Ok(now) => self.decide(until, now),
                Err(ClockFailed) => self.refuse_for_the_host(),
            };
            match handled {
                Handled::Waits => {}
                Handled::Passed => {
                    self.waiting.leave(request);
                    let _ = hostcalls::resume_http_request();
                }
                Handled::Replied => self.waiting.refuse(request),
            }
        }
        let _ = hostcalls::set_effective_context(self.root_context);
    }
}

/// Makes texts of what is told in filter state, where the host can. Where it cannot, or was told before, nothing is lost but that.
fn declare_filter_state(config: &Config) {
    let filter_state = config.identity.filter_state();
    let fields = filter_state.fields.iter().map(|field| field.filter_state());
    for name in fields.chain(filter_state.claimed_id.then_some(CLAIMED_ID_STATE)) {
        let _ = abi::declare_text_state(name);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
