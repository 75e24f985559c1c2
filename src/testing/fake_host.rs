//! The fake host: it records every call, and fails where it is told to.

use std::cell::{Cell, Ref, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use latchkey_key_feed::{MonotonicMillis, UnixMillis};

use super::fake_call::{HostCall, SentCall};
use super::fake_clocks::FakeClocks;
use super::fake_request::{FakeRequest, RequestState};
use super::fake_shared_data::FakeSharedData;
use crate::clock::{ClockFailed, HostClocks};
use crate::host::{Host, HostFailed, HostMetrics, HttpCall, LogLevel, MetricId, RequestId};
use crate::refresh::{CallId, PagedSink};
use crate::table::{
    Entry, EntryName, SharedEntries, SharedNames, SharedStore, Stamp, SwapLost, TableReader, Version,
};

/// Where a root context is, as its host tells it.
#[derive(Clone, Debug)]
pub struct FakePlace {
    /// The id of the proxy's node.
    pub node_id: String,
    /// The name of the namespace of shared data.
    pub vm_id: String,
    /// The random number before the first.
    pub random: u64,
}

/// One root context of one VM. Clones are the same.
#[derive(Clone)]
pub struct FakeHost(Rc<Root>);

struct Root {
    shared: FakeSharedData,
    place: FakePlace,
    is_dead: Cell<bool>,
    clocks: FakeClocks,
    calls: RefCell<Vec<HostCall>>,
    /// The call of this number fails.
    failing_call: Cell<Option<usize>>,
    /// All calls of these kinds fail.
    failing_kinds: RefCell<Vec<HostCall>>,
    requests: RefCell<BTreeMap<RequestId, RequestState>>,
    resumed: RefCell<Vec<RequestId>>,
    metrics: RefCell<Vec<(String, u64)>>,
    log: RefCell<Vec<(LogLevel, String)>>,
    sent: RefCell<Vec<SentCall>>,
    tick_periods: RefCell<Vec<Duration>>,
    declared: RefCell<Vec<String>>,
    randoms: Cell<u64>,
}

impl FakeHost {
    /// A root context in a process with that shared data, on a machine with those clocks.
    #[must_use]
    pub fn new(shared: FakeSharedData, clocks: FakeClocks) -> Self {
        let place = FakePlace { node_id: "node".to_owned(), vm_id: "vm".to_owned(), random: 7 };
        Self::in_place(shared, clocks, place)
    }

    /// The same in that place.
    #[must_use]
    pub fn in_place(shared: FakeSharedData, clocks: FakeClocks, place: FakePlace) -> Self {
        let randoms = Cell::new(place.random);
        Self(Rc::new(Root {
            shared,
            place,
            is_dead: Cell::default(),
            clocks,
            calls: RefCell::default(),
            failing_call: Cell::default(),
            failing_kinds: RefCell::default(),
            requests: RefCell::default(),
            resumed: RefCell::default(),
            metrics: RefCell::default(),
            log: RefCell::default(),
            sent: RefCell::default(),
            tick_periods: RefCell::default(),
            declared: RefCell::default(),
            randoms,
        }))
    }

    /// How many there are that hold this root context, whoever asks included.
    #[must_use]
    pub fn holders(&self) -> usize {
        Rc::strong_count(&self.0)
    }

    /// The shared data of the process.
    #[must_use]
    pub fn shared(&self) -> &FakeSharedData {
        &self.0.shared
    }

    /// The clocks of the machine.
    #[must_use]
    pub fn clocks(&self) -> &FakeClocks {
        &self.0.clocks
    }

    /// One call from now on fails: the next is number 0.
    pub fn fail_call(&self, number: usize) {
        self.0.failing_call.set(Some(self.calls() + number));
    }

    /// Every call of that kind fails from now on.
    pub fn fail_all(&self, kind: HostCall) {
        self.0.failing_kinds.borrow_mut().push(kind);
    }

    /// No call fails any more.
    pub fn mend(&self) {
        self.0.failing_call.set(None);
        self.0.failing_kinds.borrow_mut().clear();
    }

    /// The VM has ended: no call does anything from now on.
    pub fn die(&self) {
        self.0.is_dead.set(true);
    }

    /// Whether its VM has ended.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.0.is_dead.get()
    }

    /// How many calls there were.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.0.calls.borrow().len()
    }

    /// The kinds of all calls from that number on.
    #[must_use]
    pub fn calls_since(&self, number: usize) -> Vec<HostCall> {
        self.0.calls.borrow().iter().skip(number).copied().collect()
    }

    /// A request comes.
    pub fn come(&self, id: RequestId, state: RequestState) -> FakeRequest {
        self.0.requests.borrow_mut().insert(id, state);
        self.request(id)
    }

    /// A request ends.
    pub fn end(&self, id: RequestId) {
        self.0.requests.borrow_mut().remove(&id);
    }

    /// A request as the filter gets it.
    #[must_use]
    pub fn request(&self, id: RequestId) -> FakeRequest {
        FakeRequest { host: self.clone(), id }
    }

    /// What the host has of a request. A request that has ended has nothing.
    #[must_use]
    pub fn state(&self, id: RequestId) -> RequestState {
        self.0.requests.borrow().get(&id).cloned().unwrap_or_default()
    }

    /// The requests that were resumed, in order.
    #[must_use]
    pub fn resumed(&self) -> Vec<RequestId> {
        self.0.resumed.borrow().clone()
    }

    /// The value of a metric; 0 for one that was never defined.
    #[must_use]
    pub fn metric(&self, name: &str) -> u64 {
        self.0.metrics.borrow().iter().find(|(other, _)| other == name).map_or(0, |(_, value)| *value)
    }

    /// The lines of the log with that text in them.
    #[must_use]
    pub fn logged(&self, text: &str) -> Vec<LogLevel> {
        let log = self.0.log.borrow();
        log.iter().filter(|(_, line)| line.contains(text)).map(|(level, _)| *level).collect()
    }

    /// The lines of the log after the first so many.
    #[must_use]
    pub fn log_since(&self, number: usize) -> Vec<String> {
        self.0.log.borrow().iter().skip(number).map(|(_, line)| line.clone()).collect()
    }

    /// The requests that were sent, in order.
    #[must_use]
    pub fn sent(&self) -> Vec<SentCall> {
        self.0.sent.borrow().clone()
    }

    /// The same without the first of them.
    #[must_use]
    pub fn sent_since(&self, number: usize) -> Vec<SentCall> {
        self.0.sent.borrow().iter().skip(number).cloned().collect()
    }

    /// The periods of ticks that were asked for, in order.
    #[must_use]
    pub fn tick_periods(&self) -> Vec<Duration> {
        self.0.tick_periods.borrow().clone()
    }

    /// The names of filter state that were declared to be texts, in order.
    #[must_use]
    pub fn declared(&self) -> Vec<String> {
        self.0.declared.borrow().clone()
    }

    /// Records a call, and says whether it is one that fails.
    pub(super) fn call(&self, call: HostCall) -> Result<(), HostFailed> {
        let number = self.calls();
        self.0.calls.borrow_mut().push(call);
        let fails = self.0.is_dead.get()
            || self.0.failing_call.get() == Some(number)
            || self.0.failing_kinds.borrow().contains(&call);
        if fails { Err(HostFailed) } else { Ok(()) }
    }

    pub(super) fn change_request(
        &self,
        id: RequestId,
        change: impl FnOnce(&mut RequestState),
    ) -> Result<(), HostFailed> {
        self.0.requests.borrow_mut().get_mut(&id).map(change).ok_or(HostFailed)
    }

    pub(super) fn request_ref(&self, id: RequestId) -> Option<Ref<'_, RequestState>> {
        Ref::filter_map(self.0.requests.borrow(), |requests| requests.get(&id)).ok()
    }

    pub(super) fn note_resumed(&self, id: RequestId) {
        self.0.resumed.borrow_mut().push(id);
    }

    fn define(&self, name: &str) -> Result<MetricId, HostFailed> {
        self.call(HostCall::DefineMetric)?;
        let mut metrics = self.0.metrics.borrow_mut();
        let place = metrics.iter().position(|(other, _)| other == name).unwrap_or_else(|| {
            metrics.push((name.to_owned(), 0));
            metrics.len() - 1
        });
        Ok(MetricId(u32::try_from(place).map_err(|_| HostFailed)?))
    }

    fn change_metric(&self, id: MetricId, change: impl FnOnce(&mut u64)) -> Result<(), HostFailed> {
        let mut metrics = self.0.metrics.borrow_mut();
        metrics.get_mut(id.0 as usize).map(|(_, value)| change(value)).ok_or(HostFailed)
    }
}

