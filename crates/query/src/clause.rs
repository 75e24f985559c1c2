//! Queries, and which keys they match.
//!
//! Nothing is scored: a query only says yes or no.

use std::collections::HashSet;
use std::ops::{Bound, RangeBounds};

use latchkey_budget::{Budget, BudgetExceeded};

use super::Searchable;
use super::field::{DateField, Field, FlagField, TextField};
use super::wildcard::WildcardPattern;

/// A query.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Query {
    /// A combination of others.
    Bool(Box<BoolQuery>),
    /// Keys with a moment in one of these ranges.
    Date(DateField, DateRanges),
    /// Every key.
    Everything,
    /// Keys with any value in the field.
    Exists(Field),
    /// Keys with one of these ids.
    Ids(HashSet<String>),
    /// Those of which this is so, or is not.
    Flag(FlagField, bool),
    /// No key.
    Nothing,
    /// Keys with a text that passes the test.
    Text(TextField, TextTest),
}

/// Ranges of moments in milliseconds since 1970, both ends included, in ascending order and without overlaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DateRanges(Vec<(i64, i64)>);

/// A combination of queries.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct BoolQuery {
    /// All of these match; `must` and `filter` differ only in scores.
    pub(super) must: Vec<Query>,
    /// None of these matches.
    pub(super) must_not: Vec<Query>,
    /// At least so many of `should` match.
    pub(super) should_min: usize,
    /// At least `should_min` of these match.
    pub(super) should: Vec<Query>,
}

/// What a text is compared with.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TextTest {
    /// It is at most so many edits away.
    Near { text: String, edits: usize },
    /// It is one of these.
    OneOf(HashSet<String>),
    /// It begins so.
    Prefix(String),
    /// It lies between these in the order of its bytes.
    Range(Bound<String>, Bound<String>),
    /// It is of this pattern.
    Wildcard(WildcardPattern),
    /// In lower case it passes the test.
    InLowerCase(Box<Self>),
}

impl Query {
    /// Matches where one of these does.
    pub(super) fn any_of(mut queries: Vec<Self>) -> Self {
        match queries.len() {
            0 => Self::Nothing,
            1 => queries.pop().unwrap_or(Self::Nothing),
            _ => Self::Bool(Box::new(BoolQuery { should: queries, should_min: 1, ..BoolQuery::default() })),
        }
    }

    /// Matches where this one does not.
    pub(super) fn not(self) -> Self {
        Self::Bool(Box::new(BoolQuery { must_not: vec![self], ..BoolQuery::default() }))
    }

    /// Whether it looks at some field of this kind.
    pub(super) fn reads(&self, is_meant: fn(&Field) -> bool) -> bool {
        match self {
            Self::Bool(query) => {
                let parts = [&query.must, &query.must_not, &query.should];
                parts.into_iter().flatten().any(|part| part.reads(is_meant))
            }
            Self::Date(field, _) => is_meant(&Field::Date(*field)),
            Self::Exists(field) => is_meant(field),
            Self::Text(field, _) => is_meant(&Field::Text(field.clone())),
            Self::Everything | Self::Flag(..) | Self::Ids(_) | Self::Nothing => false,
        }
    }

    /// Whether a key matches. Recursion ends where reading refused to nest deeper.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`] when that takes more than the budget.
    pub(super) fn matches<K: Searchable + ?Sized>(
        &self,
        key: &K,
        budget: &mut Budget,
    ) -> Result<bool, BudgetExceeded> {
        budget.spend(1)?;
        Ok(match self {
            Self::Bool(query) => return query.matches(key, budget),
            Self::Date(field, ranges) => field.of(key).is_some_and(|moment| ranges.contain(moment)),
            Self::Everything => true,
            Self::Exists(field) => return field.exists(key, budget),
            Self::Ids(ids) => ids.contains(key.id()),
            Self::Flag(field, value) => field.of(key) == *value,
            Self::Nothing => false,
            Self::Text(field, test) => {
                return field.any(key, budget, &mut |text, budget| test.passes(text, budget));
            }
        })
    }
}

impl DateRanges {
    /// The moments that lie in some of these ranges.
    pub(super) fn new(mut ranges: Vec<(i64, i64)>) -> Self {
        ranges.retain(|(from, to)| from <= to);
        ranges.sort_unstable();
        ranges.dedup_by(|next, last| {
            let overlaps = next.0 <= last.1;
            if overlaps {
                last.1 = last.1.max(next.1);
            }
            overlaps
        });
        Self(ranges)
    }

    /// The ranges.
    pub(super) fn as_slice(&self) -> &[(i64, i64)] {
        &self.0
    }

    fn contain(&self, moment: i64) -> bool {
        let first_open = self.0.partition_point(|(_, to)| *to < moment);
        self.0.get(first_open).is_some_and(|(from, _)| *from <= moment)
    }
}

impl BoolQuery {
    fn matches<K: Searchable + ?Sized>(&self, key: &K, budget: &mut Budget) -> Result<bool, BudgetExceeded> {
        for query in &self.must {
            if !query.matches(key, budget)? {
                return Ok(false);
            }
        }
        for query in &self.must_not {
            if query.matches(key, budget)? {
                return Ok(false);
            }
        }
        let mut missing = self.should_min;
        for query in &self.should {
            if missing == 0 {
                break;
            }
            missing -= usize::from(query.matches(key, budget)?);
        }
        Ok(missing == 0)
    }
}

impl TextTest {
    /// The test for this one text.
    pub(super) fn equals(text: String) -> Self {
        Self::OneOf(HashSet::from([text]))
    }

    fn passes(&self, text: &str, budget: &mut Budget) -> Result<bool, BudgetExceeded> {
        budget.read(text.len())?;
        Ok(match self {
            Self::Near { text: expected, edits } => {
                // An edit changes the length by one character at most, of four bytes at most.
                if text.len().abs_diff(expected.len()) > 4 * edits {
                    return Ok(false);
                }
                budget.spend(text.len() * expected.len())?;
                strsim::osa_distance(text, expected) <= *edits
            }
            Self::OneOf(texts) => texts.contains(text),
            Self::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Self::Range(from, to) => {
                let range = (from.as_ref().map(String::as_str), to.as_ref().map(String::as_str));
                RangeBounds::<&str>::contains(&range, &text)
            }
            Self::Wildcard(pattern) => return pattern.matches(text, budget),
            Self::InLowerCase(test) => {
                budget.spend(text.len())?;
                return test.passes(&text.to_lowercase(), budget);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_overlap_become_one() {
        let ranges = DateRanges::new(vec![(5, 9), (1, 3), (3, 4), (20, 10), (6, 7), (i64::MAX, i64::MAX)]);
        assert_eq!(ranges, DateRanges(vec![(1, 4), (5, 9), (i64::MAX, i64::MAX)]));
        let inside: Vec<i64> = (-1..12).filter(|moment| ranges.contain(*moment)).collect();
        assert_eq!(inside, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert!(ranges.contain(i64::MAX));
        assert!(!DateRanges::new(Vec::new()).contain(0));
    }
}
