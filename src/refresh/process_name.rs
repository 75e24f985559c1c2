//! The name by which an operator knows a process of an edge.
//!
//! Several tables may share one name; the service counts each by its instance. A process without a name draws
//! a random one.

use latchkey_key_feed::EdgeName;

use super::register::TableNumber;

/// The name of this process, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessName {
    /// The operator's choice, or the node id.
    Given(EdgeName),
    /// Drawn for want of a node id: another one after every restart.
    Drawn(EdgeName),
}

impl ProcessName {
    /// The configured name, else the node id, else one made of the number that was drawn for the table.
    pub fn of(configured: Option<&EdgeName>, node_id: &[u8], drawn: TableNumber) -> Self {
        match configured {
            Some(configured) => Self::Given(configured.clone()),
            None if node_id.is_empty() => Self::Drawn(EdgeName::unnamed(drawn.0)),
            None => Self::Given(EdgeName::of_node_id(node_id)),
        }
    }

    /// The name as it is told.
    #[must_use]
    pub fn into_name(self) -> EdgeName {
        match self {
            Self::Given(name) | Self::Drawn(name) => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> EdgeName {
        EdgeName::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn the_operators_choice_goes_before_the_node_id() {
        let chosen = name("gateway-1");
        let named = |configured| ProcessName::of(configured, b"node", TableNumber(7));
        assert_eq!(named(Some(&chosen)), ProcessName::Given(chosen.clone()));
        assert_eq!(named(None), ProcessName::Given(name("node")));
    }

    #[test]
    fn a_process_without_a_node_id_draws_a_name() {
        let drawn = ProcessName::of(None, b"", TableNumber(7));
        assert_eq!(drawn, ProcessName::Drawn(name("unnamed-0000000000000007")));
    }
}
