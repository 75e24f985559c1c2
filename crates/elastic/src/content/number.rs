//! Numbers as Elasticsearch keeps them: whole ones to the last digit, all others as the nearest double.

use std::fmt;

use serde_json::Number;

/// Most characters of a number: the limit of Elasticsearch's JSON library (Jackson, `StreamReadConstraints`), and
/// what bounds the time that turning it into a double takes.
pub const NUMBER_LEN_MAX: usize = 1_000;

/// Why a number is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnkeptNumber {
    /// It has more characters than are allowed.
    TooLong(
        /// How many.
        usize,
    ),
    /// It is greater than every double. Elasticsearch makes `Infinity` of it, which is no number in JSON.
    OutOfRange(
        /// Its digits.
        String,
    ),
}

/// The number that a client wrote. Equal numbers have equal texts, unless one is whole and the other has a point
/// or an exponent.
///
/// # Errors
///
/// When it is too long, or not finite. The digits are those of a JSON number: what is none is out of range.
pub fn number_of(digits: &str) -> Result<Number, UnkeptNumber> {
    if digits.len() > NUMBER_LEN_MAX {
        return Err(UnkeptNumber::TooLong(digits.len()));
    }
    let out_of_range = || UnkeptNumber::OutOfRange(digits.to_owned());
    if digits == "-0" {
        return Ok(Number::from(0));
    }
    if !digits.contains(['.', 'e', 'E']) {
        return digits.parse().map_err(|_| out_of_range());
    }
    let double: f64 = digits.parse().map_err(|_| out_of_range())?;
    // Read once more, so that an exponent is written as in what comes back from the store.
    Number::from_f64(double).and_then(|number| number.as_str().parse().ok()).ok_or_else(out_of_range)
}

impl fmt::Display for UnkeptNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(len) => {
                write!(f, "Number value length ({len}) exceeds the maximum allowed ({NUMBER_LEN_MAX})")
            }
            Self::OutOfRange(digits) => write!(f, "Numeric value ({digits}) out of range"),
        }
    }
}
