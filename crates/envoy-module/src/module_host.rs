//! What the rules of the filter can ask of Envoy at any time.

use std::cell::RefCell;
use std::fmt;
use std::fs::{self, File};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Read as _};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use latchkey_filter::clock::{ClockFailed, HostClocks, Moment};
use latchkey_filter::config::{CredentialPlace, FeedCredential};
use latchkey_filter::host::{Host, HostFailed, HostMetrics, HttpCall, LogLevel, MetricId, RequestId};
use latchkey_filter::limits::CREDENTIAL_FILE_LEN_MAX;
use latchkey_filter::refresh::CallId;
use latchkey_filter::table::{Entry, EntryName, SharedEntries, SharedNames, SwapLost, Version};
use latchkey_filter::usage::UsageCounter;
use latchkey_key_feed::{MonotonicMillis, UnixMillis};
use latchkey_memory_table::{MemorySink, MemoryTable, MemoryTables};

use crate::abi::{self, Level, Refused};
use crate::clocks;
use crate::plugin::Plugin;
use crate::requests::EnvoyRequest;
use crate::table_files::{self, KeptTable};
use crate::timer::TIMER;

/// Envoy, as one configuration on one thread sees it. Clones are the same.
#[derive(Clone)]
pub(crate) struct ModuleHost {
    plugin: Arc<Plugin>,
    of_thread: Rc<OfThread>,
}

#[derive(Default)]
struct OfThread {
    /// Metrics with labels, from [`LABELLED`] on.
    labelled: RefCell<Vec<Labelled>>,
    /// Calls by Envoy's number, which no other call of the configuration has, and by ours, which no other call
    /// of the process has.
    calls: RefCell<Vec<(u64, CallId)>>,
}

struct Labelled {
    family: usize,
    values: Vec<String>,
}

/// The number of the first metric with labels. Envoy numbers the others from 1.
const LABELLED: u32 = 1 << 31;

/// The tables of the process. They outlive configurations that are replaced.
static TABLES: LazyLock<MemoryTables> = LazyLock::new(MemoryTables::new);

static LAST_CALL: AtomicU32 = AtomicU32::new(0);

impl ModuleHost {
    pub(crate) fn new(plugin: Arc<Plugin>) -> Self {
        Self { plugin, of_thread: Rc::default() }
    }

    /// Keeps the key table in its file, if the configuration names one.
    ///
    /// # Errors
    ///
    /// The reason for which the configuration must be refused.
    pub(crate) fn keep_table(&self) -> Result<Option<Arc<KeptTable>>, &'static str> {
        let Some(settings) = &self.plugin.config.table_file else { return Ok(None) };
        let (Ok(wall), Ok(monotonic)) = (self.wall(), self.monotonic()) else {
            return Err("there is no clock");
        };
        let names = self.plugin.config.table_names();
        table_files::keep(&TABLES, &names, settings, Moment { wall, monotonic }).map(Some)
    }

    /// The path of the file for the credential of the feed, if it is not there or holds none.
    pub(crate) fn unreadable_credential(&self) -> Option<&str> {
        let CredentialPlace::File(path) = &self.plugin.config.key_service.credential else { return None };
        let credential = self.read_file(path).ok().and_then(|content| FeedCredential::of_file(&content));
        credential.is_none().then_some(path.as_str())
    }

    /// Our number for one metric of a family.
    fn label(&self, family: usize, labels: &[(&str, &str)]) -> Result<MetricId, HostFailed> {
        let mut labelled = self.of_thread.labelled.borrow_mut();
        let number = u32::try_from(labelled.len()).map_err(|_| HostFailed)?;
        let values = labels.iter().map(|(_, value)| (*value).to_owned()).collect();
        labelled.push(Labelled { family, values });
        Ok(MetricId(LABELLED | number))
    }

    /// Changes a metric, by Envoy's number and the values of its labels.
    fn with_labels(
        &self,
        id: u32,
        change: impl FnOnce(usize, &[String]) -> Result<(), Refused>,
    ) -> Result<(), HostFailed> {
        let changed = if id & LABELLED == 0 {
            change(id as usize, &[])
        } else {
            let labelled = self.of_thread.labelled.borrow();
            let Labelled { family, values } = labelled.get((id ^ LABELLED) as usize).ok_or(HostFailed)?;
            change(*family, values)
        };
        changed.map_err(|Refused| HostFailed)
    }

    /// Our number of a call that has ended.
    pub(crate) fn ended(&self, call: u64) -> Option<CallId> {
        let mut calls = self.of_thread.calls.borrow_mut();
        let place = calls.iter().position(|(of_envoy, _)| *of_envoy == call)?;
        Some(calls.swap_remove(place).1)
    }
}

impl HostClocks for ModuleHost {
    fn wall(&self) -> Result<UnixMillis, ClockFailed> {
        clocks::wall()
    }

    fn monotonic(&self) -> Result<MonotonicMillis, ClockFailed> {
        clocks::monotonic()
    }
}

impl HostMetrics for ModuleHost {
    fn define_counter(&self, name: &str) -> Result<MetricId, HostFailed> {
        let object = self.plugin.object().ok_or(HostFailed)?;
        metric_id(self.plugin.metric(name, || object.define_counter(name, &[])))
    }

    fn define_labelled_counter(&self, name: &str, labels: &[(&str, &str)]) -> Result<MetricId, HostFailed> {
        self.label(self.plugin.family(name, labels.len()).ok_or(HostFailed)?, labels)
    }

