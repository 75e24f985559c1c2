use super::*;

/// 2026-03-29T00:30:00.500Z, a Sunday; half an hour later clocks go forward in Oslo.
const NOW: UnixMillis = UnixMillis(1_774_744_200_500);

/// A moment as it is read, written in full.
fn read(calendar: &Calendar, text: &str, rounding: Rounding) -> Option<String> {
    let millis = calendar.read(text, rounding).ok()?;
    let formats = DateFormats::parse("strict_date_optional_time").unwrap();
    Some(calendar.clone().with_formats(formats).write(millis))
}

#[test]
fn the_last_year_of_the_calendar_ends_with_the_calendar() {
    let calendar = Calendar::new(NOW);
    let read = |text, rounding| calendar.read(text, rounding).unwrap();
    let last = Timestamp::MAX.as_millisecond();
    // It was taken for so many milliseconds since 1970.
    assert_eq!((read("9999", Rounding::Up), read("9999-12-31", Rounding::Down)), (last, last));
    assert_eq!(calendar.write(read("9999", Rounding::Down)), "9999-01-01T00:00:00.000Z");
}

#[test]
fn dates_are_filled_in_both_ways() {
    let calendar = Calendar::new(NOW);
    // Text, beginning, end.
    let rows = [
        ("2026", Some(("2026-01-01T00:00:00.000Z", "2026-12-31T23:59:59.999Z"))),
        ("2024-02", Some(("2024-02-01T00:00:00.000Z", "2024-02-29T23:59:59.999Z"))),
        ("2026-01-15", Some(("2026-01-15T00:00:00.000Z", "2026-01-15T23:59:59.999Z"))),
        ("2026-01-15T", Some(("2026-01-15T00:00:00.000Z", "2026-01-15T23:59:59.999Z"))),
        ("2026-01-15T12", Some(("2026-01-15T12:00:00.000Z", "2026-01-15T12:59:59.999Z"))),
        ("2026-01-15T12:30", Some(("2026-01-15T12:30:00.000Z", "2026-01-15T12:30:59.999Z"))),
        ("2026-01-15T12:30:15", Some(("2026-01-15T12:30:15.000Z", "2026-01-15T12:30:15.999Z"))),
        ("2026-01-15T12:30:15.5Z", Some(("2026-01-15T12:30:15.500Z", "2026-01-15T12:30:15.500Z"))),
        (
            "2026-01-15T12:30:15,123456789+01:30",
            Some(("2026-01-15T11:00:15.123Z", "2026-01-15T11:00:15.123Z")),
        ),
        ("2026-01-15T12-05", Some(("2026-01-15T17:00:00.000Z", "2026-01-15T17:59:59.999Z"))),
        ("1700000000000", Some(("2023-11-14T22:13:20.000Z", "2023-11-14T22:13:20.000Z"))),
        ("-1", Some(("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"))),
        ("1700000000000.7", Some(("2023-11-14T22:13:20.000Z", "2023-11-14T22:13:20.000Z"))),
        ("2026-1", None), // Strict: two digits.
        ("2026-13", None),
        ("2026-02-29", None),
        ("2026-01-15T24", None),
        ("2026-01-15 12:00", None),
        ("2026-01-15T12:30:15.Z", None),
        ("+1", None),
        ("", None),
        ("soon", None),
    ];
    for (text, expected) in rows {
        let found = read(&calendar, text, Rounding::Down).zip(read(&calendar, text, Rounding::Up));
        let expected = expected.map(|(first, last)| (first.to_owned(), last.to_owned()));
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn date_math_adds_and_rounds() {
    let calendar = Calendar::new(NOW);
    // Text, rounded down, rounded up.
    let rows = [
        ("now", "2026-03-29T00:30:00.500Z", "2026-03-29T00:30:00.500Z"),
        ("now-1d", "2026-03-28T00:30:00.500Z", "2026-03-28T00:30:00.500Z"),
        ("now+d", "2026-03-30T00:30:00.500Z", "2026-03-30T00:30:00.500Z"),
        ("now-1M", "2026-02-28T00:30:00.500Z", "2026-02-28T00:30:00.500Z"), // There is no 29th.
        ("now/d", "2026-03-29T00:00:00.000Z", "2026-03-29T23:59:59.999Z"),
        ("now/w", "2026-03-23T00:00:00.000Z", "2026-03-29T23:59:59.999Z"),
        ("now/M", "2026-03-01T00:00:00.000Z", "2026-03-31T23:59:59.999Z"),
        ("now/y", "2026-01-01T00:00:00.000Z", "2026-12-31T23:59:59.999Z"),
        ("now/H", "2026-03-29T00:00:00.000Z", "2026-03-29T00:59:59.999Z"),
        ("now/m", "2026-03-29T00:30:00.000Z", "2026-03-29T00:30:59.999Z"),
        ("now/s", "2026-03-29T00:30:00.000Z", "2026-03-29T00:30:00.999Z"),
        ("now-1y/y+2w", "2025-01-15T00:00:00.000Z", "2026-01-14T23:59:59.999Z"),
        ("2026-01||+1M", "2026-02-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z"),
        ("2026-01-15T12||/M", "2026-01-01T00:00:00.000Z", "2026-01-31T23:59:59.999Z"),
        ("1700000000000||-13s", "2023-11-14T22:13:07.000Z", "2023-11-14T22:13:07.000Z"),
        ("2026||", "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z"),
    ];
    for (text, down, up) in rows {
        assert_eq!(read(&calendar, text, Rounding::Down).as_deref(), Some(down), "{text}");
        assert_eq!(read(&calendar, text, Rounding::Up).as_deref(), Some(up), "{text}");
    }
}

#[test]
fn refuses_bad_date_math() {
    let rows = [
        ("now*1d", "operator not supported for date math [*1d]"),
        ("now+1x", "unit [x] not supported for date math [+1x]"),
        ("now+1", "truncated date math [+1]"),
        ("now/", "truncated date math [/]"),
        ("now/2d", "rounding `/` can only be used on single unit types [/2d]"),
        ("now+99999999999999999999d", "number out of range in date math [+99999999999999999999d]"),
        ("now+99999y", "date math [+99999y] leaves the calendar"),
        ("99999999999999999||+1d", "date math [+1d] leaves the calendar"),
        ("||+1d", "cannot parse empty date"),
    ];
    for (text, reason) in rows {
        let error = Calendar::new(NOW).read(text, Rounding::Down).unwrap_err();
        assert_eq!(error.reason(), reason, "{text}");
    }
}

#[test]
fn a_time_zone_shifts_dates_and_rounding() {
    let oslo = Calendar::new(NOW).in_zone("Europe/Oslo").unwrap();
    // That day has 23 hours there.
    assert_eq!(oslo.read("now/d", Rounding::Down), Ok(1_774_738_800_000));
    assert_eq!(oslo.read("now/d", Rounding::Up), Ok(1_774_738_800_000 + 23 * 3_600_000 - 1));
    assert_eq!(oslo.read("2026-01-15", Rounding::Down), Ok(1_768_431_600_000));
    assert_eq!(oslo.read("2026-01-15T00:00Z", Rounding::Down), Ok(1_768_435_200_000));
    assert_eq!(oslo.write(1_768_431_600_000), "2026-01-15T00:00:00.000+01:00");
    for (zone, offset_hours) in [("UTC", 0), ("Z", 0), ("-03:30", 0), ("+02", 2), ("+0200", 2)] {
        let calendar = Calendar::new(NOW).in_zone(zone).unwrap();
        let read = calendar.read("2026-01-15", Rounding::Down).unwrap();
        let expected = if zone == "-03:30" { -12_600_000 } else { offset_hours * 3_600_000 };
        assert_eq!(1_768_435_200_000 - read, expected, "{zone}");
    }
    assert_eq!(
        Calendar::new(NOW).in_zone("Mars/Olympus").unwrap_err().reason(),
        "Unknown time-zone ID: Mars/Olympus"
    );
}

#[test]
fn formats_read_what_they_write() {
    let millis = 1_768_480_215_123;
    // Format, text, what is read again when the format leaves something out.
    let rows = [
        ("epoch_millis", "1768480215123", millis),
        ("epoch_second", "1768480215", 1_768_480_215_000),
        ("strict_date_optional_time", "2026-01-15T12:30:15.123Z", millis),
        ("iso8601", "2026-01-15T12:30:15.123Z", millis),
        ("date_optional_time||epoch_millis", "2026-01-15T12:30:15.123Z", millis),
        ("strict_date_time", "2026-01-15T12:30:15.123Z", millis),
        ("date_time_no_millis", "2026-01-15T12:30:15Z", 1_768_480_215_000),
        ("basic_date_time", "20260115T123015.123Z", millis),
        ("strict_date", "2026-01-15", 1_768_435_200_000),
        ("year_month", "2026-01", 1_767_225_600_000),
        ("year", "2026", 1_767_225_600_000),
        ("d/M/uuuu 'at' H:mm:ss,SS", "15/1/2026 at 12:30:15,12", 1_768_480_215_120),
        ("yyyyMMddHHmmZ", "202601151230Z", 1_768_480_200_000),
    ];
    for (format, text, again) in rows {
        let calendar = Calendar::new(NOW).with_formats(DateFormats::parse(format).unwrap());
        assert_eq!(calendar.write(millis), text, "{format}");
        assert_eq!(calendar.read(text, Rounding::Down), Ok(again), "{format}");
    }
    for format in ["", "nonsense", "yyyyy", "hh", "EEE", "'open", "yyyy||", "SSSSSSSSSS"] {
        let error = DateFormats::parse(format).unwrap_err();
        assert_eq!(error.reason(), format!("Invalid format: [{format}]"));
    }
    assert!(DateFormats::parse(&"-".repeat(256)).is_ok());
    assert!(DateFormats::parse(&"-".repeat(257)).is_err());
}

#[test]
fn a_moment_beyond_the_calendar_is_written_as_its_number() {
    assert_eq!(Calendar::new(NOW).write(i64::MAX), "9223372036854775807");
    assert_eq!(Calendar::new(NOW).read("9223372036854775807", Rounding::Up), Ok(i64::MAX));
}
