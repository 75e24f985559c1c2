//! The limits of traces.

use std::time::Duration;

/// Most spans that wait to be sent; those beyond are dropped. OpenTelemetry's own default (`OTEL_BSP_MAX_QUEUE_SIZE`); a
/// span takes some 500 bytes.
pub(crate) const SPANS_WAITING_MAX: usize = 2_048;

/// Most spans that are sent together: OpenTelemetry's own default (`OTEL_BSP_MAX_EXPORT_BATCH_SIZE`).
pub(crate) const SPANS_SENT_AT_ONCE_MAX: usize = 512;

/// How long spans wait for others at most: OpenTelemetry's own default (`OTEL_BSP_SCHEDULE_DELAY`).
pub(crate) const SPANS_SEND_INTERVAL: Duration = Duration::from_secs(5);

/// How long a collector may take: OpenTelemetry's own default (`OTEL_EXPORTER_OTLP_TIMEOUT`).
pub(crate) const SPANS_SEND_WAIT_MAX: Duration = Duration::from_secs(10);

/// How long the end of the service waits for the last spans.
pub(crate) const LAST_SPANS_WAIT_MAX: Duration = Duration::from_secs(3);

/// Most bytes of a collector's answer, which says how many spans it has not taken.
pub(crate) const COLLECTOR_ANSWER_LEN_MAX: usize = 64 * 1024;

/// Longest `tracestate` that is passed on, in bytes: what every party should be able to (W3C Trace Context, section 3.3.1.5).
pub(crate) const TRACE_STATE_LEN_MAX: usize = 512;
