//! The two kinds of hosts: VMs that share data, as the Wasm filter has them, and threads that share memory, as
//! the native module has them.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use latchkey_filter::clock::{ClockFailed, HostClocks};
use latchkey_filter::host::{Host, HostFailed, HostMetrics, HttpCall, LogLevel, MetricId, RequestId};
use latchkey_filter::refresh::CallId;
use latchkey_filter::table::{Entry, EntryName, SharedEntries, SharedNames, SwapLost, Version};
use latchkey_filter::testing::{FakeClocks, FakeHost, FakePlace, FakeRequest, FakeSharedData};
use latchkey_key_feed::{MonotonicMillis, UnixMillis};
use latchkey_memory_table::{FileTrouble, MemorySink, MemoryTable, MemoryTables, TableFile};

use crate::disk;

/// Something else that happens in the middle of a call.
pub(crate) type Meanwhile = Box<dyn FnOnce()>;

/// A host whose process is simulated.
pub trait SimHost: Host<Request = FakeRequest> + 'static {
    /// What the VMs of one `vm_id` share, or the threads of the process.
    type Shared: Clone + Default;

    /// What it is called.
    const NAME: &'static str;

    /// Whether the threads that serve requests follow the feed too, and have VMs that can trap.
    const HAS_VMS: bool;

    /// A root context.
    fn new(shared: &Self::Shared, clocks: FakeClocks, place: FakePlace) -> Self;

    /// What records its calls.
    fn fake(&self) -> &FakeHost;

    /// The file of a table of a process; `None` where tables are kept in no file.
    fn file(
        shared: &Self::Shared,
        names: &SharedNames,
        path: &Path,
    ) -> Option<Result<TableFile, FileTrouble>>;

    /// Lets something else happen before each of the next calls of shared data.
    fn interleave(shared: &Self::Shared, steps: Vec<Meanwhile>);

    /// What of that has not happened yet, and will not.
    fn take_interleaved(shared: &Self::Shared) -> Vec<Meanwhile>;

    /// How many entries there are in shared data.
    fn entries(shared: &Self::Shared) -> usize;
}

impl SimHost for FakeHost {
    type Shared = FakeSharedData;

    const NAME: &'static str = "pages";
    const HAS_VMS: bool = true;

    fn new(shared: &FakeSharedData, clocks: FakeClocks, place: FakePlace) -> Self {
        Self::in_place(shared.clone(), clocks, place)
    }

    fn fake(&self) -> &FakeHost {
        self
    }

    fn file(_: &FakeSharedData, _: &SharedNames, _: &Path) -> Option<Result<TableFile, FileTrouble>> {
        None
    }

    fn interleave(shared: &FakeSharedData, steps: Vec<Meanwhile>) {
        shared.meanwhile(steps);
    }

    fn take_interleaved(shared: &FakeSharedData) -> Vec<Meanwhile> {
        shared.take_meanwhile()
    }

    fn entries(shared: &FakeSharedData) -> usize {
        shared.names().len()
    }
}

/// The host of the native module: the table in plain memory.
#[derive(Clone)]
pub struct ThreadHost {
    fake: FakeHost,
    tables: MemoryTables,
}

impl SimHost for ThreadHost {
    type Shared = MemoryTables;

    const NAME: &'static str = "memory";
    const HAS_VMS: bool = false;

    fn new(shared: &MemoryTables, clocks: FakeClocks, place: FakePlace) -> Self {
        let fake = FakeHost::in_place(FakeSharedData::default(), clocks, place);
        Self { fake, tables: shared.clone() }
    }

    fn fake(&self) -> &FakeHost {
        &self.fake
    }

    fn file(
        shared: &MemoryTables,
        names: &SharedNames,
        path: &Path,
    ) -> Option<Result<TableFile, FileTrouble>> {
        Some(shared.file(names, path, disk::moment))
    }

    /// All of it happens after the call: readers take no lock, and only one thread writes.
    fn interleave(_shared: &MemoryTables, _steps: Vec<Meanwhile>) {}

    fn take_interleaved(_shared: &MemoryTables) -> Vec<Meanwhile> {
        Vec::new()
    }

    fn entries(_shared: &MemoryTables) -> usize {
        0
    }
}

impl HostClocks for ThreadHost {
    fn wall(&self) -> Result<UnixMillis, ClockFailed> {
        self.fake.wall()
    }

    fn monotonic(&self) -> Result<MonotonicMillis, ClockFailed> {
        self.fake.monotonic()
    }
}

impl SharedEntries for ThreadHost {
    fn read(&self, name: EntryName) -> Entry {
        let absent = || Entry { bytes: Vec::new(), version: Version::Absent };
        if self.fake.is_dead() { absent() } else { self.tables.entries().read(name) }
    }

    fn swap(&self, name: EntryName, bytes: &[u8], read_at: Version) -> Result<(), SwapLost> {
        if self.fake.is_dead() { Err(SwapLost) } else { self.tables.entries().swap(name, bytes, read_at) }
    }
}

impl HostMetrics for ThreadHost {
    fn define_counter(&self, name: &str) -> Result<MetricId, HostFailed> {
        self.fake.define_counter(name)
    }

    fn define_gauge(&self, name: &str) -> Result<MetricId, HostFailed> {
        self.fake.define_gauge(name)
    }

    fn add_to_counter(&self, counter: MetricId, count: u64) -> Result<(), HostFailed> {
        self.fake.add_to_counter(counter, count)
    }

    fn set_gauge(&self, gauge: MetricId, value: u64) -> Result<(), HostFailed> {
        self.fake.set_gauge(gauge, value)
    }
}

impl Host for ThreadHost {
    type Request = FakeRequest;
    type Table = MemoryTable;
    type Sink = MemorySink;

    fn table(&self, names: &SharedNames) -> MemoryTable {
        self.tables.table(names)
    }

    fn sink(&self, names: &SharedNames) -> MemorySink {
        self.tables.sink(names)
    }

    fn with_held<T>(
        &self,
        request: RequestId,
        look: impl FnOnce(&mut FakeRequest) -> T,
    ) -> Result<T, HostFailed> {
        self.fake.with_held(request, look)
    }

    fn send(&self, call: &HttpCall<'_>) -> Result<CallId, HostFailed> {
        self.fake.send(call)
    }

    fn set_tick_period(&self, period: Duration) -> Result<(), HostFailed> {
        self.fake.set_tick_period(period)
    }

    fn declare_text_state(&self, name: &str) -> Result<(), HostFailed> {
        self.fake.declare_text_state(name)
    }

    fn random(&self) -> u64 {
        self.fake.random()
    }

    fn node_id(&self) -> Result<Vec<u8>, HostFailed> {
        self.fake.node_id()
    }

    /// There is none.
    fn vm_id(&self) -> Result<Vec<u8>, HostFailed> {
        Ok(Vec::new())
    }

    fn log(&self, level: LogLevel, message: fmt::Arguments<'_>) {
        self.fake.log(level, message);
    }
}
