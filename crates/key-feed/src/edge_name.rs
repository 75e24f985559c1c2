//! Names of edges.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::edge_instance::push_hex;
use crate::format_limits::EDGE_NAME_LEN_MAX;

/// The name of an edge: 1 to [`EDGE_NAME_LEN_MAX`] bytes, none of them a control character, because names are
/// logged and printed. The operator chooses it, and the service believes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeName(String);

/// A text that cannot be the name of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidEdgeName;

impl EdgeName {
    /// The name of a process that has a node id. A node id that is too long or has control characters becomes
    /// its digest, so that two different node ids stay different.
    #[must_use]
    pub fn of_node_id(node_id: &[u8]) -> Self {
        let text = std::str::from_utf8(node_id).ok().filter(|text| is_name(text));
        Self(text.map_or_else(|| digest_of(node_id), str::to_owned))
    }

    /// A name for a process that nobody has named.
    #[must_use]
    pub fn unnamed(drawn: u64) -> Self {
        Self(format!("unnamed-{drawn:016x}"))
    }

    /// The name as the edge sent it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= EDGE_NAME_LEN_MAX && !text.contains(char::is_control)
}

fn digest_of(node_id: &[u8]) -> String {
    let mut name = "node-".to_owned();
    push_hex(&mut name, &Sha256::digest(node_id));
    name
}

impl TryFrom<String> for EdgeName {
    type Error = InvalidEdgeName;

    fn try_from(text: String) -> Result<Self, InvalidEdgeName> {
        if is_name(&text) { Ok(Self(text)) } else { Err(InvalidEdgeName) }
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
    fn node_ids_that_are_no_names_stay_apart() {
        let longest = "n".repeat(EDGE_NAME_LEN_MAX);
        assert_eq!(EdgeName::of_node_id(longest.as_bytes()).as_str(), longest);
        let [one, other] = ["1", "2"].map(|end| EdgeName::of_node_id(format!("{longest}{end}").as_bytes()));
        assert!(one != other && one.as_str().len() <= EDGE_NAME_LEN_MAX, "{one:?} {other:?}");
        for no_name in [b"a\nb".as_slice(), b"\xff", b""] {
            assert!(EdgeName::of_node_id(no_name).as_str().starts_with("node-"), "{no_name:?}");
        }
    }

    #[test]
    fn a_name_cannot_break_a_line() {
        for text in ["a\nb", "\0", "\u{1b}[2J"] {
            assert!(EdgeName::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }
}
