//! The settings of traces.

use crate::settings::section::Section;
use crate::traces::{CollectorUrl, TraceSettings};

/// Where a collector listens on this machine (OTLP specification, section OTLP/HTTP default port).
const ENDPOINT_DEFAULT: &str = "http://127.0.0.1:4318";

/// Where traces go, if they are on.
pub(super) fn read(mut section: Section<'_>) -> Option<TraceSettings> {
    let is_on = section.flag("enabled").unwrap_or(false);
    let belongs = "must be the URL of a collector without a user, such as http://127.0.0.1:4318";
    let endpoint = section.parsed("endpoint", belongs, CollectorUrl::read);
    let endpoint = endpoint.or_else(|| CollectorUrl::read(ENDPOINT_DEFAULT));
    let sample_percent = section.number("sample_percent", 0..=100).unwrap_or(100);
    section.end();
    Some(TraceSettings { endpoint: endpoint?, sample_percent }).filter(|_| is_on)
}