    fn define_gauge(&self, name: &str) -> Result<MetricId, HostFailed> {
        let object = self.plugin.object().ok_or(HostFailed)?;
        metric_id(self.plugin.metric(name, || object.define_gauge(name, &[])))
    }

    fn define_labelled_gauge(&self, name: &str, labels: &[(&str, &str)]) -> Result<MetricId, HostFailed> {
        let object = self.plugin.object().ok_or(HostFailed)?;
        let names: Vec<_> = labels.iter().map(|(label, _)| *label).collect();
        let family = self.plugin.metric(name, || object.define_gauge(name, &names));
        self.label(family.map_err(|Refused| HostFailed)?, labels)
    }

    fn add_to_counter(&self, MetricId(id): MetricId, count: u64) -> Result<(), HostFailed> {
        let object = self.plugin.object().ok_or(HostFailed)?;
        self.with_labels(id, |id, labels| object.add_to_counter(id, labels, count))
    }

    fn set_gauge(&self, MetricId(id): MetricId, value: u64) -> Result<(), HostFailed> {
        let object = self.plugin.object().ok_or(HostFailed)?;
        self.with_labels(id, |id, labels| object.set_gauge(id, labels, value))
    }
}

impl SharedEntries for ModuleHost {
    fn read(&self, name: EntryName) -> Entry {
        TABLES.entries().read(name)
    }

    fn swap(&self, name: EntryName, bytes: &[u8], read_at: Version) -> Result<(), SwapLost> {
        TABLES.entries().swap(name, bytes, read_at)
    }
}

impl Host for ModuleHost {
    type Request = EnvoyRequest;
    type Table = MemoryTable;
    type Sink = MemorySink;

    fn table(&self, names: &SharedNames) -> MemoryTable {
        TABLES.table(names)
    }

    fn sink(&self, names: &SharedNames) -> MemorySink {
        TABLES.sink(names)
    }

    /// Each request that waits is looked at by a hook of its own.
    fn with_held<T>(
        &self,
        _request: RequestId,
        _look: impl FnOnce(&mut EnvoyRequest) -> T,
    ) -> Result<T, HostFailed> {
        Err(HostFailed)
    }

    /// A regular file: reading another could wait for ever.
    fn read_file(&self, path: &str) -> Result<Vec<u8>, HostFailed> {
        let read = || {
            if !fs::metadata(path)?.is_file() {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            let mut content = Vec::new();
            File::open(path)?.take(CREDENTIAL_FILE_LEN_MAX as u64 + 1).read_to_end(&mut content)?;
            Ok::<_, io::Error>(content)
        };
        read().ok().filter(|content| content.len() <= CREDENTIAL_FILE_LEN_MAX).ok_or(HostFailed)
    }

    fn usage_counter(&self) -> Arc<UsageCounter> {
        self.plugin.new_usage_counter()
    }

    /// The root of the main thread ticks for all.
    fn collect_usage(&self, _own: &UsageCounter, collect: &mut dyn FnMut(&UsageCounter)) {
        if self.plugin.is_on_main_thread() {
            for counter in self.plugin.usage_counters().iter() {
                collect(counter);
            }
        }
    }

    fn send(&self, call: &HttpCall<'_>) -> Result<CallId, HostFailed> {
        let object = self.plugin.object().filter(|_| self.plugin.is_on_main_thread()).ok_or(HostFailed)?;
        let timeout_ms = u64::try_from(call.timeout.as_millis()).unwrap_or(u64::MAX);
        let of_envoy =
            object.call(call.cluster, call.headers, call.body, timeout_ms).map_err(|Refused| HostFailed)?;
        let id = CallId(LAST_CALL.fetch_add(1, Ordering::Relaxed));
        self.of_thread.calls.borrow_mut().push((of_envoy, id));
        Ok(id)
    }

    /// The root of the main thread ticks for all.
    fn set_tick_period(&self, period: Duration) -> Result<(), HostFailed> {
        if !self.plugin.is_on_main_thread() {
            return Err(HostFailed);
        }
        TIMER.set_period(self.plugin.id, period);
        // It changes when a load begins or ends.
        self.plugin.waiting.wake();
        Ok(())
    }

    /// It is one anyway.
    fn declare_text_state(&self, _name: &str) -> Result<(), HostFailed> {
        Ok(())
    }

    fn random(&self) -> u64 {
        // Each has keys that the system drew.
        RandomState::new().hash_one(0_u64)
    }

    /// Envoy tells it to no module.
    fn node_id(&self) -> Result<Vec<u8>, HostFailed> {
        Err(HostFailed)
    }

    /// There is one namespace: the process.
    fn vm_id(&self) -> Result<Vec<u8>, HostFailed> {
        Ok(Vec::new())
    }

    fn log(&self, level: LogLevel, message: fmt::Arguments<'_>) {
        let level = match level {
            LogLevel::Info => Level::Info,
            LogLevel::Warn => Level::Warn,
            LogLevel::Error => Level::Error,
        };
        match message.as_str() {
            Some(text) => abi::log(level, text),
            None => abi::log(level, &message.to_string()),
        }
    }
}

fn metric_id(id: Result<usize, Refused>) -> Result<MetricId, HostFailed> {
    let id = id.map_err(|Refused| HostFailed)?;
    u32::try_from(id).ok().filter(|id| id & LABELLED == 0).map(MetricId).ok_or(HostFailed)
}
