//! The host's metrics.

use std::cell::RefCell;

use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

use crate::denial::Denial;
use crate::metrics;

/// Every metric of the filter. Counters are the process's, whichever VM counts; a gauge shows the last value any VM set.
pub(super) struct Stats {
    pub(super) admitted: Counter,
    pub(super) admitted_stale: Counter,
    pub(super) passed_without_key: Counter,
    pub(super) waited: Counter,
    pub(super) feed_polls: Counter,
    pub(super) feed_failures: Counter,
    pub(super) feed_loads: Counter,
    pub(super) feed_resets: Counter,
    pub(super) feed_rows: Counter,
    pub(super) feed_rows_set_aside: Counter,
    pub(super) feed_follower: Gauge,
    pub(super) credential_ended: Gauge,
    pub(super) table_age_ms: Gauge,
    pub(super) table_cursor: Gauge,
    pub(super) table_generation: Gauge,
    pub(super) table_keys: Gauge,
    /// By reason, from the first time it happened in this VM.
    denied: RefCell<Vec<(Denial, Counter)>>,
}

/// A number that only grows. One that the host would not define counts nothing.
#[derive(Clone, Copy)]
pub(super) struct Counter(Option<u32>);

/// A number that comes and goes.
#[derive(Clone, Copy)]
pub(super) struct Gauge(Option<u32>);

impl Stats {
    pub(super) fn define() -> Self {
        Self {
            admitted: Counter::define(metrics::ADMITTED),
            admitted_stale: Counter::define(metrics::ADMITTED_STALE),
            passed_without_key: Counter::define(metrics::PASSED_WITHOUT_KEY),
            waited: Counter::define(metrics::WAITED),
            feed_polls: Counter::define(metrics::FEED_POLLS),
            feed_failures: Counter::define(metrics::FEED_FAILURES),
            feed_loads: Counter::define(metrics::FEED_LOADS),
            feed_resets: Counter::define(metrics::FEED_RESETS),
            feed_rows: Counter::define(metrics::FEED_ROWS),
            feed_rows_set_aside: Counter::define(metrics::FEED_ROWS_SET_ASIDE),
            feed_follower: Gauge::define(metrics::FEED_FOLLOWER),
            credential_ended: Gauge::define(metrics::FEED_CREDENTIAL_ENDED),
            table_age_ms: Gauge::define(metrics::TABLE_AGE_MS),
            table_cursor: Gauge::define(metrics::TABLE_CURSOR),
            table_generation: Gauge::define(metrics::TABLE_GENERATION),
            table_keys: Gauge::define(metrics::TABLE_KEYS),
            denied: RefCell::new(Vec::new()),
        }
    }

    pub(super) fn count_denied(&self, denial: Denial) {
        let mut denied = self.denied.borrow_mut();
        let known = denied.iter().find(|(reason, _)| *reason == denial).map(|(_, counter)| *counter);
        let counter = known.unwrap_or_else(|| {
            let counter = Counter::define(&metrics::denied(denial));
            denied.push((denial, counter));
            counter
        });
        counter.add(1);
    }
}

impl Counter {
    fn define(name: &str) -> Self {
        Self(hostcalls::define_metric(MetricType::Counter, name).ok())
    }

    pub(super) fn add(self, count: usize) {
        // The host refuses to add nothing to a counter.
        if let (Some(id), Ok(count @ 1..)) = (self.0, i64::try_from(count)) {
            let _ = hostcalls::increment_metric(id, count);
        }
    }
}

impl Gauge {
    fn define(name: &str) -> Self {
        Self(hostcalls::define_metric(MetricType::Gauge, name).ok())
    }

    pub(super) fn set(self, value: u64) {
        if let Some(id) = self.0 {
            let _ = hostcalls::record_metric(id, value);
        }
    }
}
