//! One configuration, as all threads share it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use latchkey_filter::config::Config;
use latchkey_filter::metrics;
use latchkey_filter::usage::UsageCounter;

use crate::abi::ConfigObject;
use crate::waiting::Waiting;

/// One configuration that was accepted.
pub(crate) struct Plugin {
    /// A number that no other configuration of the process has.
    pub(crate) id: u64,
    pub(crate) config: Arc<Config>,
    pub(crate) waiting: Waiting,
    /// Whether a tick is on its way to the main thread.
    pub(crate) tick_is_due: AtomicBool,
    object: ConfigObject,
    main_thread: ThreadId,
    is_live: AtomicBool,
    /// Numbers of metrics by name. All are defined while the configuration is made; Envoy takes none later.
    metrics: Mutex<BTreeMap<String, usize>>,
    /// Numbers of counters with labels, by name and number of labels.
    families: BTreeMap<(&'static str, usize), usize>,
    /// What each thread counts of the uses of keys. A thread locks only its own.
    usage: Mutex<Vec<Arc<UsageCounter>>>,
}

static LAST_ID: AtomicU64 = AtomicU64::new(0);

/// What is counted by labels, and what this shell alone counts.
const FAMILIES: [(&str, &[&str]); 5] = [
    (metrics::FAULTS, &[]),
    (metrics::DENIED, &[metrics::REASON]),
    (metrics::DENIED, &[metrics::RULE, metrics::REASON]),
    (metrics::SHADOWED, &[metrics::REASON]),
    (metrics::SHADOWED, &[metrics::RULE, metrics::REASON]),
];

impl Plugin {
    /// Made on the main thread, by the hook that makes a configuration.
    pub(crate) fn new(object: ConfigObject, config: Config) -> Arc<Self> {
        let families = FAMILIES.into_iter().filter_map(|(name, labels)| {
            Some(((name, labels.len()), object.define_counter(name, labels).ok()?))
        });
        Arc::new(Self {
            id: LAST_ID.fetch_add(1, Ordering::Relaxed),
            config: Arc::new(config),
            waiting: Waiting::default(),
            tick_is_due: AtomicBool::new(false),
            object,
            main_thread: thread::current().id(),
            is_live: AtomicBool::new(true),
            metrics: Mutex::default(),
            families: families.collect(),
            usage: Mutex::default(),
        })
    }

    /// What counts the uses of keys on a thread that begins.
    pub(crate) fn new_usage_counter(&self) -> Arc<UsageCounter> {
        let counter = Arc::default();
        self.usage_counters().push(Arc::clone(&counter));
        counter
    }

    /// All that count, those of threads that have ended too.
    pub(crate) fn usage_counters(&self) -> MutexGuard<'_, Vec<Arc<UsageCounter>>> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Envoy's object, while it is there.
    pub(crate) fn object(&self) -> Option<ConfigObject> {
        self.is_live().then_some(self.object)
    }

    /// Whether Envoy still has it.
    pub(crate) fn is_live(&self) -> bool {
        self.is_live.load(Ordering::Acquire)
    }

    /// Envoy gives it up.
    pub(crate) fn end(&self) {
        self.is_live.store(false, Ordering::Release);
    }

    pub(crate) fn is_on_main_thread(&self) -> bool {
        thread::current().id() == self.main_thread
    }

    /// The number of a metric, which `define` gives it where it has none yet.
    pub(crate) fn metric<E>(
        &self,
        name: &str,
        define: impl FnOnce() -> Result<usize, E>,
    ) -> Result<usize, E> {
        let mut metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = metrics.get(name) {
            return Ok(*id);
        }
        let id = define()?;
        metrics.insert(name.to_owned(), id);
        Ok(id)
    }

    /// Counts faults. Where Envoy has no counter for them, the log alone tells.
    pub(crate) fn count_faults(&self, faults: u64) {
        if let Some((object, counter)) = self.object().zip(self.family(metrics::FAULTS, 0)) {
            let _ = object.add_to_counter(counter, &[], faults);
        }
    }

    /// The number of a counter with so many labels.
    pub(crate) fn family(&self, name: &str, labels: usize) -> Option<usize> {
        let of_name = self.families.iter().find(|((other, len), _)| *other == name && *len == labels)?;
        Some(*of_name.1)
    }
}
