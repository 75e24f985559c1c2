//! What goes to stderr: the audit log as lines of JSON, everything else as lines for people, or all of it as
//! JSON.
//!
//! A command that a person runs writes no audit log there, unless all of it is JSON: what it changes is a row
//! of the store, which `latchkey audit` shows.

use std::io;
use std::panic;

use clap::ValueEnum;
use tracing::{Dispatch, Metadata, Subscriber};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::audit;
use crate::log_line::JsonLines;
use crate::traces::{self, Traces};

/// How the targets of our own crates begin.
const OWN_TARGETS: &str = "latchkey";

/// How much to log. The audit log is written at every level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// What a line that is not of the audit log looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    Text,
    /// An object of JSON, as the lines of the audit log are.
    Json,
}

/// Who reads what goes to stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// Something that collects the log of a service.
    Collector,
    /// Somebody who has run a command.
    Person,
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Logging {
    pub(super) level: Level,
    pub(super) format: LogFormat,
    pub(super) audience: Audience,
}

impl Logging {
    /// Logs from here on, and makes traces if there are any.
    pub(super) fn begin(self, traces: Option<&Traces>) {
        self.subscriber(traces).init();
        if self.format == LogFormat::Json {
            // Even this is a line of the log then.
            panic::set_hook(Box::new(|panicked| tracing::error!("{panicked}")));
        }
    }

    /// Logs as long as this is done, before it is known whether there are traces.
    pub(super) fn during<T>(self, work: impl FnOnce() -> T) -> T {
        tracing::dispatcher::with_default(&self.subscriber(None), work)
    }

    fn subscriber(self, traces: Option<&Traces>) -> Dispatch {
        let Self { level, format, audience } = self;
        let has_audit_log = audience == Audience::Collector || format == LogFormat::Json;
        let audit_log = has_audit_log.then(|| {
            // The span of a request has its id, which the line of the audit log carries.
            json_lines()
                .with_filter(filter_fn(|metadata| is_span_of_log(metadata) || is_of_audit_log(metadata)))
        });
        let rest = match format {
            LogFormat::Text => fmt::layer().with_ansi(false).with_writer(io::stderr).boxed(),
            LogFormat::Json => json_lines().boxed(),
        };
        let rest = rest.with_filter(LevelFilter::from(level)).with_filter(filter_fn(move |metadata| {
            is_span_of_log(metadata)
                || (!metadata.is_span() && !is_of_audit_log(metadata) && is_wanted(metadata, level))
        }));
        tracing_subscriber::registry().with(audit_log).with(rest).with(traces.map(Traces::layer)).into()
    }
}

fn json_lines<S>() -> fmt::Layer<S, JsonFields, JsonLines, fn() -> io::Stderr>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fmt::layer().event_format(JsonLines).fmt_fields(JsonFields::new()).with_writer(io::stderr)
}

fn is_span_of_log(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && !traces::is_for_traces_alone(metadata)
}

fn is_of_audit_log(metadata: &Metadata<'_>) -> bool {
    metadata.target() == audit::TARGET
}

/// What other crates say in detail, such as each statement of SQL, is for level trace alone.
fn is_wanted(metadata: &Metadata<'_>, level: Level) -> bool {
    level == Level::Trace
        || *metadata.level() <= tracing::Level::INFO
        || metadata.target().starts_with(OWN_TARGETS)
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
            Level::Trace => Self::TRACE,
        }
    }
}
