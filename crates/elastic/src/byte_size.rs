//! Sizes as Elasticsearch writes them: `512kb`, `1mb`, `0`.
//!
//! ```text
//! byte-size = 1*digit unit / "0"
//! unit      = "b" / "k" / "kb" / "m" / "mb" / "g" / "gb"
//! ```
//!
//! Units may be in capitals, and count in powers of 1024 (Elasticsearch, `ByteSizeValue`). Fractions, which are
//! deprecated there, and larger units are not taken.

/// Units and how they end a text; longer endings before those they end in.
const UNITS: [(&str, u64); 7] = [
    ("kb", 1 << 10),
    ("mb", 1 << 20),
    ("gb", 1 << 30),
    ("k", 1 << 10),
    ("m", 1 << 20),
    ("g", 1 << 30),
    ("b", 1),
];

/// The bytes that a text says; `None` for what is no size.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let lowered = text.trim().to_ascii_lowercase();
    if lowered == "0" {
        return Some(0);
    }
    let (digits, unit) =
        UNITS.iter().find_map(|(ending, unit)| Some((lowered.strip_suffix(ending)?.trim(), unit)))?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse::<u64>().ok().filter(|_| is_number)?.checked_mul(*unit)
}

/// A size as Elasticsearch shows it: in the largest unit of which there is at least one, with one digit behind
/// the point, which is cut, not rounded, and left out when it is zero.
#[must_use]
pub fn shown(bytes: u64) -> String {
    let units = UNITS.iter().filter(|(ending, _)| ending.ends_with('b')).rev().skip(1);
    let (ending, unit) = units.copied().find(|(_, unit)| bytes >= *unit).unwrap_or(("b", 1));
    match (bytes % unit * 10) / unit {
        0 => format!("{}{ending}", bytes / unit),
        tenths => format!("{}.{tenths}{ending}", bytes / unit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_largest_unit_with_a_digit_behind_the_point() {
        // Elasticsearch, `ByteSizeValue#toString` and `Strings#format1Decimals`.
        for (bytes, expected) in [
            (0, "0b"),
            (1_023, "1023b"),
            (1_024, "1kb"),
            (1_048_576, "1mb"),
            (1_572_864, "1.5mb"),
            (2_097_151, "1.9mb"),
            (3_221_225_472, "3gb"),
        ] {
            assert_eq!(shown(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn reads_whole_numbers_with_a_unit() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1b", Some(1)),
            ("64kb", Some(65_536)),
            ("64K", Some(65_536)),
            (" 1 MB ", Some(1_048_576)),
            ("2g", Some(2_147_483_648)),
            ("1", None),
            ("", None),
            ("kb", None),
            ("-1b", None),
            ("+1b", None),
            ("1.5mb", None),
            ("1tb", None),
            ("1mib", None),
            ("99999999999999999999b", None),
            ("18014398509481985kb", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
