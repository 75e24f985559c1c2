//! Durations as an operator writes them: an integer and a unit, `30s`.

use std::time::Duration;

use latchkey_key_feed::whole_millis;

/// The units, the largest first: what one is called, and its milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// What such a text is, in words.
pub(super) const WORDS: &str = "an integer and one of the units ms, s, m, h, d, such as \"30s\"";

/// Reads a duration; `None` when the text is no such thing, or means more than can be counted.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let digits = text.len() - text.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, millis) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(millis).map(Duration::from_millis)
}

/// Writes a duration in the largest unit that divides its milliseconds.
pub(super) fn write(duration: Duration) -> String {
    let millis = whole_millis(duration);
    let (unit, factor) = UNITS
        .into_iter()
        .find(|(_, factor)| millis > 0 && millis.is_multiple_of(*factor))
        .unwrap_or(("s", 1_000));
    [&(millis / factor).to_string(), unit].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_unit() {
        for (text, millis) in
            [("0s", 0), ("250ms", 250), ("5s", 5_000), ("1m", 60_000), ("2h", 7_200_000), ("1d", 86_400_000)]
        {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn refuses_what_could_be_read_in_two_ways() {
        for text in ["", "5", "s", "-5s", "+5s", "5 s", " 5s", "5s ", "5S", "1.5s", "1m30s", "5sec", "٥s"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn refuses_more_than_can_be_counted() {
        assert_eq!(parse("18446744073709551615ms"), Some(Duration::from_millis(u64::MAX)));
        assert_eq!(parse("18446744073709551616ms"), None);
        assert_eq!(parse("213503982335d"), None);
    }

    #[test]
    fn writes_what_it_reads() {
        for text in ["0s", "100ms", "1500ms", "20s", "1m", "90s", "5m", "1h", "365d"] {
            assert_eq!(parse(text).map(write).as_deref(), Some(text));
        }
    }
}
