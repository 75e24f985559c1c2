//! A key as a file says it, whatever the file is.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use latchkey_elastic::TimeValue;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

/// What a file says of a key.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) line: u64,
    /// The key, or `sha256:` and its digest.
    pub(super) key: Zeroizing<String>,
    pub(super) owner: Option<String>,
    pub(super) name: Option<String>,
    pub(super) roles: Vec<String>,
    pub(super) role_descriptors: Option<Map<String, Value>>,
    /// As the service takes it.
    pub(super) expiration: Option<Value>,
    pub(super) metadata: Option<Map<String, Value>>,
}

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli::key) struct Mistake {
    pub(in crate::cli::key) line: u64,
    pub(in crate::cli::key) problem: String,
}

/// Reads a duration from now, a day, a moment (RFC 3339) or `never`.
pub(in crate::cli::key) fn expiration(text: &str) -> Result<Value, String> {
    if text == "never" {
        return Ok(Value::Null);
    }
    if TimeValue::parse(text, "expiration").is_ok() {
        return Ok(json!(text));
    }
    let moment = text.parse::<Timestamp>().ok();
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
    let unix_ms = moment.or_else(day).and_then(|moment| u64::try_from(moment.as_millisecond()).ok());
    unix_ms.map(|unix_ms| json!(unix_ms)).ok_or_else(|| {
        "has an expiration that is neither a time from now, such as 30d, nor a moment, such as 2026-01-31T12:00:00Z or 2026-01-31, nor never"
            .to_owned()
    })
}
