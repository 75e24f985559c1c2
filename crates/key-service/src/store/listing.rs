//! Keys that are held together for one answer: only so many, and of only so many bytes.

use crate::limits::{KEYS_LISTED_LEN_MAX, KEYS_LISTED_MAX};
use crate::store::{StoreError, StoredKey};

/// Keys as they come out of the store, within both limits.
#[derive(Debug)]
pub struct Listing {
    keys: Vec<StoredKey>,
    keys_max: u32,
    len: usize,
    len_max: usize,
}

impl Default for Listing {
    /// An empty one, which takes [`KEYS_LISTED_MAX`] keys and [`KEYS_LISTED_LEN_MAX`] bytes.
    fn default() -> Self {
        Self::within(KEYS_LISTED_MAX, KEYS_LISTED_LEN_MAX)
    }
}

impl Listing {
    fn within(keys_max: u32, len_max: usize) -> Self {
        Self { keys: Vec::new(), keys_max, len: 0, len_max }
    }

    /// Adds a key.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooManyKeys`] or [`StoreError::KeysTooLong`] when it goes beyond a limit: a list cut short would look complete.
    pub fn push(&mut self, key: StoredKey) -> Result<(), StoreError> {
        if self.keys.len() >= self.keys_max as usize {
            return Err(StoreError::TooManyKeys { keys_max: self.keys_max });
        }
        self.len = self.len.saturating_add(key.written_len());
        if self.len > self.len_max {
            return Err(StoreError::KeysTooLong { len_max: self.len_max });
        }
        self.keys.push(key);
        Ok(())
    }

    /// The keys, in the order in which they were added.
    #[must_use]
    pub fn into_keys(self) -> Vec<StoredKey> {
        self.keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::key;

    #[test]
    fn refuses_at_one_byte_past_the_limit() {
        let len = key("k").written_len();
        for (len_max, fits) in [(2 * len, true), (2 * len - 1, false)] {
            let mut listing = Listing::within(10, len_max);
            listing.push(key("k")).unwrap();
            let outcome = listing.push(key("k"));
            assert_eq!(outcome.is_ok(), fits, "{outcome:?}");
            if let Err(refusal) = outcome {
                assert_eq!(refusal.kind(), "keys_too_long");
            }
        }
    }

    #[test]
    fn refuses_at_one_key_past_the_limit() {
        let mut listing = Listing::within(2, usize::MAX);
        listing.push(key("k")).unwrap();
        listing.push(key("k")).unwrap();
        assert_eq!(listing.push(key("k")).unwrap_err().kind(), "too_many_keys");
        assert_eq!(listing.into_keys().len(), 2);
    }
}
