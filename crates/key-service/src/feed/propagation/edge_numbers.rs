//! Short numbers for edges, so that a time takes a few bytes and not a name.

use std::collections::BTreeMap;

use latchkey_edge_ledger::EdgeId;

/// Stands for an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct EdgeNumber(u32);

/// The edges that have numbers, a bounded number of them.
#[derive(Debug)]
pub(super) struct EdgeNumbers {
    numbers: BTreeMap<EdgeId, EdgeNumber>,
    edges_max: usize,
}

impl EdgeNumbers {
    pub(super) fn within(edges_max: usize) -> Self {
        Self { numbers: BTreeMap::new(), edges_max }
    }

    pub(super) fn get(&self, edge: &EdgeId) -> Option<EdgeNumber> {
        self.numbers.get(edge).copied()
    }

    /// The number of an edge, which it gets if it has none; `None` when there are no more.
    pub(super) fn get_or_add(&mut self, edge: &EdgeId) -> Option<EdgeNumber> {
        if let Some(number) = self.get(edge) {
            return Some(number);
        }
        let next = self.numbers.len();
        if next >= self.edges_max {
            return None;
        }
        let number = EdgeNumber(u32::try_from(next).ok()?);
        self.numbers.insert(edge.clone(), number);
        Some(number)
    }

    pub(super) fn clear(&mut self) {
        self.numbers.clear();
    }
}