impl HostClocks for FakeHost {
    fn wall(&self) -> Result<UnixMillis, ClockFailed> {
        self.call(HostCall::Wall).map_err(|HostFailed| ClockFailed)?;
        self.0.clocks.wall()
    }

    fn monotonic(&self) -> Result<MonotonicMillis, ClockFailed> {
        self.call(HostCall::Monotonic).map_err(|HostFailed| ClockFailed)?;
        self.0.clocks.monotonic()
    }
}

impl SharedEntries for FakeHost {
    fn read(&self, name: EntryName) -> Entry {
        match self.call(HostCall::ReadShared) {
            Ok(()) => self.0.shared.read(name),
            Err(HostFailed) => Entry { bytes: Vec::new(), version: Version::Absent },
        }
    }

    fn swap(&self, name: EntryName, bytes: &[u8], read_at: Version) -> Result<(), SwapLost> {
        self.call(HostCall::SwapShared).map_err(|HostFailed| SwapLost)?;
        self.0.shared.swap(name, bytes, read_at)
    }
}

impl SharedStore for FakeHost {
    fn stamp(&self) -> Option<Stamp> {
        self.call(HostCall::Stamp).ok()?;
        self.0.shared.stamp()
    }

    fn move_stamp(&self) {
        if !self.0.is_dead.get() {
            self.0.shared.move_stamp();
        }
    }
}

