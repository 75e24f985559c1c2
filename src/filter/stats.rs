//! Every metric of the filter.

use std::cell::{Cell, RefCell};

use latchkey_build_info::{COMMIT, FILTER, VERSION};

use crate::denial::Denial;
use crate::host::{Host, HostFailed, HostMetrics, LogLevel, MetricId};
use crate::metrics;
use crate::rules::Rule;

/// Where the filter counts.
pub(super) struct Stats<H: HostMetrics> {
    host: H,
    build_info: Gauge,
    pub(super) admitted: Tally,
    pub(super) admitted_stale: Tally,
    pub(super) admitted_previous_secret: Tally,
    pub(super) passed_without_key: Tally,
    pub(super) privileges_untold: Tally,
    pub(super) waited: Counter,
    pub(super) feed_polls: Counter,
    pub(super) feed_failures: Counter,
    pub(super) feed_loads: Counter,
    pub(super) feed_resets: Counter,
    pub(super) feed_rows: Counter,
    pub(super) feed_rows_set_aside: Counter,
    pub(super) feed_follower: Gauge,
    pub(super) feed_version: Gauge,
    pub(super) usage_lost: Counter,
    pub(super) credential_ended: Gauge,
    pub(super) table_age_ms: Gauge,
    pub(super) table_cursor: Gauge,
    pub(super) table_generation: Gauge,
    pub(super) table_keys: Gauge,
    denied: ByReason,
    shadowed: ByReason,
}

/// Counters by rule and reason, from the first time it happened in this VM.
type ByReason = RefCell<Vec<Vec<(Denial, Counter)>>>;

/// A number that only grows. One that the host would not define counts nothing.
#[derive(Clone, Copy)]
pub(super) struct Counter(Option<MetricId>);

/// A counter of requests that pass, with what the host has not been told of it.
pub(super) struct Tally {
    counter: Counter,
    untold: Cell<usize>,
}

/// A number that comes and goes.
#[derive(Clone, Copy)]
pub(super) struct Gauge(Option<MetricId>);

impl<H: HostMetrics> Stats<H> {
    pub(super) fn define(host: H) -> Self {
        let counter = |name| Counter(host.define_counter(name).ok());
        let tally = |name| Tally { counter: counter(name), untold: Cell::new(0) };
        let gauge = |name| Gauge(host.define_gauge(name).ok());
        Self {
            build_info: Gauge(define_build_info(&host).ok()),
            admitted: tally(metrics::ADMITTED),
            admitted_stale: tally(metrics::ADMITTED_STALE),
            admitted_previous_secret: tally(metrics::ADMITTED_PREVIOUS_SECRET),
            passed_without_key: tally(metrics::PASSED_WITHOUT_KEY),
            privileges_untold: tally(metrics::PRIVILEGES_UNTOLD),
            waited: counter(metrics::WAITED),
            feed_polls: counter(metrics::FEED_POLLS),
            feed_failures: counter(metrics::FEED_FAILURES),
            feed_loads: counter(metrics::FEED_LOADS),
            feed_resets: counter(metrics::FEED_RESETS),
            feed_rows: counter(metrics::FEED_ROWS),
            feed_rows_set_aside: counter(metrics::FEED_ROWS_SET_ASIDE),
            feed_follower: gauge(metrics::FEED_FOLLOWER),
            feed_version: gauge(metrics::FEED_VERSION),
            usage_lost: counter(metrics::USAGE_LOST),
            credential_ended: gauge(metrics::FEED_CREDENTIAL_ENDED),
            table_age_ms: gauge(metrics::TABLE_AGE_MS),
            table_cursor: gauge(metrics::TABLE_CURSOR),
            table_generation: gauge(metrics::TABLE_GENERATION),
            table_keys: gauge(metrics::TABLE_KEYS),
            denied: RefCell::default(),
            shadowed: RefCell::default(),
            host,
        }
    }

    /// Shows which build is at work. Another of the same build may have said that none is: whoever ticks says it
    /// again.
    pub(super) fn show_build(&self, is_at_work: bool) {
        self.set(self.build_info, u64::from(is_at_work));
    }

    /// Adds to a counter. A failure only means that the metric is too low.
    pub(super) fn add(&self, Counter(id): Counter, count: usize) {
        if let (Some(id), Ok(count @ 1..)) = (id, u64::try_from(count)) {
            let _ = self.host.add_to_counter(id, count);
        }
    }

    /// Counts a request that passes. Where calls of the host cost much, the next tick tells it.
    pub(super) fn tally(&self, tally: &Tally) {
        if H::COUNTS_BY_TICK {
            tally.untold.set(tally.untold.get().saturating_add(1));
        } else {
            self.add(tally.counter, 1);
        }
    }

    /// Tells the host of the requests that have passed since it was last told.
    pub(super) fn tell_tallies(&self) {
        let parts = [&self.privileges_untold, &self.admitted_stale, &self.admitted_previous_secret];
        for tally in parts.into_iter().chain([&self.passed_without_key, &self.admitted]) {
            self.add(tally.counter, tally.untold.take());
        }
    }

    pub(super) fn set(&self, Gauge(id): Gauge, value: u64) {
        if let Some(id) = id {
            let _ = self.host.set_gauge(id, value);
        }
    }

    /// Counts a refusal, by that rule if one decided.
    pub(super) fn count_denied(&self, rule: Option<(usize, &Rule)>, denial: Denial) {
        self.count(&self.denied, rule, denial, metrics::DENIED);
    }

    /// Counts a request that passes in shadow mode, and that was to be refused.
    pub(super) fn count_shadowed(&self, rule: Option<(usize, &Rule)>, denial: Denial) {
        self.count(&self.shadowed, rule, denial, metrics::SHADOWED);
    }

    fn count(&self, counters: &ByReason, rule: Option<(usize, &Rule)>, denial: Denial, name: &str) {
        let mut counters = counters.borrow_mut();
        // The first list is for requests that no rule decided.
        let place = rule.map_or(0, |(place, _)| place + 1);
        if counters.len() <= place {
            counters.resize_with(place + 1, Vec::new);
        }
        let Some(of_rule) = counters.get_mut(place) else { return };
        let known = of_rule.iter().find(|(reason, _)| *reason == denial).map(|(_, counter)| *counter);
        let counter = known.unwrap_or_else(|| {
            let reason = (metrics::REASON, denial.reason());
            let defined = match rule {
                Some((_, rule)) => {
                    self.host.define_labelled_counter(name, &[(metrics::RULE, &rule.name), reason])
                }
                None => self.host.define_labelled_counter(name, &[reason]),
            };
            let counter = Counter(defined.ok());
            of_rule.push((denial, counter));
            counter
        });
        self.add(counter, 1);
    }
}

/// Begins the log of a process with what this filter is. Other VMs of the process see that it was said.
pub(super) fn introduce(host: &impl Host) {
    let Ok(build_info) = define_build_info(host) else { return };
    if host.gauge(build_info) == Ok(0) {
        host.log(LogLevel::Info, format_args!("{FILTER}"));
        let _ = host.set_gauge(build_info, 1);
    }
}

fn define_build_info(host: &impl HostMetrics) -> Result<MetricId, HostFailed> {
    let labels = [(metrics::VERSION, VERSION), (metrics::COMMIT, COMMIT)];
    host.define_labelled_gauge(metrics::BUILD_INFO, &labels)
}

/// No tick comes any more.
impl<H: HostMetrics> Drop for Stats<H> {
    fn drop(&mut self) {
        self.tell_tallies();
    }
}
