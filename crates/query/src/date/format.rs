//! Formats of dates: those with a name, and patterns of letters.
//!
//! | Name | Meaning |
//! |---|---|
//! | `epoch_millis`, `epoch_second` | a number of milliseconds or seconds since 1970 |
//! | `strict_date_optional_time`, `iso8601` | `2026`, `2026-01`, `2026-01-31`, `2026-01-31T23:59:59.999Z` and what lies between |
//! | `date_optional_time` | the same, with one digit where the strict form wants two |
//! | `date_time`, `date_time_no_millis`, `date_hour_minute_second`, `date`, `year_month`, `year` | with all their digits; also with `strict_` in front |
//! | `basic_date`, `basic_date_time`, `basic_date_time_no_millis` | without separators |
//!
//! Letters of patterns: `y` or `u` year, `M` month, `d` day, `H` hour, `m` minute, `s` second, `S` fraction,
//! `X`, `x` or `Z` offset; `'…'` is literal. Names of months and days, week dates and halves of days are not
//! supported. Several formats are joined by `||`: reading tries each, writing uses the first.

use std::fmt::{self, Write as _};

use jiff::civil::{Date, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};
use latchkey_elastic::ErrorCause;

use super::Rounding;

/// The formats of the date fields (Elasticsearch, `DateFieldMapper`).
const OF_FIELDS: &str = "strict_date_optional_time||epoch_millis";

/// Longest text of a format, in bytes. Every value that is read is compared with every format in it.
const FORMAT_LEN_MAX: usize = 256;

/// Patterns that have a name.
const NAMED_PATTERNS: [(&str, &str); 9] = [
    ("basic_date", "yyyyMMdd"),
    ("basic_date_time", "yyyyMMdd'T'HHmmss.SSSXX"),
    ("basic_date_time_no_millis", "yyyyMMdd'T'HHmmssXX"),
    ("date", "yyyy-MM-dd"),
    ("date_hour_minute_second", "yyyy-MM-dd'T'HH:mm:ss"),
    ("date_time", "yyyy-MM-dd'T'HH:mm:ss.SSSXXX"),
    ("date_time_no_millis", "yyyy-MM-dd'T'HH:mm:ssXXX"),
    ("year", "yyyy"),
    ("year_month", "yyyy-MM"),
];

/// One or more formats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DateFormats {
    formats: Vec<DateFormat>,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum DateFormat {
    EpochMillis,
    EpochSecond,
    OptionalTime { digits_min: usize },
    Pattern(Vec<Piece>),
}

/// A part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Literal(char),
    Number { part: Part, digits: usize },
    Fraction { digits: usize },
    Offset { colon: bool },
}

/// A number in a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

/// What was read of a date.
#[derive(Clone, Copy, Default)]
struct DateParts {
    year: Option<i16>,
    month: Option<i8>,
    day: Option<i8>,
    hour: Option<i8>,
    minute: Option<i8>,
    second: Option<i8>,
    nanosecond: Option<i32>,
    offset_seconds: Option<i32>,
}

/// Reads a text from its front.
struct Scanner<'a>(&'a str);

impl DateFormats {
    /// The formats of the date fields.
    pub(crate) fn of_fields() -> Self {
        let formats = vec![DateFormat::OptionalTime { digits_min: 2 }, DateFormat::EpochMillis];
        Self { formats, text: OF_FIELDS.to_owned() }
    }

    /// Formats joined by `||`.
    ///
    /// # Errors
    ///
    /// `illegal_argument_exception` when one is unknown.
    pub(crate) fn parse(text: &str) -> Result<Self, ErrorCause> {
        let invalid = || ErrorCause::illegal_argument(format!("Invalid format: [{text}]"));
        if text.len() > FORMAT_LEN_MAX {
            return Err(ErrorCause::illegal_argument(format!(
                "Invalid format: longer than [{FORMAT_LEN_MAX}] bytes"
            )));
        }
        let formats: Option<Vec<DateFormat>> = text.split("||").map(DateFormat::parse).collect();
        Ok(Self { formats: formats.ok_or_else(invalid)?, text: text.to_owned() })
    }

    pub(super) fn read(&self, text: &str, rounding: Rounding, zone: &TimeZone) -> Option<i64> {
        self.formats.iter().find_map(|format| format.read(text, rounding, zone))
    }

    /// A moment outside of the years -9999 to 9999 is written as its number.
    pub(super) fn write(&self, millis: i64, zone: &TimeZone) -> String {
        let written = self.formats.first().and_then(|format| format.write(millis, zone));
        written.unwrap_or_else(|| millis.to_string())
    }
}