impl HostMetrics for FakeHost {
    const COUNTS_BY_TICK: bool = true;

    fn define_counter(&self, name: &str) -> Result<MetricId, HostFailed> {
        self.define(name)
    }

    fn define_gauge(&self, name: &str) -> Result<MetricId, HostFailed> {
        self.define(name)
    }

    fn gauge(&self, gauge: MetricId) -> Result<u64, HostFailed> {
        self.call(HostCall::Gauge)?;
        let metrics = self.0.metrics.borrow();
        metrics.get(gauge.0 as usize).map(|(_, value)| *value).ok_or(HostFailed)
    }

    fn add_to_counter(&self, counter: MetricId, count: u64) -> Result<(), HostFailed> {
        self.call(HostCall::AddToCounter)?;
        self.change_metric(counter, |value| *value += count)
    }

    fn set_gauge(&self, gauge: MetricId, new: u64) -> Result<(), HostFailed> {
        self.call(HostCall::SetGauge)?;
        self.change_metric(gauge, |value| *value = new)
    }
}

impl Host for FakeHost {
    type Request = FakeRequest;
    type Table = TableReader<Self>;
    type Sink = PagedSink<Self>;

    fn table(&self, names: &SharedNames) -> TableReader<Self> {
        TableReader::new(self.clone(), names.clone())
    }

    fn sink(&self, names: &SharedNames) -> PagedSink<Self> {
        PagedSink::new(self.clone(), names)
    }

    fn with_held<T>(
        &self,
        request: RequestId,
        look: impl FnOnce(&mut FakeRequest) -> T,
    ) -> Result<T, HostFailed> {
        self.call(HostCall::WithHeld)?;
        if self.request_ref(request).is_none() {
            return Err(HostFailed);
        }
        Ok(look(&mut self.request(request)))
    }

    fn send(&self, call: &HttpCall<'_>) -> Result<CallId, HostFailed> {
        self.call(HostCall::Send)?;
        let mut sent = self.0.sent.borrow_mut();
        let number = CallId(u32::try_from(sent.len() + 1).map_err(|_| HostFailed)?);
        let headers =
            call.headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (cluster, body) = (call.cluster.to_owned(), call.body.to_vec());
        sent.push(SentCall { call: number, cluster, headers, body });
        Ok(number)
    }

    fn set_tick_period(&self, period: Duration) -> Result<(), HostFailed> {
        self.call(HostCall::SetTickPeriod)?;
        self.0.tick_periods.borrow_mut().push(period);
        Ok(())
    }

    fn declare_text_state(&self, name: &str) -> Result<(), HostFailed> {
        self.call(HostCall::DeclareTextState)?;
        self.0.declared.borrow_mut().push(name.to_owned());
        Ok(())
    }

    fn random(&self) -> u64 {
        let next = self.0.randoms.get() + 1;
        self.0.randoms.set(next);
        next
    }

    fn node_id(&self) -> Result<Vec<u8>, HostFailed> {
        self.call(HostCall::NodeId)?;
        Ok(self.0.place.node_id.clone().into_bytes())
    }

    fn vm_id(&self) -> Result<Vec<u8>, HostFailed> {
        self.call(HostCall::VmId)?;
        Ok(self.0.place.vm_id.clone().into_bytes())
    }

    fn log(&self, level: LogLevel, message: fmt::Arguments<'_>) {
        self.0.log.borrow_mut().push((level, message.to_string()));
    }
}
