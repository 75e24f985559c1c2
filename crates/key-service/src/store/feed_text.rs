//! A page of the feed in the form in which it is sent.
//!
//! JSON of the store is sent as it is, after a check that edges can read and hold it. It is not parsed into
//! values for that. [`latchkey_key_feed`] writes the text, and reads it again at the edge.

pub(super) mod rights;
mod withheld;

use latchkey_key_feed::format_limits::{DIGEST_LEN, SALT_LEN};
use latchkey_key_feed::{
    Cursor, Epoch, FeedHead, FeedVersion, KeptSecrets, KeyId, OpaqueKeyPepper, PreviousSecret, RowOutOfOrder,
    Salt, SecretDigest, UnixMillis, WireKey, WrittenRows,
};

use crate::store::StoreError;
use crate::store::feed_text::rights::{Descriptors, RightsOfPage};

pub(crate) use withheld::{WhyWithheld, Withheld};

/// What the feed has after a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedText {
    /// What stands before the rows.
    pub head: FeedHead,
    /// The latest change of the feed when it was read.
    pub latest: Cursor,
    /// The changes, in ascending sequence.
    pub rows: RowsText,
}

/// Rows of a page, and which keys they say are removed because edges could not hold or read them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowsText {
    written: WrittenRows,
    withheld: Withheld,
    rights: RightsOfPage,
}

/// What the store holds of a key, as far as the feed carries it.
#[derive(Debug)]
pub(super) struct FeedKey<'a> {
    /// Sequence number of its latest change.
    pub(super) seq: Cursor,
    /// Whether it was invalidated, or is suspended.
    pub(super) is_ended: bool,
    /// `None` when it is not readable.
    pub(super) secrets: Option<KeptSecrets>,
    /// In milliseconds since 1970.
    pub(super) expiration: Option<i64>,
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) username: &'a str,
    pub(super) realm: &'a str,
    /// These are JSON.
    pub(super) roles: &'a str,
    pub(super) vouched_roles: &'a str,
    pub(super) limited_by: &'a str,
    pub(super) metadata: &'a str,
    /// Whether the metadata is vouched for.
    pub(super) is_metadata_vouched: bool,
    /// What its rights are worked out from, in version 2.
    pub(super) descriptors: Option<Descriptors<'a>>,
}

/// What the store keeps of a key's secrets, as it stands in columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct SecretColumns<T> {
    pub(super) salt: T,
    pub(super) digest: T,
    /// The digest of the previous secret, and until when that works, in milliseconds since 1970.
    pub(super) previous: Option<(T, i64)>,
}

impl FeedText {
    /// The page for a follower whose position means nothing in this feed.
    #[must_use]
    pub fn reset_of(epoch: Epoch, version: FeedVersion, latest: Cursor, purged: Cursor, total: u64) -> Self {
        let cursor = Cursor(0);
        let head = FeedHead { epoch, version, cursor, purged, total, more: false, reset: true, ended: false };
        Self { head, latest, rows: RowsText::new(version) }
    }

    /// The whole page. Its epoch is called as followers of its version call it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] when the epoch has no such name.
    pub fn to_json(&self) -> Result<Vec<u8>, StoreError> {
        let epoch = told_epoch(self.head.version, &self.head.epoch)?;
        Ok(self.rows.written.to_page(&FeedHead { epoch, ..self.head.clone() }))
    }
}

/// What followers of a version call an epoch of the store.
///
/// # Errors
///
/// [`StoreError::Corrupt`] when it has no such name.
pub(crate) fn told_epoch(version: FeedVersion, epoch: &Epoch) -> Result<Epoch, StoreError> {
    version.told_epoch(epoch).map_err(|_| StoreError::Corrupt("epoch"))
}

impl RowsText {
    /// No rows, for a page of this version.
    #[must_use]
    pub fn new(version: FeedVersion) -> Self {
        Self { written: WrittenRows::new(version), ..Self::default() }
    }

    /// Of which version the page is.
    #[must_use]
    pub fn version(&self) -> FeedVersion {
        self.written.version()
    }

