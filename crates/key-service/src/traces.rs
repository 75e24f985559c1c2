//! Traces of requests, for a collector that speaks OTLP.
//!
//! A request is one span, below the one that its `traceparent` names (W3C Trace Context), and each commit that makes a
//! change of it durable is another one below. They tell method, route, status and the ids of the request. Neither path nor
//! query, header, body or line of the log is told: they may hold secrets.
//!
//! Nobody waits for the collector. Spans go into a queue of a fixed length, from which a thread of its own sends them; those
//! for which there is no room are dropped.

mod collector;
mod context;

use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderMap, Uri};
use opentelemetry::trace::{
    SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::EnvResourceDetector;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, Span as SdkSpan,
};
use tracing::{Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use self::collector::Collector;
use crate::limits::trace_limits::{
    LAST_SPANS_WAIT_MAX, SPANS_SEND_INTERVAL, SPANS_SEND_WAIT_MAX, SPANS_SENT_AT_ONCE_MAX, SPANS_WAITING_MAX,
};

/// The target of spans that are for traces alone, and not for the log.
pub(crate) const TARGET: &str = "traces";

/// The name of the span of a request, which is for the log too.
const REQUEST: &str = "request";

/// How the targets of our own crates begin.
const OWN_TARGETS: &str = "latchkey";

/// What the service is called in traces, unless `OTEL_RESOURCE_ATTRIBUTES` says otherwise.
const SERVICE_NAME: &str = "latchkey";

/// Where the traces of an OTLP collector are, below its URL (OTLP specification, section OTLP/HTTP).
const PATH: &str = "/v1/traces";

/// Whether this process has traces. Without them no span is made for them alone.
static IS_BEGUN: AtomicBool = AtomicBool::new(false);

/// Where traces go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceSettings {
    /// The URL of the collector.
    pub endpoint: CollectorUrl,
    /// Of which part of the requests there is a trace, where the caller has not decided that.
    pub sample_percent: u8,
}

/// The URL of a collector: `http` or `https`, without a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectorUrl(String);

/// The traces of a process.
#[derive(Debug)]
pub(crate) struct Traces(SdkTracerProvider);

/// Why there can be no traces.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoTraces {
    #[error("no client for the collector: {0}")]
    Client(#[from] collector::NoClient),
    #[error("{0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// A tracer that knows what kind a span is: a field that says so would stand in every line of the log.
struct KindTracer(SdkTracer);

impl CollectorUrl {
    /// Reads a URL.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        let is_nobody = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        (is_http && is_nobody && uri.query().is_none()).then(|| Self(text.trim_end_matches('/').to_owned()))
    }
}

impl Traces {
    /// Begins to send what is traced.
    pub(crate) fn begin(settings: &TraceSettings) -> Result<Self, NoTraces> {
        let CollectorUrl(url) = &settings.endpoint;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::at(url)?)
            .with_endpoint(format!("{url}{PATH}"))
            .with_timeout(SPANS_SEND_WAIT_MAX)
            .build()?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(SPANS_WAITING_MAX)
            .with_max_export_batch_size(SPANS_SENT_AT_ONCE_MAX)
            .with_scheduled_delay(SPANS_SEND_INTERVAL)
            .build();
        let resource = Resource::builder_empty()
            .with_attribute(KeyValue::new("service.name", SERVICE_NAME))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_detector(Box::new(EnvResourceDetector::new()))
            .build();
        let part = Sampler::TraceIdRatioBased(f64::from(settings.sample_percent) / 100.0);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
            .with_sampler(Sampler::ParentBased(Box::new(part)))
            .with_resource(resource)
            .build();
        IS_BEGUN.store(true, Ordering::Relaxed);
        Ok(Self(provider))
    }

    /// What makes spans of it.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(KindTracer(self.0.tracer(SERVICE_NAME)))
            .with_context_activation(false)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(is_traced))
    }

    /// Sends what is left, and waits for that a little.
    pub(crate) fn end(&self) {
        if let Err(error) = self.0.shutdown_with_timeout(LAST_SPANS_WAIT_MAX) {
            tracing::debug!(%error, "the last traces were not sent");
        }
    }
}

fn is_traced(metadata: &Metadata<'_>) -> bool {
    let is_request = metadata.name() == REQUEST && metadata.target().starts_with(OWN_TARGETS);
    metadata.is_span() && (is_request || is_for_traces_alone(metadata))
}

/// Whether a span is none of the log's.
pub(crate) fn is_for_traces_alone(metadata: &Metadata<'_>) -> bool {
    metadata.target() == TARGET
}

/// Lets the span of a request be below the one that its caller names.
pub(crate) fn follow_caller(span: &Span, headers: &HeaderMap) {
    if let Some(caller) = context::of(headers) {
        // Without traces there is nothing to set.
        let _ = span.set_parent(caller);
    }
}

/// Notes in the span of the current request how it was answered.
pub(crate) fn note_answer(method: &str, route: &str, status: u16) {
    let context = Span::current().context();
    let span = context.span();
    if !span.is_recording() {
        return;
    }
    span.update_name(format!("{method} {route}"));
    span.set_attribute(KeyValue::new("http.request.method", method.to_owned()));
    span.set_attribute(KeyValue::new("http.route", route.to_owned()));
    span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
    if status >= 500 {
        span.set_status(Status::error(""));
    }
}

/// The span of a commit that is part of the current request; none outside of a request, and none where nothing is
/// traced.
pub(crate) fn commit() -> Span {
    let is_traced = IS_BEGUN.load(Ordering::Relaxed) && !Span::current().is_none();
    if is_traced { tracing::info_span!(target: TARGET, "commit") } else { Span::none() }
}

impl Tracer for KindTracer {
    type Span = SdkSpan;

    fn build_with_context(&self, mut builder: SpanBuilder, parent: &Context) -> SdkSpan {
        if builder.name == REQUEST {
            builder.span_kind = Some(SpanKind::Server);
        }
        self.0.build_with_context(builder, parent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_at_a_url_that_tells_no_secret() {
        for (text, is_one) in [
            ("http://127.0.0.1:4318", true),
            ("https://collector.example/otlp/", true),
            ("http://user:secret@collector.example", false),
            ("http://collector.example/?key=secret", false),
            ("grpc://collector.example:4317", false),
            ("collector.example:4318", false),
            ("/v1/traces", false),
            ("", false),
        ] {
            assert_eq!(CollectorUrl::read(text).is_some(), is_one, "{text}");
        }
    }
}
