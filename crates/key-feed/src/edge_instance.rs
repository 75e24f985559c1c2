//! The identity of one table of one process.

use std::fmt::{self, Write as _};

use crate::format_limits::EDGE_INSTANCE_DIGITS;

/// The identity under which a table acknowledges: [`EDGE_INSTANCE_DIGITS`] lower-case hexadecimal digits,
/// which its process has drawn and nobody can guess.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EdgeInstance(String);

/// A text that is no identity of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidEdgeInstance;

impl EdgeInstance {
    /// Whether a text can be one.
    #[must_use]
    pub fn is(text: &str) -> bool {
        text.len() == EDGE_INSTANCE_DIGITS
            && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    }

    /// The identity as it is told.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EdgeInstance {
    type Error = InvalidEdgeInstance;

    fn try_from(text: String) -> Result<Self, InvalidEdgeInstance> {
        if Self::is(&text) { Ok(Self(text)) } else { Err(InvalidEdgeInstance) }
    }
}

/// The identity with these random bits.
impl From<[u8; EDGE_INSTANCE_DIGITS / 2]> for EdgeInstance {
    fn from(drawn: [u8; EDGE_INSTANCE_DIGITS / 2]) -> Self {
        let mut digits = String::with_capacity(EDGE_INSTANCE_DIGITS);
        push_hex(&mut digits, &drawn);
        Self(digits)
    }
}

/// Appends bytes as lower-case hexadecimal digits.
pub(crate) fn push_hex(digits: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
}

impl From<EdgeInstance> for String {
    fn from(instance: EdgeInstance) -> Self {
        instance.0
    }
}

impl fmt::Display for InvalidEdgeInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an instance is {EDGE_INSTANCE_DIGITS} lower-case hexadecimal digits")
    }
}

impl std::error::Error for InvalidEdgeInstance {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_a_number_of_lower_case_digits() {
        let drawn = EdgeInstance::from(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128.to_be_bytes());
        let text = "0123456789abcdef0123456789abcdef";
        assert_eq!(drawn.as_str(), text);
        assert_eq!(EdgeInstance::try_from(text.to_owned()), Ok(drawn));
        for wrong in ["", "0123", &text.to_uppercase(), &text.replace('0', "g"), &format!("{text}0")] {
            assert_eq!(EdgeInstance::try_from(wrong.to_owned()), Err(InvalidEdgeInstance), "{wrong}");
        }
    }
}
