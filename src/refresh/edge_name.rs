//! The name under which a process acknowledges what it has applied.
//!
//! The key service believes a name: what one process of that name has applied, all of them have. So two processes must not share one,
//! and a process that has no name of its own draws one.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::limits::{EDGE_LEN_MAX, SWAP_TRIES_MAX};
use crate::table::{SharedNames, SharedStore};

/// The name of this process, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EdgeName {
    /// The operator's choice, or the node id.
    Given(String),
    /// Drawn for want of a node id: another one after every restart.
    Drawn(String),
}

/// A number that all VMs of this process share, and no other process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessNumber(u64);

impl EdgeName {
    /// The configured name, else the node id, else one made of a number that is drawn for the process. A node id that the service would
    /// not take for a name, because it is too long or has control characters, is told by its digest, so that two such stay two.
    pub fn of(configured: Option<&str>, node_id: &[u8], drawn: impl FnOnce() -> ProcessNumber) -> Self {
        if let Some(configured) = configured {
            return Self::Given(configured.to_owned());
        }
        match std::str::from_utf8(node_id) {
            Ok("") => Self::Drawn(format!("unnamed-{:016x}", drawn().0)),
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

impl ProcessNumber {
    /// The number of this process: `candidate` if no VM has come before.
    pub fn agree_on(store: &impl SharedStore, names: &SharedNames, candidate: u64) -> Self {
        let name = names.process_number();
        for _ in 0..SWAP_TRIES_MAX {
            let entry = store.read(&name);
            if let Ok(agreed) = entry.bytes.try_into().map(u64::from_le_bytes) {
                return Self(agreed);
            }
            if store.swap(&name, &candidate.to_le_bytes(), entry.version).is_ok() {
                break;
            }
        }
        Self(candidate)
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
    use crate::table::FeedIdentity;
    use crate::table::RecordShape;
    use crate::table::fake_store::FakeSharedData;

    fn named(configured: Option<&str>, node_id: &str) -> EdgeName {
        EdgeName::of(configured, node_id.as_bytes(), || ProcessNumber(7))
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

    #[test]
    fn the_vms_of_a_process_agree_and_those_of_two_do_not() {
        let names = SharedNames::of(&FeedIdentity::of("c", "a", "/p"), RecordShape::default());
        let (one, other) = (FakeSharedData::default(), FakeSharedData::default());
        let agreed = [3, 4, 5].map(|candidate| ProcessNumber::agree_on(&one, &names, candidate));
        assert_eq!(agreed, [ProcessNumber(3); 3]);
        assert_eq!(ProcessNumber::agree_on(&other, &names, 4), ProcessNumber(4));
    }
}
