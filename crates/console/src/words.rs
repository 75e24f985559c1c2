//! Moments, durations and numbers as people read them.

use std::time::Duration;

use jiff::Timestamp;
use latchkey_key_feed::UnixMillis;

/// What stands for a moment beyond the calendar.
const BEYOND_THE_CALENDAR: &str = "after the year 9999";

const UNITS: [(u64, &str); 4] = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];

/// A moment for a page: as it is, and how far from now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct When {
    /// RFC 3339, for programs and for whoever points at it.
    pub(crate) exact: String,
    /// Such as `in 3 days`.
    pub(crate) relative: String,
}

impl When {
    pub(crate) fn of(at: UnixMillis, now: UnixMillis) -> Self {
        Self { exact: date(at), relative: relative(at, now) }
    }

    /// The moment with its day and time, for people.
    pub(crate) fn utc(&self) -> String {
        match self.exact.strip_suffix('Z') {
            Some(moment) => format!("{} UTC", moment.replace('T', " ")),
            None => self.exact.clone(),
        }
    }
}

/// A moment by RFC 3339, in UTC and seconds.
pub(crate) fn date(at: UnixMillis) -> String {
    let moment = i64::try_from(at.0).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    moment.map_or_else(
        || BEYOND_THE_CALENDAR.to_owned(),
        |moment| moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

fn relative(at: UnixMillis, now: UnixMillis) -> String {
    if at > now {
        return format!("in {}", duration(at.since(now)));
    }
    match now.since(at).as_secs() {
        0 => "now".to_owned(),
        _ => format!("{} ago", duration(now.since(at))),
    }
}

/// A duration in its greatest unit, rounded down: it is never said to be longer than it is.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let unit = UNITS.iter().find(|(length, _)| seconds >= *length);
    let Some((length, unit)) = unit else { return "less than a second".to_owned() };
    counted(seconds / length, unit)
}

/// A number of things.
pub(crate) fn counted(count: u64, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", grouped(count))
}

/// A number with its digits in groups of three, by thin spaces that do not break.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_its_greatest_unit() {
        let now = UnixMillis(1_767_225_600_000);
        let at = |millis: i64| UnixMillis(now.0.checked_add_signed(millis).unwrap());
        for (millis, expected) in [
            (0, "now"),
            (-999, "now"),
            (500, "in less than a second"),
            (1_000, "in 1 second"),
            (-61_000, "1 minute ago"),
            (7_200_000, "in 2 hours"),
            (-172_800_000, "2 days ago"),
        ] {
            assert_eq!(When::of(at(millis), now).relative, expected, "{millis}");
        }
        assert_eq!(When::of(now, now).exact, "2026-01-01T00:00:00Z");
        assert_eq!(When::of(now, now).utc(), "2026-01-01 00:00:00 UTC");
        assert_eq!(date(UnixMillis(u64::MAX)), BEYOND_THE_CALENDAR);
        assert_eq!(When::of(UnixMillis(u64::MAX), now).utc(), BEYOND_THE_CALENDAR);
    }

    #[test]
    fn numbers_are_grouped() {
        let numbers = [0, 12, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "12", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]);
        assert_eq!((counted(1, "key"), counted(0, "key")), ("1 key".to_owned(), "0 keys".to_owned()));
    }
}
