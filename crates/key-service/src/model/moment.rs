//! Moments as people write and read them.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use latchkey_elastic::TimeValue;
use latchkey_key_feed::UnixMillis;

/// A moment, or a time before now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Ago(Duration),
    At(UnixMillis),
}

impl Moment {
    /// Reads a duration, a date or a moment (RFC 3339).
    pub(crate) fn parse(argument: &str) -> Result<Self, String> {
        if let Ok(ago) = TimeValue::parse(argument, "time") {
            return Ok(Self::Ago(ago.to_duration()));
        }
        let moment = argument.parse::<Timestamp>().ok();
        let day = || argument.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
        let unix_ms = moment.or_else(day).and_then(|moment| u64::try_from(moment.as_millisecond()).ok());
        unix_ms.map(|unix_ms| Self::At(UnixMillis(unix_ms))).ok_or_else(|| {
            "must be a time ago, such as 12h or 30d, or a moment, such as 2026-01-31T12:00:00Z or 2026-01-31"
                .to_owned()
        })
    }

    pub(crate) fn at(self, now: UnixMillis) -> UnixMillis {
        match self {
            Self::Ago(ago) => now.minus(ago),
            Self::At(moment) => moment,
        }
    }
}

/// What stands for a moment beyond the calendar.
const BEYOND_THE_CALENDAR: &str = "after the year 9999";

/// A moment, in milliseconds since 1970, as a date and time of day in UTC.
pub(crate) fn date(unix_ms: u64) -> String {
    let moment = i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    moment.map_or_else(
        || BEYOND_THE_CALENDAR.to_owned(),
        |moment| moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_ago_days_and_moments() {
        let now = UnixMillis(1_767_225_600_000);
        for (argument, expected) in [
            ("1h", Some(1_767_222_000_000)),
            ("2d", Some(1_767_052_800_000)),
            ("2026-01-01", Some(1_767_225_600_000)),
            ("2026-01-01T01:00:00+01:00", Some(1_767_225_600_000)),
            ("2026-01-01T00:00:01.5Z", Some(1_767_225_601_500)),
            ("yesterday", None),
            ("30", None),
            ("1969-12-31", None),
            ("", None),
        ] {
            let read = Moment::parse(argument).ok().map(|moment| moment.at(now).0);
            assert_eq!(read, expected, "{argument}");
        }
    }
}
