//! One line of the log as one JSON object: what happened, and which request it belongs to.
//!
//! ```json
//! {"timestamp":"2026-01-01T00:00:00.000000Z","level":"INFO","target":"audit","action":"create_api_key", …, "request_id":"…"}
//! ```
//!
//! The fields of an event stand beside its time, level, target and message; the fields of the spans around it
//! too, which is how every line of a request carries the request's id.

use std::error::Error;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes events as JSON. Goes with `JsonFields`, which keeps the fields of spans.
#[derive(Clone, Copy, Debug)]
pub struct JsonLines;

/// A line.
#[derive(Serialize)]
struct Line {
    timestamp: String,
    level: &'static str,
    target: &'static str,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

/// The fields of an event.
struct FieldVisitor<'a>(&'a mut Map<String, Value>);

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut all = Map::new();
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>();
            if let Some(Ok(fields)) = fields.map(|fields| serde_json::from_str::<Map<_, _>>(fields)) {
                all.extend(fields);
            }
        }
        event.record(&mut FieldVisitor(&mut all));
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let metadata = event.metadata();
        let line =
            Line { timestamp, level: metadata.level().as_str(), target: metadata.target(), fields: all };
        writeln!(writer, "{}", serde_json::to_string(&line).map_err(|_| fmt::Error)?)
    }
}

impl FieldVisitor<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for FieldVisitor<'_> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    /// With what caused it.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        self.put(field, text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io;
    use std::sync::{Arc, LazyLock, Mutex};

    use serde_json::json;
    use tracing::Dispatch;
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::fmt::format::JsonFields;

    use super::*;

    /// A subscriber that lives as long as the process. While there is only one, tracing asks the thread that
    /// comes first to a place in the code whether that is of interest, and a thread of another test, which
    /// has none, would say for all that it is not (tracing-core, `Dispatchers::rebuilder`).
    static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));

    /// What a thread logs, as JSON, at every level.
    #[derive(Clone, Default)]
    pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Log {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    impl Log {
        /// The log of this thread, for as long as the guard lives.
        pub(crate) fn begin() -> (Self, tracing::subscriber::DefaultGuard) {
            LazyLock::force(&ANOTHER);
            let log = Self::default();
            let subscriber = tracing_subscriber::fmt()
                .event_format(JsonLines)
                .fmt_fields(JsonFields::new())
                .with_max_level(tracing::Level::TRACE)
                .with_writer(log.clone())
                .finish();
            (log, tracing::subscriber::set_default(subscriber))
        }

        pub(crate) fn lines(&self) -> Vec<Value> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        }
    }

    fn lines(write: impl FnOnce()) -> Vec<Value> {
        let (log, _guard) = Log::begin();
        write();
        log.lines()
    }

    #[test]
    fn a_line_has_the_fields_of_its_event_and_of_the_spans_around() {
        let lines = lines(|| {
            let outer = tracing::error_span!("request", request_id = "r-1", absent = None::<&str>);
            outer.in_scope(|| {
                let inner = tracing::error_span!("inner", depth = 2);
                inner.in_scope(
                    || tracing::info!(target: "audit", count = 3_u64, ok = true, "two\nlines \"quoted\""),
                );
            });
            tracing::warn!("outside");
        });
        let [inside, outside] = lines.as_slice() else { panic!("{lines:?}") };
        let timestamp: jiff::Timestamp = inside["timestamp"].as_str().unwrap().parse().unwrap();
        assert!(timestamp > jiff::Timestamp::UNIX_EPOCH);
        let mut fields = inside.as_object().unwrap().clone();
        fields.remove("timestamp");
        let expected = json!({
            "level": "INFO", "target": "audit", "message": "two\nlines \"quoted\"", "count": 3, "ok": true, "depth": 2,
            "request_id": "r-1",
        });
        assert_eq!(Value::Object(fields), expected);
        assert_eq!((&outside["level"], &outside["request_id"]), (&json!("WARN"), &Value::Null));
    }

    #[test]
    fn an_error_is_written_with_what_caused_it() {
        let lines = lines(|| {
            let error = crate::store::StoreError::Unavailable("the disk is full".into());
            tracing::error!(error = &error as &dyn Error, "failed");
        });
        assert_eq!(lines[0]["error"], "the database failed: the disk is full");
    }
}
