//! A number that was measured, and what it ought to be.

use anyhow::{Result, ensure};
use serde::Serialize;

use crate::samples::Samples;

/// What a number ought to be, in the unit of its figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
}

/// One line of `results.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    spread: Option<f64>,
    target: Option<Target>,
    met: Option<bool>,
}

impl Target {
    /// Whether `value` is what it ought to be.
    #[must_use]
    pub fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }

    /// The target for a person.
    #[must_use]
    pub fn in_words(self, unit: &str) -> String {
        match self {
            Self::AtMost(limit) => format!("at most {}", with_unit(limit, unit)),
            Self::AtLeast(limit) => format!("at least {}", with_unit(limit, unit)),
        }
    }
}

impl Figure {
    /// A number that was measured once: a size, or a percentile of many observations.
    #[must_use]
    pub fn new(name: impl Into<String>, unit: &'static str, value: f64) -> Self {
        Self { name: name.into(), value, unit, spread: None, target: None, met: None }
    }

    /// The median of several rounds, with their spread.
    #[must_use]
    pub fn of(name: impl Into<String>, unit: &'static str, samples: &Samples) -> Self {
        let spread = Some(samples.spread());
        Self { name: name.into(), value: samples.median(), unit, spread, target: None, met: None }
    }

    /// How many times the one median is the other. The spread is what the ratio would move by if both moved
    /// by theirs, apart.
    ///
    /// # Errors
    ///
    /// When the divisor is not above zero: it is a cost, and was lost in the noise of the machine.
    pub fn ratio(name: impl Into<String>, left: &Samples, right: &Samples) -> Result<Self> {
        let name = name.into();
        let (dividend, divisor) = (left.median(), right.median());
        ensure!(divisor > 0.0, "{name}: {divisor} is no cost; measure on a quieter machine");
        let value = dividend / divisor;
        let spread = left.spread() / divisor + right.spread() * value.abs() / divisor;
        Ok(Self { name, value, unit: "times", spread: Some(spread), target: None, met: None })
    }

    /// The same with what it ought to be.
    #[must_use]
    pub fn with_target(self, target: Target) -> Self {
        Self { target: Some(target), met: Some(target.is_met_by(self.value)), ..self }
    }

    /// What it is called: its section and what was measured, joined by slashes.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.value
    }

    /// How far half of the rounds lie from the number, if there were several.
    #[must_use]
    pub fn spread(&self) -> Option<f64> {
        self.spread
    }

    /// What it ought to be, in words, and whether it is so.
    #[must_use]
    pub fn judgement(&self) -> Option<(String, bool)> {
        Some((self.target?.in_words(self.unit), self.met?))
    }

    /// Number, spread and unit for a person.
    #[must_use]
    pub fn shown(&self) -> String {
        match self.spread {
            None => with_unit(self.value, self.unit),
            Some(spread) => with_unit_and_spread(self.value, spread, self.unit),
        }
    }
}

/// Three significant digits: the fourth is noise in everything that is measured here.
#[must_use]
pub fn rounded(value: f64) -> String {
    let places = match value.abs() {
        magnitude if magnitude >= 100.0 || magnitude == 0.0 => 0,
        magnitude if magnitude >= 10.0 => 1,
        magnitude if magnitude >= 1.0 => 2,
        _ => 3,
    };
    let digits = format!("{value:.places$}");
    let (whole, fraction) = digits.split_once('.').map_or((digits.as_str(), None), |(w, f)| (w, Some(f)));
    let grouped = in_thousands(whole);
    fraction.map_or(grouped.clone(), |fraction| format!("{grouped}.{fraction}"))
}

/// A count, to its last digit.
#[must_use]
pub fn counted(count: u64) -> String {
    in_thousands(&count.to_string())
}

/// Digits in groups of three, so that a million can be read.
fn in_thousands(digits: &str) -> String {
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        let left = digits.len() - at;
        if at > 0 && left.is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

fn with_unit(value: f64, unit: &str) -> String {
    format!("{} {unit}", rounded(value)).trim_end().to_owned()
}

fn with_unit_and_spread(value: f64, spread: f64, unit: &str) -> String {
    format!("{} ± {} {unit}", rounded(value), rounded(spread)).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_target_is_met_up_to_its_limit() {
        assert!(Target::AtMost(1.5).is_met_by(1.5) && !Target::AtMost(1.5).is_met_by(1.51));
        assert!(Target::AtLeast(10.0).is_met_by(10.0) && !Target::AtLeast(10.0).is_met_by(9.9));
    }

    #[test]
    fn a_figure_is_written_as_programs_read_it() {
        let samples = Samples::new(vec![1.0, 2.0, 4.0]).unwrap();
        let figure = Figure::of("accepted/latchkey/cpu", "µs", &samples).with_target(Target::AtMost(3.0));
        let expected = json!({
            "name": "accepted/latchkey/cpu", "value": 2.0, "unit": "µs", "spread": 1.0,
            "target": {"at_most": 3.0}, "met": true,
        });
        assert_eq!(serde_json::to_value(figure).unwrap(), expected);
        let bare = serde_json::to_value(Figure::new("size/module", "bytes", 7.0)).unwrap();
        let expected = json!({"name": "size/module", "value": 7.0, "unit": "bytes", "spread": null, "target": null, "met": null});
        assert_eq!(bare, expected);
    }

    #[test]
    fn a_ratio_is_of_medians() {
        let of = |numbers: [f64; 3]| Samples::new(numbers.to_vec()).unwrap();
        let ratio = Figure::ratio("r", &of([5.0, 6.0, 7.0]), &of([1.0, 2.0, 3.0])).unwrap();
        assert_eq!((ratio.value(), ratio.spread()), (3.0, Some(2.0)));
        assert!(Figure::ratio("r", &of([5.0, 6.0, 7.0]), &of([-1.0, 0.0, 1.0])).is_err());
    }

    #[test]
    fn people_see_three_digits() {
        let shown = [0.01234, 1.234, 12.34, 123.4, 1_234_567.0, -1234.0, 0.0].map(rounded);
        assert_eq!(shown, ["0.012", "1.23", "12.3", "123", "1 234 567", "-1 234", "0"]);
        assert_eq!([1, 2_000, 1_000_000].map(counted), ["1", "2 000", "1 000 000"]);
        assert_eq!(Figure::new("x", "", 2.0).shown(), "2.00");
        assert_eq!(Target::AtLeast(10.0).in_words("times"), "at least 10.0 times");
    }
}