    /// How many rows there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.written.count()
    }

    /// Sequence number of the last row.
    #[must_use]
    pub fn last(&self) -> Option<Cursor> {
        self.written.last()
    }

    /// The withheld keys.
    #[must_use]
    pub fn withheld(&self) -> &Withheld {
        &self.withheld
    }

    /// Bytes of all rows.
    pub(super) fn text_len(&self) -> usize {
        self.written.json_len()
    }

    /// Tells followers by what they find opaque keys.
    pub(super) fn set_opaque_key_pepper(&mut self, pepper: Option<OpaqueKeyPepper>) {
        self.written.set_opaque_key_pepper(pepper);
    }

    /// Adds what an application has registered, which must come after the applications so far.
    pub(super) fn push_application(
        &mut self,
        seq: Cursor,
        application: &str,
        privileges: Option<&str>,
    ) -> Result<(), StoreError> {
        Ok(self.written.push_application(seq, application, privileges)?)
    }

    /// Adds a key, which must come after the rows so far. A key that edges cannot hold or read is added as
    /// removed.
    pub(super) fn push(&mut self, key: &FeedKey<'_>) -> Result<(), StoreError> {
        if key.is_ended {
            return self.push_removed(key.seq, key.id);
        }
        // A row without an id cannot be sent at all; nobody can present such a key either.
        match key.as_wire() {
            Ok(wire) if KeyId::check(key.id).is_ok() => {
                let rights = self.place_of_rights(key);
                Ok(self.written.push_live(key.seq, key.id, &WireKey { rights, ..wire })?)
            }
            Ok(_) => {
                self.withheld.note(key.id, WhyWithheld::Unreadable);
                Ok(())
            }
            Err(why) => {
                self.withheld.note(key.id, why);
                self.push_removed(key.seq, key.id)
            }
        }
    }

    /// The place of the key's rights in the page; `None` for rights that nobody is told.
    fn place_of_rights(&mut self, key: &FeedKey<'_>) -> Option<u32> {
        let place = self.rights.place(key.descriptors?, &mut self.written);
        place.inspect_err(|why| self.withheld.note_without_rights(key.id, *why)).ok().flatten()
    }

    /// Adds a key that has ended or was removed for good, which must come after the rows so far.
    pub(super) fn push_removed(&mut self, seq: Cursor, id: &str) -> Result<(), StoreError> {
        if KeyId::check(id).is_err() {
            return Ok(());
        }
        Ok(self.written.push_removed(seq, id)?)
    }
}

impl From<RowOutOfOrder> for StoreError {
    fn from(_: RowOutOfOrder) -> Self {
        Self::Corrupt("order of changes")
    }
}

impl<T> SecretColumns<T> {
    /// What they say; `None` when they are not what was stored.
    fn read(
        self,
        salt: impl Fn(T) -> Option<[u8; SALT_LEN]>,
        digest: impl Fn(T) -> Option<[u8; DIGEST_LEN]>,
    ) -> Option<KeptSecrets> {
        let mut kept = KeptSecrets::one(
            Salt::from_bytes(salt(self.salt)?),
            SecretDigest::from_bytes(digest(self.digest)?),
        );
        if let Some((bytes, until)) = self.previous {
            let (digest, until) = (SecretDigest::from_bytes(digest(bytes)?), u64::try_from(until).ok()?);
            kept.previous = Some(PreviousSecret { digest, until: UnixMillis(until) });
        }
        Some(kept)
    }
}

impl SecretColumns<&[u8]> {
    pub(super) fn of_bytes(self) -> Option<KeptSecrets> {
        self.read(|bytes| bytes.try_into().ok(), |bytes| bytes.try_into().ok())
    }
}

impl SecretColumns<&str> {
    /// The columns are in hexadecimal.
    pub(super) fn of_digits(self) -> Option<KeptSecrets> {
        self.read(bytes_of, bytes_of)
    }
}

/// So many bytes, each of which is two digits.
fn bytes_of<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    if pairs.len() != N {
        return None;
    }
    let mut bytes = [0; N];
    let mut wrong = 0;
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let (high, low) = (digit(*high), digit(*low));
        wrong |= high | low;
        *byte = high << 4 | low;
    }
    (wrong < NO_DIGIT).then_some(bytes)
}

/// Marks a letter that is no digit, in a bit that none has.
const NO_DIGIT: u8 = 0x10;

/// A hexadecimal digit. There is no branch, because branch prediction would fail often.
const fn digit(letter: u8) -> u8 {
    let (decimal, alphabetic) = (letter.wrapping_sub(b'0'), (letter | 0x20).wrapping_sub(b'a'));
    let of_decimal = if decimal < 10 { decimal } else { NO_DIGIT };
    if alphabetic < 6 { alphabetic + 10 } else { of_decimal }
}

#[cfg(test)]
mod tests;
