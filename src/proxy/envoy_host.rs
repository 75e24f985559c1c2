//! What one root context can ask of Envoy at any time.

use std::fmt;
use std::time::Duration;

use latchkey_key_feed::{MonotonicMillis, UnixMillis};

use super::abi::{self, Metric};
use super::requests::EnvoyRequest;
use super::shared_data;
use crate::clock::{ClockFailed, HostClocks};
use crate::headers::HeaderPairs;
use crate::host::{Host, HostFailed, HostMetrics, HttpCall, LogLevel, MetricId, RequestId};
use crate::refresh::{CallId, PagedSink};
use crate::table::{SharedNames, TableReader};

/// Envoy, as one root context sees it.
#[derive(Clone, Copy)]
pub(super) struct EnvoyHost {
    pub(super) root_context: u32,
    /// The gauge that is the change stamp, unless the host would not define it.
    pub(super) stamp: Option<u32>,
}

const NANOS_PER_MILLI: u64 = 1_000_000;

/// Where the id of Envoy's node is: Envoy 1.39 knows it by its attribute `xds.node`, other hosts by the older
/// `node`.
const NODE_ID_PROPERTIES: [&str; 2] = ["xds\0node\0id", "node\0id"];

impl EnvoyHost {
    pub(super) fn new(root_context: u32) -> Self {
        shared_data::with_stamp(Self { root_context, stamp: None })
    }
}

impl HostClocks for EnvoyHost {
    fn wall(&self) -> Result<UnixMillis, ClockFailed> {
        let nanos = abi::wall_clock_nanos().map_err(|HostFailed| ClockFailed)?;
        Ok(UnixMillis(nanos / NANOS_PER_MILLI))
    }

    fn monotonic(&self) -> Result<MonotonicMillis, ClockFailed> {
        let nanos = abi::monotonic_nanos().map_err(|HostFailed| ClockFailed)?;
        Ok(MonotonicMillis(nanos / NANOS_PER_MILLI))
    }
}

impl HostMetrics for EnvoyHost {
    const COUNTS_BY_TICK: bool = true;

    fn define_counter(&self, name: &str) -> Result<MetricId, HostFailed> {
        abi::define_metric(Metric::Counter, name).map(MetricId)
    }

    fn define_gauge(&self, name: &str) -> Result<MetricId, HostFailed> {
        abi::define_metric(Metric::Gauge, name).map(MetricId)
    }

    fn gauge(&self, gauge: MetricId) -> Result<u64, HostFailed> {
        abi::metric(gauge.0)
    }

    fn add_to_counter(&self, counter: MetricId, count: u64) -> Result<(), HostFailed> {
        abi::increment_metric(counter.0, i64::try_from(count).map_err(|_| HostFailed)?)
    }

    fn set_gauge(&self, gauge: MetricId, value: u64) -> Result<(), HostFailed> {
        abi::record_metric(gauge.0, value)
    }
}

impl Host for EnvoyHost {
    type Request = EnvoyRequest;
    type Table = TableReader<Self>;
    type Sink = PagedSink<Self>;

    fn table(&self, names: &SharedNames) -> TableReader<Self> {
        TableReader::new(*self, names.clone())
    }

    fn sink(&self, names: &SharedNames) -> PagedSink<Self> {
        PagedSink::new(*self, names)
    }

    fn with_held<T>(
        &self,
        request: RequestId,
        look: impl FnOnce(&mut Self::Request) -> T,
    ) -> Result<T, HostFailed> {
        // If the host no longer knows the request, another one is still current and must not be touched.
        abi::set_effective_context(request.0)?;
        let looked = look(&mut EnvoyRequest);
        // The root context exists while its callback runs, so this does not fail.
        let _ = abi::set_effective_context(self.root_context);
        Ok(looked)
    }

    fn send(&self, call: &HttpCall<'_>) -> Result<CallId, HostFailed> {
        let headers: HeaderPairs = call.headers.iter().copied().collect();
        let timeout_ms = u32::try_from(call.timeout.as_millis()).unwrap_or(u32::MAX);
        abi::http_call(call.cluster, &headers, call.body, timeout_ms).map(CallId)
    }

    fn set_tick_period(&self, period: Duration) -> Result<(), HostFailed> {
        abi::set_tick_period(u32::try_from(period.as_millis()).unwrap_or(u32::MAX))
    }

    /// Without it the state is mere bytes, which equal no text in CEL.
    fn declare_text_state(&self, name: &str) -> Result<(), HostFailed> {
        // `DeclarePropertyArguments` of Envoy (source/extensions/common/wasm/declare_property.proto): `name`
        // is field 1, `type` field 3, and its value 1 is a text. What is left out is as it is without
        // declaration: written as often as one likes, and gone with the stream. Longer lengths are written in
        // several bytes.
        let len = u8::try_from(name.len()).ok().filter(|len| *len < 0x80).ok_or(HostFailed)?;
        let arguments = [&[0x0A, len], name.as_bytes(), &[0x18, 1]].concat();
        abi::call_foreign_function("declare_property", &arguments).map(drop)
    }

    fn random(&self) -> u64 {
        abi::random()
    }

    fn node_id(&self) -> Result<Vec<u8>, HostFailed> {
        NODE_ID_PROPERTIES.iter().find_map(|path| abi::property(path).ok()).ok_or(HostFailed)
    }

    fn vm_id(&self) -> Result<Vec<u8>, HostFailed> {
        abi::property("plugin_vm_id")
    }

    fn log(&self, level: LogLevel, message: fmt::Arguments<'_>) {
        let level = match level {
            LogLevel::Info => 2,
            LogLevel::Warn => 3,
            LogLevel::Error => 4,
        };
        match message.as_str() {
            Some(text) => abi::log(level, text),
            None => abi::log(level, &message.to_string()),
        }
    }
}
