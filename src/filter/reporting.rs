//! Telling the key service how often keys were used, and what there is to say of this edge.
//!
//! Every plugin brings together what its threads have counted, and the one that follows the feed tells the service.
//! Reports go beside requests for the feed: neither waits for the other. A report that the service did not take is
//! told again later; so a use may be counted twice where only the answer was lost, and what a VM that dies was
//! telling is lost. A service of an older version takes no report that says something of the edge: it is told the
//! uses alone then.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use latchkey_build_info::FILTER;
use latchkey_key_feed::{MonotonicMillis, ToldOfEdge, UsageReport, usage_path};

use super::{Filter, feed_call};
use crate::config::KeyService;
use crate::host::{Host, HostAnswer, HostFailed, HttpCall};
use crate::limits::{USAGE_GATHERED_MS, USAGE_REFUSED_MS, USAGE_REPORTED_MS};
use crate::refresh::{CallId, FeedEndpoint};
use crate::table::{KeyTable as _, LiveFeed as _};
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
    /// Since when is counted what the next report tells.
    since: Cell<MonotonicMillis>,
    /// Until when the service is told the uses alone.
    uses_alone_until: Cell<Option<MonotonicMillis>>,
}

/// A report on its way.
struct SentReport {
    call: CallId,
    report: UsageReport,
    /// Since when it was counted.
    since: MonotonicMillis,
    /// Whether it says something of the edge.
    is_of_edge: bool,
    /// When no answer comes any more, whatever the host says.
    until: MonotonicMillis,
}

/// What the service made of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Taken,
    /// It cannot read the report: an older version reads none that says something of the edge.
    NotRead,
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
            since: Cell::default(),
            uses_alone_until: Cell::default(),
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
            self.reporting.since.set(now);
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
        if reporting.sent.borrow().as_ref().is_some_and(|sent| now < sent.until) {
            return;
        }
        if let Some(unanswered) = reporting.sent.take() {
            self.tell_again(&unanswered.report, unanswered.since);
        }
        let report = shared.take();
        let since = reporting.since.replace(now);
        if report.is_empty() {
            return;
        }
        reporting.next.set(now.plus_millis(USAGE_REPORTED_MS));
        let is_of_edge = reporting.uses_alone_until.get().is_none_or(|until| now >= until);
        if !is_of_edge && !report.has_uses() {
            return;
        }
        let told = is_of_edge.then(|| self.told_of_edge(endpoint, since, now));
        let sent = send(&self.host, &self.config.key_service, endpoint, &report.to_json(told.as_ref()));
        match sent {
            Ok(call) => {
                let until = now.plus(endpoint.fetch_timeout).plus_millis(USAGE_REPORTED_MS);
                reporting.sent.replace(Some(SentReport { call, report, since, is_of_edge, until }));
            }
            Err(HostFailed) => self.tell_again(&report, since),
        }
    }

    /// Another plugin reports: what this one would tell, should it be the next, begins now.
    pub(super) fn leave_reports_to_others(&self, now: MonotonicMillis) {
        self.reporting.since.set(now);
    }

    /// Takes the answer to a report. Says whether the call was one.
    pub(super) fn usage_answered(&self, call: CallId, answer: &impl HostAnswer) -> bool {
        let sent = self.reporting.sent.borrow_mut().take_if(|sent| sent.call == call);
        let Some(sent) = sent else { return false };
        let now = self.clock.monotonic().ok();
        match outcome(answer) {
            Outcome::Taken => {}
            Outcome::NotHeard => self.tell_again(&sent.report, sent.since),
            Outcome::NotRead if sent.is_of_edge => {
                self.reporting.uses_alone_until.set(now.map(|now| now.plus_millis(USAGE_REFUSED_MS)));
                self.tell_again(&sent.report, sent.since);
            }
            Outcome::NotRead | Outcome::Refused => {
                self.count_lost_uses(sent.report.count());
                if let Some(now) = now {
                    self.reporting.next.set(now.plus_millis(USAGE_REFUSED_MS));
                }
            }
        }
        true
    }

    /// What was told and not heard is told with the next report.
    fn tell_again(&self, report: &UsageReport, since: MonotonicMillis) {
        self.reporting.since.set(since);
        self.count_lost_uses(self.shared_usage().add(report));
    }

    /// What the report says of the edge. The time is that over which all threads have counted, and these bring
    /// their counts together at intervals.
    fn told_of_edge<'a>(
        &self,
        endpoint: &'a FeedEndpoint,
        since: MonotonicMillis,
        now: MonotonicMillis,
    ) -> ToldOfEdge<'a> {
        let live = self.table.live(now).ok().flatten();
        ToldOfEdge {
            instance: &endpoint.instance,
            over_ms: now.millis_since(since).max(USAGE_GATHERED_MS),
            keys: live.map(|live| live.keys()),
        }
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
    if report.has_uses() {
        // What the host would not send is lost, as is what is counted after this.
        let _ = send(host, service, endpoint, &report.to_json(None));
    }
}

/// Where the path of the feed is none of ours, there is nobody to tell.
fn send(
    host: &impl Host,
    service: &KeyService,
    endpoint: &FeedEndpoint,
    json: &str,
) -> Result<CallId, HostFailed> {
    let path = usage_path(&endpoint.path, &endpoint.edge).ok_or(HostFailed)?;
    let authorization = feed_call::authorization(host, service)?;
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
        Some((400, _)) => Outcome::NotRead,
        Some((404 | 405 | 413, _)) => Outcome::Refused,
        Some(_) | None => Outcome::NotHeard,
    }
}
