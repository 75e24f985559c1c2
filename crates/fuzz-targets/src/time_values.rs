//! Times as people write them: durations of requests and of the filter's configuration, and dates in searches.
//!
//! The first line is the text, the second a time zone, the third a format of dates.

use std::time::Duration;

use latchkey_elastic::TimeValue;
use latchkey_filter::config::Config;
use latchkey_filter::limits::START_UP_WAIT_MAX;
use serde_json::{Value, json};

use crate::input::Input;
use crate::query::{keys, total};

/// * A duration of a request is what integers of twice the size say it is.
/// * A duration of the configuration is accepted exactly when it is digits and a unit, and within its limits.
/// * A date is one moment: each key was made at it or before, or after it, and never both.
pub fn time_values(data: &[u8]) {
    let mut input = Input::of(data);
    let mut line = || std::str::from_utf8(input.line()).ok();
    let (Some(text), Some(zone), Some(format)) = (line(), line(), line()) else { return };
    check_duration(text);
    check_setting(text);
    check_date(text, zone, format);
}

fn check_duration(text: &str) {
    let parsed = TimeValue::parse(text, "a_setting");
    let by_hand = nanos_by_hand(text);
    let Ok(parsed) = parsed else {
        assert_eq!(by_hand, None, "{text:?} is refused");
        return;
    };
    let nanos = by_hand.unwrap_or_else(|| panic!("{text:?} is accepted"));
    let seconds = nanos / 1_000_000_000;
    assert_eq!(
        i128::from(parsed.whole_seconds()),
        seconds.clamp(i64::MIN.into(), i64::MAX.into()),
        "{text:?}"
    );
    if nanos >= 0 && seconds < i64::MAX.into() {
        assert_eq!(parsed.to_duration().as_nanos() as i128, nanos, "{text:?}");
    }
    let spaced = TimeValue::parse(&format!(" {text}\t"), "a_setting");
    // For minutes, what is around them matters.
    assert!(spaced == Ok(parsed) || text.trim_end().ends_with('m'), "{text:?} with spaces is {spaced:?}");
}

/// What the text means in nanoseconds; `None` when it means nothing.
fn nanos_by_hand(text: &str) -> Option<i128> {
    let is_minutes = text.ends_with('m');
    let lowered = text.trim().to_ascii_lowercase();
    let units = [
        ("nanos", 1),
        ("micros", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
        ("d", 86_400_000_000_000_i128),
    ];
    let unit = units.into_iter().find(|(name, _)| lowered.ends_with(name) && (*name != "m" || is_minutes));
    let Some((name, nanos)) = unit else {
        let is_zero = !lowered.is_empty() && lowered.trim_matches('0').is_empty();
        let is_minus_one = lowered.starts_with('-') && lowered[1..].trim_start_matches('0') == "1";
        return if is_zero { Some(0) } else { is_minus_one.then_some(-1_000_000) };
    };
    let amount: i64 = lowered[..lowered.len() - name.len()].trim().parse().ok()?;
    (amount >= -1).then_some(i128::from(amount) * nanos)
}

fn check_setting(text: &str) {
    let config = json!({
        "key_service": {"cluster": "k", "credential": {"inline": "aWQ6c2VjcmV0"}}, "start_up_wait": text,
    });
    let parsed = Config::parse(config.to_string().as_bytes(), |_| None);
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, unit) = text.split_at(digits);
    let millis = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000_u64),
        _ => None,
    };
    let by_hand =
        millis.zip(digits.parse::<u64>().ok()).and_then(|(millis, number)| number.checked_mul(millis));
    let by_hand = by_hand.map(Duration::from_millis).filter(|wait| *wait <= START_UP_WAIT_MAX);
    assert_eq!(parsed.ok().map(|config| config.start_up_wait), by_hand, "{text:?}");
}

fn check_date(text: &str, zone: &str, format: &str) {
    let keys = keys();
    let found = |bounds: &[&str]| {
        let mut range: serde_json::Map<String, Value> =
            bounds.iter().map(|bound| ((*bound).to_owned(), json!(text))).collect();
        for (name, value) in [("time_zone", zone), ("format", format)] {
            if !value.is_empty() {
                range.insert(name.to_owned(), json!(value));
            }
        }
        total(&json!({"size": 0, "query": {"range": {"creation": range}}}).to_string(), &keys)
    };
    let all = keys.len() as u64;
    for (before, after) in [("lte", "gt"), ("lt", "gte")] {
        match (found(&[before]), found(&[after])) {
            (Some(before), Some(after)) => assert_eq!(before + after, all, "{text:?}"),
            (before, after) => assert_eq!(before, after, "{text:?} is a date for one side only"),
        }
    }
    if let (Some(at), Some(below), Some(above)) = (found(&["gte", "lte"]), found(&["lt"]), found(&["gt"])) {
        assert_eq!(at + below + above, all, "{text:?}");
    }
}
