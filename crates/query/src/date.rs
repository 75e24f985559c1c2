//! Moments in a request: dates in a format, and date math on them.
//!
//! ```text
//! moment    = "now" *operation / date [ "||" *operation ]
//! operation = ( "+" / "-" ) [ digits ] unit / "/" unit
//! unit      = "y" / "M" / "w" / "d" / "h" / "H" / "m" / "s"
//! ```
//!
//! Parts that a date leaves out are filled in: with the least values for the beginning of a range, with the
//! greatest for its end, to the millisecond. `/` rounds likewise. With operations the date itself is always
//! filled with the least values (Elasticsearch, `JavaDateMathParser`).

mod format;
#[cfg(test)]
mod tests;

use jiff::civil::Weekday;
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp, Zoned};
use latchkey_elastic::ErrorCause;
use latchkey_key_feed::UnixMillis;

pub(super) use format::DateFormats;

/// Which way to fill in and to round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounding {
    /// To the beginning.
    Down,
    /// To the last millisecond.
    Up,
}

/// How moments are read and written: the formats, the time zone, and the value of `now`.
#[derive(Clone, Debug)]
pub(super) struct Calendar {
    formats: DateFormats,
    zone: TimeZone,
    now: UnixMillis,
}

impl Calendar {
    /// The formats of the date fields, in UTC.
    pub(super) fn new(now: UnixMillis) -> Self {
        Self { formats: DateFormats::of_fields(), zone: TimeZone::UTC, now }
    }

    /// The same with other formats.
    pub(super) fn with_formats(self, formats: DateFormats) -> Self {
        Self { formats, ..self }
    }

    /// The same in a time zone, which dates without an offset are in: an offset or a name such as
    /// `Europe/Oslo`.
    ///
    /// # Errors
    ///
    /// `illegal_argument_exception` when there is no such zone.
    pub(super) fn in_zone(self, name: &str) -> Result<Self, ErrorCause> {
        let zone = format::offset(name)
            .and_then(|seconds| Offset::from_seconds(seconds).ok())
            .map(TimeZone::fixed)
            .or_else(|| TimeZone::get(name).ok())
            .ok_or_else(|| ErrorCause::illegal_argument(format!("Unknown time-zone ID: {name}")))?;
        Ok(Self { zone, ..self })
    }

    /// A moment, in milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// `parse_exception` when the text is not a moment.
    pub(super) fn read(&self, text: &str, rounding: Rounding) -> Result<i64, ErrorCause> {
        if let Some(math) = text.strip_prefix("now") {
            let now = i64::try_from(self.now.0).unwrap_or(i64::MAX);
            return self.add(now, math, rounding);
        }
        match text.split_once("||") {
            Some((date, math)) => self.add(self.date(date, Rounding::Down)?, math, rounding),
            None => self.date(text, rounding),
        }
    }

    /// A moment as text.
    pub(super) fn write(&self, millis: i64) -> String {
        self.formats.write(millis, &self.zone)
    }

    fn date(&self, text: &str, rounding: Rounding) -> Result<i64, ErrorCause> {
        if text.is_empty() {
            return Err(ErrorCause::parse("cannot parse empty date"));
        }
        self.formats.read(text, rounding, &self.zone).ok_or_else(|| {
            ErrorCause::parse(format!("failed to parse date field [{text}] with format [{}]", self.formats))
        })
    }

    fn add(&self, millis: i64, math: &str, rounding: Rounding) -> Result<i64, ErrorCause> {
        if math.is_empty() {
            return Ok(millis);
        }
        let beyond = || ErrorCause::parse(format!("date math [{math}] leaves the calendar"));
        let mut moment =
            Timestamp::from_millisecond(millis).map_err(|_| beyond())?.to_zoned(self.zone.clone());
        let mut rest = math;
        while !rest.is_empty() {
            let (operation, after) = operation(rest, math)?;
            moment = operation.apply(&moment, rounding).ok_or_else(beyond)?;
            rest = after;
        }
        Ok(moment.timestamp().as_millisecond())
    }
}

