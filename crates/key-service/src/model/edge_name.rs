//! Names of edges.

use std::fmt;

use crate::limits::edges::EDGE_NAME_LEN_MAX;

/// The name of an edge: 1 to [`EDGE_NAME_LEN_MAX`] bytes, none of them a control character, because names are
/// logged and printed. The operator chooses it, and the service believes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EdgeName(String);

/// A text that cannot be the name of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidEdgeName;

impl EdgeName {
    /// The name as the edge sent it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EdgeName {
    type Error = InvalidEdgeName;

    fn try_from(text: String) -> Result<Self, InvalidEdgeName> {
        let is_name = !text.is_empty() && text.len() <= EDGE_NAME_LEN_MAX && !text.contains(char::is_control);
        if is_name { Ok(Self(text)) } else { Err(InvalidEdgeName) }
    }
}

impl fmt::Display for InvalidEdgeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the name of an edge has 1 to {EDGE_NAME_LEN_MAX} bytes and no control characters")
    }
}

impl std::error::Error for InvalidEdgeName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_at_its_limit() {
        assert!(EdgeName::try_from("e".repeat(EDGE_NAME_LEN_MAX)).is_ok());
        assert!(EdgeName::try_from("e".repeat(EDGE_NAME_LEN_MAX + 1)).is_err());
        assert!(EdgeName::try_from(String::new()).is_err());
    }

    #[test]
    fn a_name_cannot_break_a_line() {
        for text in ["a\nb", "\0", "\u{1b}[2J"] {
            assert!(EdgeName::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }
}
