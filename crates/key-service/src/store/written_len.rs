//! The sizes of keys in answers and in memory.

use std::io::{self, Write};

use latchkey_budget::json_len::object_len;
use serde::Serialize;

use crate::limits::row_limits::DESCRIPTORS_LEN_MAX;
use crate::model::stored_key::StoredKey;
use crate::store::update::KeyUpdate;

/// Bytes of memory per byte of a role descriptor's JSON: its texts are short, and each is a `String` of its
/// own.
const HELD_PER_WRITTEN: usize = 2;

/// Counts what is written to it.
struct Counted(usize);

/// Takes so many bytes, and no more.
struct Bounded {
    left: usize,
}

impl StoredKey {
    /// The bytes of what clients chose of this key, as JSON. The rest is short.
    #[must_use]
    pub fn written_len(&self) -> usize {
        let owner = &self.owner;
        self.name.len()
            + owner.username.len()
            + owner.full_name.as_deref().map_or(0, str::len)
            + owner.email.as_deref().map_or(0, str::len)
            + json_len(&owner.metadata)
            + json_len(&self.metadata)
            + json_len(&self.role_descriptors)
            + json_len(&self.limited_by)
    }
}

impl StoredKey {
    /// The bytes that this key takes in memory, about.
    #[must_use]
    pub fn held_len(&self) -> usize {
        let texts = self.name.len() + self.owner.username.len() + self.owner.realm.len();
        let metadata = object_len(&self.metadata) + object_len(&self.owner.metadata);
        let roles = json_len(&self.role_descriptors) + json_len(&self.limited_by);
        size_of::<Self>() + texts + metadata + HELD_PER_WRITTEN * roles
    }
}

impl KeyUpdate {
    /// The bytes of what a key of this update is written with, at most: what the update does not bring is
    /// no longer than may be stored.
    pub(super) fn written_len(&self) -> usize {
        let kept_or = |brought: Option<usize>| brought.unwrap_or(DESCRIPTORS_LEN_MAX);
        json_len(&self.owner.metadata)
            + json_len(&self.limited_by)
            + kept_or(self.role_descriptors.as_ref().map(json_len))
            + kept_or(self.metadata.as_ref().map(json_len))
    }
}

/// The bytes of a value as JSON.
pub(crate) fn json_len<T: Serialize>(value: &T) -> usize {
    let mut counted = Counted(0);
    match serde_json::to_writer(&mut counted, value) {
        Ok(()) => counted.0,
        // A value without a JSON form is never sent either.
        Err(_) => usize::MAX / 8,
    }
}

/// Whether values have more bytes than this as JSON together. No more of them is written than that.
pub(crate) fn are_longer_than<T: Serialize>(len_max: usize, values: impl IntoIterator<Item = T>) -> bool {
    let mut bounded = Bounded { left: len_max };
    values.into_iter().any(|value| serde_json::to_writer(&mut bounded, &value).is_err())
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::tests::key;

    #[test]
    fn counts_what_clients_chose() {
        let long = "x".repeat(1_000);
        let mut changed = [key("k"), key("k"), key("k"), key("k")];
        changed[0].name.push_str(&long);
        changed[1].metadata.insert("m".to_owned(), json!(long));
        changed[2].owner.metadata.insert("m".to_owned(), json!(long));
        changed[3].owner.full_name = Some(long);
        for key_with_more in changed {
            assert!(key_with_more.written_len() >= key("k").written_len() + 990, "{key_with_more:?}");
        }
    }

    #[test]
    fn several_values_are_long_together() {
        let values = |count: usize| std::iter::repeat_n(json!({"a": "b"}), count);
        assert!(!are_longer_than(18, values(2)));
        assert!(are_longer_than(17, values(2)));
        assert!(!are_longer_than(0, values(0)));
    }

    #[test]
    fn what_an_update_keeps_counts_as_long_as_it_may_be() {
        let key = key("k");
        let all = KeyUpdate {
            owner: key.owner,
            limited_by: key.limited_by,
            role_descriptors: Some(key.role_descriptors),
            metadata: Some(key.metadata),
            expiration: None,
            lifetime_max: None,
            is_vouched: false,
        };
        assert!(all.written_len() < 1_000);
        let without_metadata = KeyUpdate { metadata: None, ..all };
        assert!(without_metadata.written_len() > DESCRIPTORS_LEN_MAX);
    }
}
