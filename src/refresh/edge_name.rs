//! The name by which an operator knows a process that acknowledges what it has applied.
//!
//! Several tables may have one name; the service counts each of them ([`Instance`](super::Instance)). A
//! process that has no name of its own draws one.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::register::TableNumber;
use crate::limits::EDGE_LEN_MAX;

/// The name of this process, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EdgeName {
    /// The operator's choice, or the node id.
    Given(String),
    /// Drawn for want of a node id: another one after every restart.
    Drawn(String),
}

impl EdgeName {
    /// The configured name, else the node id, else one made of the number that was drawn for the table. A
    /// node id that the service would not take for a name, because it is too long or has control characters,
    /// is told by its digest, so that two such stay two.
    pub fn of(configured: Option<&str>, node_id: &[u8], drawn: TableNumber) -> Self {
        if let Some(configured) = configured {
            return Self::Given(configured.to_owned());
        }
        match std::str::from_utf8(node_id) {
            Ok("") => Self::Drawn(format!("unnamed-{:016x}", drawn.0)),
            Ok(id) if id.len() <= EDGE_LEN_MAX && !id.contains(char::is_control) => {
                Self::Given(id.to_owned())
            }
            _ => Self::Given(digest_of(node_id)),
        }
    }

    /// The name as it is told.
    #[must_use]
    pub fn into_text(self) -> String {
        match self {
            Self::Given(name) | Self::Drawn(name) => name,
        }
    }
}

fn digest_of(node_id: &[u8]) -> String {
    let mut name = "node-".to_owned();
    for byte in Sha256::digest(node_id) {
        // Writing to a String cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(configured: Option<&str>, node_id: &str) -> EdgeName {
        EdgeName::of(configured, node_id.as_bytes(), TableNumber(7))
    }

    #[test]
    fn the_operators_choice_goes_before_the_node_id() {
        assert_eq!(named(Some("gateway-1"), "node"), EdgeName::Given("gateway-1".to_owned()));
        assert_eq!(named(None, "node"), EdgeName::Given("node".to_owned()));
    }

    #[test]
    fn a_process_without_a_node_id_draws_a_name() {
        assert_eq!(named(None, ""), EdgeName::Drawn("unnamed-0000000000000007".to_owned()));
    }

    #[test]
    fn node_ids_that_are_no_names_stay_apart() {
        let longest = "n".repeat(EDGE_LEN_MAX);
        assert_eq!(named(None, &longest).into_text(), longest);
        let [one, other] = ["1", "2"].map(|end| named(None, &format!("{longest}{end}")).into_text());
        assert!(one != other && one.len() <= EDGE_LEN_MAX, "{one} {other}");
        assert!(named(None, "a\nb").into_text().starts_with("node-"));
    }
}