/// One step of date math.
enum Operation {
    Add(i64, Unit),
    Round(Unit),
}

#[derive(Clone, Copy)]
enum Unit {
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
}

impl Operation {
    /// `None` when the result is not in the calendar.
    fn apply(&self, moment: &Zoned, rounding: Rounding) -> Option<Zoned> {
        match self {
            Self::Add(amount, unit) => moment.checked_add(unit.times(*amount)?).ok(),
            Self::Round(unit) => {
                let beginning = unit.beginning(moment)?;
                match rounding {
                    Rounding::Down => Some(beginning),
                    Rounding::Up => {
                        let next = beginning.checked_add(unit.times(1)?).ok()?;
                        next.checked_sub(Span::new().milliseconds(1)).ok()
                    }
                }
            }
        }
    }
}

impl Unit {
    fn named(name: char) -> Option<Self> {
        Some(match name {
            'y' => Self::Year,
            'M' => Self::Month,
            'w' => Self::Week,
            'd' => Self::Day,
            'h' | 'H' => Self::Hour,
            'm' => Self::Minute,
            's' => Self::Second,
            _ => return None,
        })
    }

    fn times(self, amount: i64) -> Option<Span> {
        let span = Span::new();
        match self {
            Self::Year => span.try_years(amount),
            Self::Month => span.try_months(amount),
            Self::Week => span.try_weeks(amount),
            Self::Day => span.try_days(amount),
            Self::Hour => span.try_hours(amount),
            Self::Minute => span.try_minutes(amount),
            Self::Second => span.try_seconds(amount),
        }
        .ok()
    }

    /// Weeks begin on Monday (ISO 8601).
    fn beginning(self, moment: &Zoned) -> Option<Zoned> {
        match self {
            Self::Year => moment.first_of_year().and_then(|first| first.start_of_day()),
            Self::Month => moment.first_of_month().and_then(|first| first.start_of_day()),
            Self::Week => {
                let days = moment.weekday().since(Weekday::Monday);
                moment.checked_sub(Span::new().days(days)).and_then(|monday| monday.start_of_day())
            }
            Self::Day => moment.start_of_day(),
            Self::Hour => moment.with().minute(0).second(0).subsec_nanosecond(0).build(),
            Self::Minute => moment.with().second(0).subsec_nanosecond(0).build(),
            Self::Second => moment.with().subsec_nanosecond(0).build(),
        }
        .ok()
    }
}

/// The first operation of `rest`, and what follows. `math` is the whole text, for the error.
fn operation<'a>(rest: &'a str, math: &str) -> Result<(Operation, &'a str), ErrorCause> {
    let mut chars = rest.chars();
    let operator = chars.next();
    let after_operator = chars.as_str();
    let after_digits = after_operator.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = after_operator.strip_suffix(after_digits).unwrap_or_default();
    let amount: i64 = if digits.is_empty() {
        1
    } else {
        digits.parse().map_err(|_| ErrorCause::parse(format!("number out of range in date math [{math}]")))?
    };
    let mut chars = after_digits.chars();
    let name = chars.next().ok_or_else(|| ErrorCause::parse(format!("truncated date math [{math}]")))?;
    let unit = || {
        Unit::named(name)
            .ok_or_else(|| ErrorCause::parse(format!("unit [{name}] not supported for date math [{math}]")))
    };
    let operation = match operator {
        Some('+') => Operation::Add(amount, unit()?),
        Some('-') => Operation::Add(-amount, unit()?),
        Some('/') if digits.is_empty() || amount == 1 => Operation::Round(unit()?),
        Some('/') => {
            return Err(ErrorCause::parse(format!(
                "rounding `/` can only be used on single unit types [{math}]"
            )));
        }
        _ => return Err(ErrorCause::parse(format!("operator not supported for date math [{math}]"))),
    };
    Ok((operation, chars.as_str()))
}
