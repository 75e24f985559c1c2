//! A page of the feed in the form in which it is sent.
//!
//! JSON of the store is sent as it is, after a check that edges can read and hold it. It is not parsed into
//! values for that. The form is that of [`latchkey_key_feed::FeedPage`], which reads it again.

mod withheld;

use latchkey_key_feed::limits::{DIGEST_LEN, SALT_LEN};
use latchkey_key_feed::{Cursor, Epoch, Salt, SecretDigest};
use serde::Serialize;

use crate::store::StoreError;

pub use withheld::{WhyWithheld, Withheld};

/// Bytes that a page has beside its rows, at most: eight names, an epoch, four numbers and three booleans.
const FRAME_LEN_MAX: usize = 256;

/// Bytes for which room is made with the first row of a page: some dozens of rows.
const ROWS_LEN_FIRST: usize = 16 * 1024;

/// What the feed has after a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedText {
    /// Which feed this is.
    pub epoch: Epoch,
    /// The latest change of the feed when it was read.
    pub latest: Cursor,
    /// How far one has read after applying this page.
    pub cursor: Cursor,
    /// The highest change that the store has forgotten; 0 when it has forgotten none.
    pub purged: Cursor,
    /// How many keys the feed holds that are not removed.
    pub total: u64,
    /// Whether more rows wait after `cursor`.
    pub more: bool,
    /// Whether the position asked for is useless, and the follower must load again from 0.
    pub reset: bool,
    /// Whether this is the last page, because the follower's key has ended.
    pub ended: bool,
    /// The changes, in ascending sequence.
    pub rows: RowsText,
}

/// Rows of a page, ready to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowsText {
    /// Objects with commas between.
    text: Vec<u8>,
    count: usize,
    last: Option<Cursor>,
    withheld: Withheld,
}

/// What the store holds of a key, as far as the feed carries it.
#[derive(Debug)]
pub(super) struct FeedKey<'a> {
    /// Sequence number of its latest change.
    pub(super) seq: Cursor,
    /// Whether it was invalidated.
    pub(super) is_ended: bool,
    /// `None` when it is not readable.
    pub(super) secret: Option<Secret>,
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
}

/// What is kept of a key's secret.
#[derive(Debug)]
pub(super) struct Secret {
    salt: Salt,
    digest: SecretDigest,
}

/// What stands before the rows.
#[derive(Serialize)]
struct Frame<'a> {
    epoch: &'a Epoch,
    cursor: Cursor,
    purged: Cursor,
    total: u64,
    more: bool,
    reset: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ended: bool,
}

impl FeedText {
    /// The page for a follower whose position means nothing in this feed.
    #[must_use]
    pub fn reset_of(epoch: Epoch, latest: Cursor, purged: Cursor, total: u64) -> Self {
        let rows = RowsText::default();
        Self { epoch, latest, cursor: Cursor(0), purged, total, more: false, reset: true, ended: false, rows }
    }

    /// The whole page.
    ///
    /// # Errors
    ///
    /// None that can happen: the frame has a JSON form.
    pub fn to_json(&self) -> Result<Vec<u8>, StoreError> {
        let Self { epoch, latest: _, cursor, purged, total, more, reset, ended, rows } = self;
        let mut json = Vec::with_capacity(FRAME_LEN_MAX + rows.text.len());
        let frame = Frame {
            epoch,
            cursor: *cursor,
            purged: *purged,
            total: *total,
            more: *more,
            reset: *reset,
            ended: *ended,
        };
        write(&mut json, &frame)?;
        // In place of the brace that ends the frame.
        json.pop();
        json.extend_from_slice(b",\"keys\":[");
        json.extend_from_slice(&rows.text);
        json.extend_from_slice(b"]}");
        Ok(json)
    }
}

impl RowsText {
    /// How many rows there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Sequence number of the last row.
    #[must_use]
    pub fn last(&self) -> Option<Cursor> {
        self.last
    }

    /// The withheld keys.
    #[must_use]
    pub fn withheld(&self) -> &Withheld {
        &self.withheld
    }

    /// Bytes of all rows.
    pub(super) fn text_len(&self) -> usize {
        self.text.len()
    }

