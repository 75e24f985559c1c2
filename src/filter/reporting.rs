//! Telling the key service how often keys were used.
//!
//! Every plugin brings together what its threads have counted, and the one that follows the feed tells the service.
//! Reports go beside requests for the feed: neither waits for the other. A report that the service did not take is
//! told again later; so a use may be counted twice where only the answer was lost, and what a VM that dies was
//! telling is lost.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use latchkey_build_info::FILTER;
use latchkey_key_feed::{MonotonicMillis, UsageReport, usage_path};

use super::{Filter, feed_call};
use crate::config::KeyService;
use crate::host::{Host, HostAnswer, HostFailed, HttpCall};
use crate::limits::{USAGE_GATHERED_MS, USAGE_REFUSED_MS, USAGE_REPORTED_MS};
use crate::refresh::{CallId, FeedEndpoint};
use crate::usage::{SharedUsage, UsageCounter};

/// What a plugin has for telling of uses.
pub(super) struct Reporting {
    /// What this thread counts. `None` where the operator wants no reports.
    counter: Option<Arc<UsageCounter>>,
    /// When uses were last brought together; `None` before the first tick.
    gathered: Cell<Option<MonotonicMillis>>,
    /// When the next report may be sent.
    next: Cell<MonotonicMillis>,
    sent: RefCell<Option<SentReport>>,
}

/// A report on its way.
struct SentReport {
    call: CallId,
    report: UsageReport,
    /// When no answer comes any more, whatever the host says.
    until: MonotonicMillis,
}

/// What the service made of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Taken,
    /// It knows no reports, as an older version, or takes none as long as this one.
    Refused,
    NotHeard,
}

impl Reporting {
    pub(super) fn new(host: &impl Host, is_wanted: bool) -> Self {
        Self {
            counter: is_wanted.then(|| host.usage_counter()),
            gathered: Cell::default(),
            next: Cell::default(),
            sent: RefCell::default(),
        }
    }

    /// What counts the uses of keys.
    pub(super) fn counter(&self) -> Option<&UsageCounter> {
        self.counter.as_deref()
    }
}

impl<H: Host> Filter<H> {
    /// Brings together what was counted, now and then.
    pub(super) fn gather_usage(&self, now: MonotonicMillis) {
        let Some(gathered) = self.reporting.gathered.get() else {
            self.reporting.gathered.set(Some(now));
            self.reporting.next.set(now.plus_millis(USAGE_REPORTED_MS));
            return;
        };
        if now.millis_since(gathered) >= USAGE_GATHERED_MS {
            self.reporting.gathered.set(Some(now));
            self.gather_usage_now();
        }
    }

    pub(super) fn gather_usage_now(&self) {
        let Some(own) = &self.reporting.counter else { return };
        let shared = self.shared_usage();
        self.host.collect_usage(own, &mut |counter| {
            let counted = counter.take();
            self.count_lost_uses(counted.lost + shared.add(&counted.report));
        });
    }

    /// Tells the service, if there is something to tell and it is time.
    pub(super) fn report_usage(&self, endpoint: &FeedEndpoint, now: MonotonicMillis) {
        let reporting = &self.reporting;
        if reporting.counter.is_none() || now < reporting.next.get() {
            return;
        }
        let shared = self.shared_usage();
        match &*reporting.sent.borrow() {
            Some(sent) if now < sent.until => return,
            Some(sent) => self.count_lost_uses(shared.add(&sent.report)),
            None => {}
        }
        reporting.sent.take();
        let report = shared.take();
        if report.is_empty() {
            return;
        }
        reporting.next.set(now.plus_millis(USAGE_REPORTED_MS));
        match send(&self.host, &self.config.key_service, endpoint, &report) {
            Ok(call) => {
                let until = now.plus(endpoint.fetch_timeout).plus_millis(USAGE_REPORTED_MS);
                reporting.sent.replace(Some(SentReport { call, report, until }));
            }
            Err(HostFailed) => self.count_lost_uses(shared.add(&report)),
        }
    }

    /// Takes the answer to a report. Says whether the call was one.
    pub(super) fn usage_answered(&self, call: CallId, answer: &impl HostAnswer) -> bool {
        let sent = self.reporting.sent.borrow_mut().take_if(|sent| sent.call == call);
        let Some(SentReport { report, .. }) = sent else { return false };
        match outcome(answer) {
            Outcome::Taken => {}
            Outcome::NotHeard => self.count_lost_uses(self.shared_usage().add(&report)),
            Outcome::Refused => {
                self.count_lost_uses(report.count());
                if let Ok(now) = self.clock.monotonic() {
                    self.reporting.next.set(now.plus_millis(USAGE_REFUSED_MS));
                }
            }
        }
        true
    }

    pub(super) fn shared_usage(&self) -> SharedUsage<H> {
        SharedUsage::new(self.host.clone(), self.following.names())
    }

    fn count_lost_uses(&self, lost: u64) {
        self.stats.add(self.stats.usage_lost, usize::try_from(lost).unwrap_or(usize::MAX));
    }
}

/// The last report of a table, which nobody waits for. Nothing of it stays.
pub(super) fn send_last<H: Host>(
    host: &H,
    usage: &SharedUsage<H>,
    service: &KeyService,
    endpoint: &FeedEndpoint,
) {
    let report = usage.take();
    if !report.is_empty() {
        // What the host would not send is lost, as is what is counted after this.
        let _ = send(host, service, endpoint, &report);
    }
}

/// Where the path of the feed is none of ours, there is nobody to tell.
fn send(
    host: &impl Host,
    service: &KeyService,
    endpoint: &FeedEndpoint,
    report: &UsageReport,
) -> Result<CallId, HostFailed> {
    let path = usage_path(&endpoint.path, &endpoint.edge).ok_or(HostFailed)?;
    let authorization = feed_call::authorization(host, service)?;
    let json = report.to_json();
    let headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", service.authority.as_str()),
        (":path", path.as_str()),
        ("accept", "application/json"),
        ("content-type", "application/json"),
        ("authorization", authorization.as_str()),
        ("user-agent", FILTER),
    ];
    let timeout = endpoint.fetch_timeout;
    host.send(&HttpCall { cluster: &service.cluster, headers: &headers, body: json.as_bytes(), timeout })
}

fn outcome(answer: &impl HostAnswer) -> Outcome {
    match feed_call::status(answer) {
        Some((200, _)) => Outcome::Taken,
        Some((400 | 404 | 405 | 413, _)) => Outcome::Refused,
        Some(_) | None => Outcome::NotHeard,
    }
}
