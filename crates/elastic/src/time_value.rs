//! Durations as Elasticsearch writes them: `30s`, `1d`, `-1`.
//!
//! ```text
//! time-value = integer unit / "-" *"0" "1" / 1*"0"
//! unit       = "nanos" / "micros" / "ms" / "s" / "m" / "h" / "d"
//! ```
//!
//! Units may be in capitals, except `m`: `M` means months elsewhere and is refused here. Spaces around the
//! parts do not count. `-1` of any unit is allowed; it lies in the past. Anything below is refused.

use std::time::Duration;

use crate::ErrorCause;

/// A duration, in the unit it was given in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeValue {
    /// How many units; -1 or more.
    amount: i64,
    unit: TimeUnit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimeUnit {
    Nanos,
    Micros,
    Millis,
    Seconds,
    Minutes,
    Hours,
    Days,
}

/// Units and how they end a text; longer endings before those they end in.
const UNITS: [(&str, TimeUnit); 7] = [
    ("nanos", TimeUnit::Nanos),
    ("micros", TimeUnit::Micros),
    ("ms", TimeUnit::Millis),
    ("s", TimeUnit::Seconds),
    ("m", TimeUnit::Minutes),
    ("h", TimeUnit::Hours),
    ("d", TimeUnit::Days),
];

impl TimeValue {
    /// Reads a duration. `setting` is the name of the field it is for; some messages show it.
    ///
    /// # Errors
    ///
    /// `illegal_argument_exception` in Elasticsearch's words (`TimeValue#parseTimeValue`).
    pub fn parse(text: &str, setting: &str) -> Result<Self, ErrorCause> {
        let lowered = text.trim().to_ascii_lowercase();
        for (ending, unit) in UNITS {
            // Only for minutes do case and spaces matter.
            let seen = if unit == TimeUnit::Minutes { text } else { lowered.as_str() };
            if seen.ends_with(ending) {
                let digits = lowered.strip_suffix(ending).unwrap_or(&lowered).trim();
                return Self::of(digits, unit, text, setting);
            }
        }
        if is_minus_one(&lowered) {
            return Ok(Self { amount: -1, unit: TimeUnit::Millis });
        }
        if !lowered.is_empty() && lowered.bytes().all(|byte| byte == b'0') {
            return Ok(Self { amount: 0, unit: TimeUnit::Millis });
        }
        Err(ErrorCause::illegal_argument(format!(
            "failed to parse setting [{setting}] with value [{text}] as a time value: unit is missing or unrecognized"
        )))
    }

    /// The duration in whole seconds, cut towards zero, which is the unit of expirations.
    #[must_use]
    pub fn whole_seconds(self) -> i64 {
        self.unit.in_seconds(self.amount)
    }

    /// Whether it is -1, which Elasticsearch takes for "none".
    #[must_use]
    pub fn is_minus_one(self) -> bool {
        self.amount < 0
    }

    /// The duration; none at all for -1.
    #[must_use]
    pub fn to_duration(self) -> Duration {
        let amount = u64::try_from(self.amount).unwrap_or(0);
        match self.unit {
            TimeUnit::Nanos => Duration::from_nanos(amount),
            TimeUnit::Micros => Duration::from_micros(amount),
            TimeUnit::Millis => Duration::from_millis(amount),
            TimeUnit::Seconds | TimeUnit::Minutes | TimeUnit::Hours | TimeUnit::Days => {
                Duration::from_secs(u64::try_from(self.whole_seconds()).unwrap_or(0))
            }
        }
    }

    fn of(digits: &str, unit: TimeUnit, text: &str, setting: &str) -> Result<Self, ErrorCause> {
        match digits.parse::<i64>() {
            Ok(amount) if amount < -1 => Err(ErrorCause::illegal_argument(format!(
                "failed to parse setting [{setting}] with value [{text}] as a time value: negative durations are not supported"
            ))),
            Ok(amount) => Ok(Self { amount, unit }),
            Err(_) if digits.parse::<f64>().is_ok() => Err(ErrorCause::illegal_argument(format!(
                "failed to parse [{text}], fractional time values are not supported"
            ))),
            Err(_) => Err(ErrorCause::illegal_argument(format!("failed to parse [{text}]"))),
        }
    }
}

impl TimeUnit {
    /// Saturates instead of an overflow.
    fn in_seconds(self, amount: i64) -> i64 {
        match self {
            Self::Nanos => amount / 1_000_000_000,
            Self::Micros => amount / 1_000_000,
            Self::Millis => amount / 1_000,
            Self::Seconds => amount,
            Self::Minutes => amount.saturating_mul(60),
            Self::Hours => amount.saturating_mul(60 * 60),
            Self::Days => amount.saturating_mul(24 * 60 * 60),
        }
    }
}

/// `-1`, `-01`, `-001`, …
fn is_minus_one(text: &str) -> bool {
    text.strip_prefix('-').is_some_and(|digits| digits.trim_start_matches('0') == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations_in_whole_seconds() {
        // Elasticsearch, `TimeValue#parseTimeValue`, cut to whole seconds: text, seconds.
        let rows = [
            ("10s", 10),
            ("10S", 10),
            (" 10 s ", 10),
            ("5m", 300),
            ("2h", 7_200),
            ("1d", 86_400),
            ("1D", 86_400),
            ("500ms", 0),
            ("1999ms", 1),
            ("7000000micros", 7),
            ("3000000000nanos", 3),
            ("0", 0),
            ("000", 0),
            ("-1", 0),
            ("-1s", -1),
            ("9223372036854775807d", i64::MAX),
        ];
        for (text, seconds) in rows {
            assert_eq!(TimeValue::parse(text, "expiration").unwrap().whole_seconds(), seconds, "{text}");
        }
    }

    #[test]
    fn refuses_in_the_words_of_elasticsearch() {
        // Elasticsearch, `TimeValue#parseTimeValue`: text, reason.
        let unit = |text| {
            format!(
                "failed to parse setting [expiration] with value [{text}] as a time value: unit is missing or unrecognized"
            )
        };
        let negative = |text| {
            format!(
                "failed to parse setting [expiration] with value [{text}] as a time value: negative durations are not supported"
            )
        };
        let rows = [
            ("10", unit("10")),
            ("1w", unit("1w")),
            ("1M", unit("1M")),
            ("", unit("")),
            ("-2", unit("-2")),
            ("-5s", negative("-5s")),
            ("1.5d", "failed to parse [1.5d], fractional time values are not supported".to_owned()),
            ("s", "failed to parse [s]".to_owned()),
            ("xd", "failed to parse [xd]".to_owned()),
            (
                "9223372036854775808d",
                "failed to parse [9223372036854775808d], fractional time values are not supported".to_owned(),
            ),
        ];
        for (text, reason) in rows {
            assert_eq!(TimeValue::parse(text, "expiration").unwrap_err().reason(), reason, "{text}");
        }
    }

    #[test]
    fn converts_to_a_duration_without_overflow() {
        let duration = |text| TimeValue::parse(text, "wait").unwrap().to_duration();
        assert_eq!(duration("30s"), Duration::from_secs(30));
        assert_eq!(duration("1500ms"), Duration::from_millis(1_500));
        assert_eq!(duration("-1"), Duration::ZERO);
        assert_eq!(duration("9223372036854775807d"), Duration::from_secs(i64::MAX as u64));
    }
}