    /// Adds a key, which must come after the rows so far. A key that edges cannot hold or read is added as
    /// removed.
    pub(super) fn push(&mut self, key: &FeedKey<'_>) -> Result<(), StoreError> {
        if key.is_ended {
            return self.push_removed(key.seq, key.id);
        }
        let secret = key.secret.as_ref().filter(|_| key.expiration.is_none_or(|end| end >= 0));
        match (key.why_withheld(), secret) {
            (None, Some(secret)) => self.push_live(key, secret),
            (why, _) => {
                self.withheld.note(key.id, why.unwrap_or(WhyWithheld::Unreadable));
                self.push_removed(key.seq, key.id)
            }
        }
    }

    fn push_live(&mut self, key: &FeedKey<'_>, secret: &Secret) -> Result<(), StoreError> {
        if !withheld::is_id(key.id) {
            self.withheld.note(key.id, WhyWithheld::Unreadable);
            return Ok(());
        }
        self.begin_row(key.seq, key.id)?;
        self.field("salt", &secret.salt)?;
        self.field("digest", &secret.digest)?;
        if let Some(expiration) = key.expiration {
            self.field("expiration", &expiration)?;
        }
        self.field("name", key.name)?;
        self.name("owner");
        self.text.extend_from_slice(b"{\"username\":");
        write(&mut self.text, key.username)?;
        self.field("realm", key.realm)?;
        self.text.push(b'}');
        self.json("roles", key.roles);
        if key.vouched_roles != "[]" {
            self.json("vouched_roles", key.vouched_roles);
        }
        self.json("limited_by", key.limited_by);
        if key.metadata != "{}" {
            self.json("metadata", key.metadata);
            if key.is_metadata_vouched {
                self.json("metadata_vouched", "true");
            }
        }
        self.text.push(b'}');
        Ok(())
    }

    /// Adds a key that has ended or was removed for good, which must come after the rows so far.
    pub(super) fn push_removed(&mut self, seq: Cursor, id: &str) -> Result<(), StoreError> {
        if !withheld::is_id(id) {
            return Ok(());
        }
        self.begin_row(seq, id)?;
        self.field("removed", &true)?;
        self.text.push(b'}');
        Ok(())
    }

    fn begin_row(&mut self, seq: Cursor, id: &str) -> Result<(), StoreError> {
        if self.last.is_some_and(|last| seq <= last) {
            return Err(StoreError::Corrupt("order of changes"));
        }
        if self.text.is_empty() {
            self.text.reserve(ROWS_LEN_FIRST);
        } else {
            self.text.push(b',');
        }
        self.text.extend_from_slice(b"{\"seq\":");
        write(&mut self.text, &seq)?;
        self.count += 1;
        self.last = Some(seq);
        self.field("id", id)
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), StoreError> {
        self.name(name);
        write(&mut self.text, value)
    }

    /// Adds what is known to be JSON.
    fn json(&mut self, name: &str, text: &str) {
        self.name(name);
        self.text.extend_from_slice(text.as_bytes());
    }

    /// Begins a field that is not the first. No name of one needs an escape.
    fn name(&mut self, name: &str) {
        self.text.extend_from_slice(b",\"");
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b"\":");
    }
}

/// Hexadecimal digits of a secret: its salt and its digest.
pub(super) const SECRET_DIGITS: usize = 2 * (SALT_LEN + DIGEST_LEN);

impl Secret {
    /// Of the columns of a key.
    pub(super) fn of_bytes(salt: &[u8], digest: &[u8]) -> Option<Self> {
        let (salt, digest) = (salt.try_into().ok()?, digest.try_into().ok()?);
        Some(Self { salt: Salt::from_bytes(salt), digest: SecretDigest::from_bytes(digest) })
    }

    /// Of the two in hexadecimal, one behind the other.
    pub(super) fn of_digits(digits: &str) -> Option<Self> {
        let bytes: [u8; SALT_LEN + DIGEST_LEN] = bytes_of(digits)?;
        let (salt, digest) = bytes.split_at(SALT_LEN);
        Self::of_bytes(salt, digest)
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

fn write<T: Serialize + ?Sized>(json: &mut Vec<u8>, value: &T) -> Result<(), StoreError> {
    serde_json::to_writer(json, value).map_err(|error| StoreError::Unavailable(error.into()))
}

#[cfg(test)]
mod tests;
