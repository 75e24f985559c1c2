//! The text of a listing, with at most so many keys and bytes. A longer one is refused, because a list that
//! is cut short would look complete.

use latchkey_budget::Budget;
use latchkey_elastic::ErrorCause;

use crate::api::answer::text::{AnswerText, WrittenAnswer};
use crate::api::api_key::list::shown;
use crate::api::error::ApiError;
use crate::limits::{KEYS_LISTED_LEN_MAX, KEYS_LISTED_MAX};
use crate::model::stored_key::StoredKey;

/// The advice for a listing that is too long.
const FEWER: &str = "ask for fewer, for example by [name] or [username]";

/// Keys that are written one by one, so that only their text is held in memory.
pub(super) struct Listing<'e> {
    text: AnswerText<'e>,
    bounds: Bounds,
    keys: u32,
    len: usize,
    with_limited_by: bool,
}

/// How much one listing may have.
#[derive(Clone, Copy)]
struct Bounds {
    keys_max: u32,
    len_max: usize,
}

impl<'e> Listing<'e> {
    /// An empty one, which takes [`KEYS_LISTED_MAX`] keys and [`KEYS_LISTED_LEN_MAX`] bytes.
    pub(super) fn begin(with_limited_by: bool, budget: &'e mut Budget) -> Result<Self, ApiError> {
        let bounds = Bounds { keys_max: KEYS_LISTED_MAX, len_max: KEYS_LISTED_LEN_MAX };
        Self::within(bounds, with_limited_by, budget)
    }

    fn within(bounds: Bounds, with_limited_by: bool, budget: &'e mut Budget) -> Result<Self, ApiError> {
        let mut text = AnswerText::new(budget);
        text.push(r#"{"api_keys":["#)?;
        Ok(Self { text, bounds, keys: 0, len: 0, with_limited_by })
    }

    /// Adds a key.
    pub(super) fn push(&mut self, key: &StoredKey) -> Result<(), ApiError> {
        let Bounds { keys_max, len_max } = self.bounds;
        if self.keys >= keys_max {
            let reason = format!("more than {keys_max} API keys match; {FEWER}");
            return Err(ErrorCause::illegal_argument(reason).into());
        }
        self.len = self.len.saturating_add(key.written_len());
        if self.len > len_max {
            let reason = format!("the API keys that match are longer than {len_max} bytes; {FEWER}");
            return Err(ErrorCause::illegal_argument(reason).into());
        }
        if self.keys > 0 {
            self.text.push(",")?;
        }
        self.keys += 1;
        self.text.push_json(&shown(key, self.with_limited_by))
    }

    /// The answer, and whether it has any key.
    pub(super) fn finish(mut self) -> Result<(WrittenAnswer, bool), ApiError> {
        self.text.push("]}")?;
        Ok((self.text.finish(), self.keys > 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::work_limits::SEARCH_ALLOWANCE;
    use crate::store::tests::key;

    fn push_all(bounds: Bounds, keys: usize) -> Result<bool, ApiError> {
        let mut budget = Budget::alone(SEARCH_ALLOWANCE);
        let mut listing = Listing::within(bounds, false, &mut budget)?;
        for _ in 0..keys {
            listing.push(&key("k"))?;
        }
        listing.finish().map(|(_, has_keys)| has_keys)
    }

    #[test]
    fn refuses_at_one_byte_past_the_limit() {
        let len = key("k").written_len();
        let within = |len_max| Bounds { keys_max: 10, len_max };
        assert!(push_all(within(2 * len), 2).unwrap());
        let reason = push_all(within(2 * len - 1), 2).unwrap_err();
        assert!(reason.reason().starts_with("the API keys that match are longer than"), "{reason:?}");
    }

    #[test]
    fn refuses_at_one_key_past_the_limit() {
        let bounds = Bounds { keys_max: 2, len_max: usize::MAX };
        assert!(!push_all(bounds, 0).unwrap());
        assert!(push_all(bounds, 2).unwrap());
        let reason = push_all(bounds, 3).unwrap_err();
        assert!(reason.reason().starts_with("more than 2 API keys match;"), "{reason:?}");
    }
}