impl DateFormat {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "epoch_millis" => return Some(Self::EpochMillis),
            "epoch_second" => return Some(Self::EpochSecond),
            "strict_date_optional_time" | "iso8601" => return Some(Self::OptionalTime { digits_min: 2 }),
            "date_optional_time" => return Some(Self::OptionalTime { digits_min: 1 }),
            _ => {}
        }
        let name = text.strip_prefix("strict_").unwrap_or(text);
        let named = NAMED_PATTERNS.iter().find(|(known, _)| *known == name);
        pieces(named.map_or(text, |(_, pattern)| pattern)).map(Self::Pattern)
    }

    fn read(&self, text: &str, rounding: Rounding, zone: &TimeZone) -> Option<i64> {
        match self {
            Self::EpochMillis => epoch(text, 1),
            Self::EpochSecond => epoch(text, 1_000),
            Self::OptionalTime { digits_min } => optional_time(text, *digits_min)?.to_millis(rounding, zone),
            Self::Pattern(pieces) => parts(text, pieces)?.to_millis(rounding, zone),
        }
    }

    fn write(&self, millis: i64, zone: &TimeZone) -> Option<String> {
        match self {
            Self::EpochMillis => return Some(millis.to_string()),
            Self::EpochSecond => return Some(millis.div_euclid(1_000).to_string()),
            Self::OptionalTime { .. } | Self::Pattern(_) => {}
        }
        let moment = Timestamp::from_millisecond(millis).ok()?.to_zoned(zone.clone());
        let mut text = String::new();
        match self {
            Self::Pattern(pieces) => pieces.iter().for_each(|piece| piece.write(&moment, &mut text)),
            _ => {
                for piece in pieces("yyyy-MM-dd'T'HH:mm:ss.SSSXXX")? {
                    piece.write(&moment, &mut text);
                }
            }
        }
        Some(text)
    }
}

impl Piece {
    /// Writing to a `String` does not fail.
    fn write(self, moment: &Zoned, text: &mut String) {
        match self {
            Self::Literal(c) => text.push(c),
            Self::Number { part, digits } => {
                let _ = write!(text, "{:01$}", part.of(moment), digits);
            }
            Self::Fraction { digits } => {
                let nanoseconds = format!("{:09}", moment.subsec_nanosecond());
                text.push_str(nanoseconds.get(..digits).unwrap_or(&nanoseconds));
            }
            Self::Offset { colon } => {
                let seconds = moment.offset().seconds();
                if seconds == 0 {
                    text.push('Z');
                    return;
                }
                let sign = if seconds < 0 { '-' } else { '+' };
                let minutes = seconds.abs() / 60;
                let separator = if colon { ":" } else { "" };
                let _ = write!(text, "{sign}{:02}{separator}{:02}", minutes / 60, minutes % 60);
            }
        }
    }
}

impl Part {
    fn of(self, moment: &Zoned) -> i16 {
        match self {
            Self::Year => moment.year(),
            Self::Month => moment.month().into(),
            Self::Day => moment.day().into(),
            Self::Hour => moment.hour().into(),
            Self::Minute => moment.minute().into(),
            Self::Second => moment.second().into(),
        }
    }
}

impl DateParts {
    fn put(&mut self, part: Part, number: i32) -> Option<()> {
        let small = i8::try_from(number).ok();
        match part {
            Part::Year => self.year = Some(i16::try_from(number).ok()?),
            Part::Month => self.month = Some(small?),
            Part::Day => self.day = Some(small?),
            Part::Hour => self.hour = Some(small?),
            Part::Minute => self.minute = Some(small?),
            Part::Second => self.second = Some(small?),
        }
        Some(())
    }

    /// `None` when there is no such day or time of day.
    fn to_millis(self, rounding: Rounding, zone: &TimeZone) -> Option<i64> {
        let fill = |least, greatest| if rounding == Rounding::Down { least } else { greatest };
        let month = Date::new(self.year.unwrap_or(1970), self.month.unwrap_or(fill(1, 12)), 1).ok()?;
        let day = self.day.unwrap_or(fill(1, month.days_in_month()));
        let date = Date::new(month.year(), month.month(), day).ok()?;
        let time = Time::new(
            self.hour.unwrap_or(fill(0, 23)),
            self.minute.unwrap_or(fill(0, 59)),
            self.second.unwrap_or(fill(0, 59)),
            self.nanosecond.unwrap_or(if rounding == Rounding::Down { 0 } else { 999_999_999 }),
        )
        .ok()?;
        let zone = match self.offset_seconds {
            Some(seconds) => TimeZone::fixed(Offset::from_seconds(seconds).ok()?),
            None => zone.clone(),
        };
        let moment = date.to_datetime(time).to_zoned(zone).map(|moment| moment.timestamp());
        // The last day of the calendar has no moment in every zone, and its first one neither.
        let nearest = if date.year() > 0 { Timestamp::MAX } else { Timestamp::MIN };
        Some(moment.unwrap_or(nearest).as_millisecond())
    }
}

