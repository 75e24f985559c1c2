//! The page of a result: the first hits in the order. No more hits are held than the page needs, and no more
//! than a limit of bytes.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use latchkey_budget::Budget;
use latchkey_elastic::ErrorCause;

use super::search_limits::HITS_LEN_MAX;
use super::sort::OrderedValue;
use super::{Hit, Searchable, Searched};

/// Refuses keys up to the end of a page that are longer together than one answer may be.
///
/// # Errors
///
/// `illegal_argument_exception` beyond [`HITS_LEN_MAX`].
pub fn refuse_len(len: usize) -> Result<(), ErrorCause> {
    refuse_len_of(Searched::Keys, len)
}

fn refuse_len_of(searched: Searched, len: usize) -> Result<(), ErrorCause> {
    if len <= HITS_LEN_MAX {
        return Ok(());
    }
    let found = match searched {
        Searched::Keys => "API keys",
        Searched::Roles => "roles",
        Searched::Users => "users",
    };
    Err(ErrorCause::illegal_argument(format!(
        "the {found} up to the end of the page are longer than {HITS_LEN_MAX} bytes; ask for a smaller [size] or a narrower [query]"
    )))
}

/// Keeps the first `from + size` hits of however many are offered.
pub(super) struct Page<K> {
    searched: Searched,
    from: usize,
    window: usize,
    /// The last of those kept is on top.
    kept: BinaryHeap<Candidate<K>>,
    /// The bytes of those kept.
    len: usize,
}

/// A hit, ordered by its values, then by the order of the index: creation, then id.
struct Candidate<K> {
    values: Vec<OrderedValue>,
    key: K,
    /// The bytes that it holds in memory.
    held_len: usize,
}

impl<K: Searchable> Page<K> {
    pub(super) fn new(from: usize, size: usize, searched: Searched) -> Self {
        Self { searched, from, window: from.saturating_add(size), kept: BinaryHeap::new(), len: 0 }
    }

    /// Keeps a key if it is among the first so far.
    ///
    /// # Errors
    ///
    /// `illegal_argument_exception` when the kept ones become longer than [`HITS_LEN_MAX`], or take more
    /// than the budget.
    pub(super) fn offer(
        &mut self,
        values: Vec<OrderedValue>,
        key: K,
        budget: &mut Budget,
    ) -> Result<(), ErrorCause> {
        let values_len: usize = values.iter().map(OrderedValue::held_len).sum();
        // A comparison in each level of the heap reads both texts as far as they are equal.
        let levels = self.kept.len().max(1).ilog2() as usize + 1;
        budget.spend(levels)?;
        budget.read(levels * values_len)?;
        let held_len = values_len + key.held_len();
        let candidate = Candidate { values, key, held_len };
        if self.kept.len() < self.window {
            budget.hold(held_len)?;
            self.len = self.len.saturating_add(candidate.key.written_len());
            self.kept.push(candidate);
        } else if let Some(mut last) = self.kept.peek_mut()
            && candidate < *last
        {
            budget.hold(held_len)?;
            budget.release(last.held_len);
            self.len = self.len.saturating_sub(last.key.written_len());
            self.len = self.len.saturating_add(candidate.key.written_len());
            *last = candidate;
        }
        refuse_len_of(self.searched, self.len)
    }

    /// The hits after the first `from`, in order; `show` makes the values for the answer.
    pub(super) fn into_hits(self, show: impl Fn(&[OrderedValue]) -> Vec<serde_json::Value>) -> Vec<Hit<K>> {
        let hits = self.kept.into_sorted_vec().into_iter().skip(self.from);
        hits.map(|candidate| Hit { sort_values: show(&candidate.values), key: candidate.key }).collect()
    }
}

impl<K: Searchable> Ord for Candidate<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.values
            .cmp(&other.values)
            .then_with(|| self.key.creation().cmp(&other.key.creation()))
            .then_with(|| self.key.id().cmp(other.key.id()))
    }
}

impl<K: Searchable> PartialOrd for Candidate<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Searchable> PartialEq for Candidate<K> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<K: Searchable> Eq for Candidate<K> {}