impl Scanner<'_> {
    fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    fn eat(&mut self, expected: char) -> bool {
        let rest = self.0.strip_prefix(expected);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// A number with as many digits as there are, up to `most`.
    fn number(&mut self, fewest: usize, most: usize) -> Option<i32> {
        let count = self.0.bytes().take(most).take_while(u8::is_ascii_digit).count();
        if count < fewest {
            return None;
        }
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        digits.parse().ok()
    }

    /// A fraction of a second, in nanoseconds.
    fn fraction(&mut self, fewest: usize, most: usize) -> Option<i32> {
        let before = self.0.len();
        let number = self.number(fewest, most)?;
        let digits = u32::try_from(before - self.0.len()).ok()?;
        number.checked_mul(10_i32.checked_pow(9_u32.checked_sub(digits)?)?)
    }

    /// `Z`, `+01`, `+0100` or `+01:00`, in seconds.
    fn offset(&mut self) -> Option<i32> {
        if self.eat('Z') {
            return Some(0);
        }
        let sign = if self.eat('+') {
            1
        } else if self.eat('-') {
            -1
        } else {
            return None;
        };
        let hours = self.number(2, 2)?;
        let has_minutes = self.eat(':') || !self.is_at_end();
        let minutes = if has_minutes { self.number(2, 2)? } else { 0 };
        (hours <= 18 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60)
    }
}

impl fmt::Display for DateFormats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The whole text as an offset, in seconds.
pub(super) fn offset(text: &str) -> Option<i32> {
    let mut scanner = Scanner(text);
    scanner.offset().filter(|_| scanner.is_at_end())
}

/// A whole number of `unit` milliseconds; a fraction is cut.
fn epoch(text: &str, unit: i64) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_fraction = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = whole.parse().ok().filter(|_| is_fraction && !whole.starts_with('+'))?;
    number.checked_mul(unit)
}

fn optional_time(text: &str, digits_min: usize) -> Option<DateParts> {
    let mut scanner = Scanner(text);
    let mut parts = DateParts::default();
    parts.put(Part::Year, scanner.number(if digits_min == 2 { 4 } else { 1 }, 4)?)?;
    for part in [Part::Month, Part::Day] {
        if !scanner.eat('-') {
            break;
        }
        parts.put(part, scanner.number(digits_min, 2)?)?;
    }
    if scanner.eat('T') && !scanner.is_at_end() {
        parts.put(Part::Hour, scanner.number(digits_min, 2)?)?;
        for part in [Part::Minute, Part::Second] {
            if !scanner.eat(':') {
                break;
            }
            parts.put(part, scanner.number(digits_min, 2)?)?;
        }
        if parts.second.is_some() && (scanner.eat('.') || scanner.eat(',')) {
            parts.nanosecond = Some(scanner.fraction(1, 9)?);
        }
        if !scanner.is_at_end() {
            parts.offset_seconds = Some(scanner.offset()?);
        }
    }
    scanner.is_at_end().then_some(parts)
}

fn parts(text: &str, pieces: &[Piece]) -> Option<DateParts> {
    let mut scanner = Scanner(text);
    let mut parts = DateParts::default();
    for piece in pieces {
        match *piece {
            Piece::Literal(c) => scanner.eat(c).then_some(())?,
            Piece::Number { part, digits } => {
                let most = if part == Part::Year { 4 } else { 2 };
                parts.put(part, scanner.number(digits, digits.max(most))?)?;
            }
            Piece::Fraction { digits } => parts.nanosecond = Some(scanner.fraction(digits, digits)?),
            Piece::Offset { .. } => parts.offset_seconds = Some(scanner.offset()?),
        }
    }
    scanner.is_at_end().then_some(parts)
}

/// `None` for a letter that has no meaning here.
fn pieces(pattern: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let after = rest.trim_start_matches(first);
        let count = (rest.len() - after.len()) / first.len_utf8();
        if first == '\'' {
            let (literal, after) = rest.strip_prefix('\'')?.split_once('\'')?;
            pieces.extend(literal.chars().map(Piece::Literal));
            rest = after;
            continue;
        }
        match first {
            'X' | 'x' | 'Z' => pieces.push(Piece::Offset { colon: first != 'Z' && count >= 3 }),
            'S' if count <= 9 => pieces.push(Piece::Fraction { digits: count }),
            c if !c.is_ascii_alphabetic() => pieces.extend(std::iter::repeat_n(Piece::Literal(c), count)),
            c => {
                let (part, digits_max) = match c {
                    'y' | 'u' => (Part::Year, 4),
                    'M' => (Part::Month, 2),
                    'd' => (Part::Day, 2),
                    'H' => (Part::Hour, 2),
                    'm' => (Part::Minute, 2),
                    's' => (Part::Second, 2),
                    _ => return None,
                };
                pieces.push(Piece::Number { part, digits: Some(count).filter(|n| *n <= digits_max)? });
            }
        }
        rest = after;
    }
    (!pieces.is_empty()).then_some(pieces)
}
