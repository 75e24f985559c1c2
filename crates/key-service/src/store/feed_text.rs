//! A page of the feed in the form in which it is sent.
//!
//! The database writes most of a row itself ([`FeedLine`]); what it holds as JSON goes out as it is, once it is seen to be JSON. The
//! form is that of [`latchkey_key_feed::FeedPage`], which reads it again.

use latchkey_key_feed::limits::SALT_LEN;
use latchkey_key_feed::{Cursor, Epoch, Salt, SecretDigest};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::store::StoreError;

/// Bytes that a page has beside its rows, at most: seven names, an epoch, four numbers and two booleans.
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
}

/// A key as the database writes it, taken apart.
#[derive(Debug)]
pub(super) struct FeedLine<'a> {
    /// Sequence number of its latest change.
    pub(super) seq: Cursor,
    /// `None` for a key that has ended.
    secret: Option<(Salt, SecretDigest)>,
    /// A text of JSON.
    id: &'a str,
    /// The fields after the secret, and the brace that ends the object.
    rest: &'a str,
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
}

impl FeedText {
    /// What a follower is told whose position means nothing in this feed.
    #[must_use]
    pub fn reset_of(epoch: Epoch, latest: Cursor, purged: Cursor, total: u64) -> Self {
        let rows = RowsText::default();
        Self { epoch, latest, cursor: Cursor(0), purged, total, more: false, reset: true, rows }
    }

    /// The whole page.
    ///
    /// # Errors
    ///
    /// None that can happen: the frame has a JSON form.
    pub fn to_json(&self) -> Result<Vec<u8>, StoreError> {
        let Self { epoch, latest: _, cursor, purged, total, more, reset, rows } = self;
        let mut json = Vec::with_capacity(FRAME_LEN_MAX + rows.text.len());
        let frame =
            Frame { epoch, cursor: *cursor, purged: *purged, total: *total, more: *more, reset: *reset };
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

    /// Bytes of all rows.
    pub(super) fn text_len(&self) -> usize {
        self.text.len()
    }

    /// Makes room for rows that have come to so many bytes.
    pub(super) fn reserve(&mut self, len: usize) {
        self.text.reserve(len);
    }

    /// Adds a key, which must come after the rows that are there.
    pub(super) fn push(&mut self, line: &FeedLine<'_>) -> Result<(), StoreError> {
        let begin = self.begin_row(line.seq)?;
        write(&mut self.text, &line.seq)?;
        self.text.extend_from_slice(b",\"id\":");
        self.text.extend_from_slice(line.id.as_bytes());
        if let Some((salt, digest)) = &line.secret {
            self.text.extend_from_slice(b",\"salt\":");
            write(&mut self.text, salt)?;
            self.text.extend_from_slice(b",\"digest\":");
            write(&mut self.text, digest)?;
        }
        self.text.extend_from_slice(line.rest.as_bytes());
        // What the store holds as JSON is passed on unread, but a page that is none would stop every follower.
        let row = self.text.get(begin..).unwrap_or_default();
        serde_json::from_slice::<&RawValue>(row).map(|_| ()).map_err(|_| StoreError::Corrupt("key"))
    }

    /// Adds a key that was removed for good, which must come after the rows that are there.
    pub(super) fn push_removed(&mut self, seq: Cursor, id: &str) -> Result<(), StoreError> {
        self.begin_row(seq)?;
        write(&mut self.text, &seq)?;
        self.text.extend_from_slice(b",\"id\":");
        write(&mut self.text, id)?;
        self.text.extend_from_slice(b",\"removed\":true}");
        Ok(())
    }

    /// Begins a row with the name of its first field, and tells where.
    fn begin_row(&mut self, seq: Cursor) -> Result<usize, StoreError> {
        if self.last.is_some_and(|last| seq <= last) {
            return Err(StoreError::Corrupt("order of changes"));
        }
        if self.text.is_empty() {
            self.text.reserve(ROWS_LEN_FIRST);
        } else {
            self.text.push(b',');
        }
        let begin = self.text.len();
        self.text.extend_from_slice(b"{\"seq\":");
        self.count += 1;
        self.last = Some(seq);
        Ok(begin)
    }
}

impl<'a> FeedLine<'a> {
    /// Takes a line apart: sequence number, secret in hexadecimal, id and the rest, with tabs between.
    pub(super) fn parse(line: &'a str) -> Result<Self, StoreError> {
        let mut parts = line.splitn(4, '\t');
        let (Some(seq), Some(secret), Some(id), Some(rest)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(StoreError::Corrupt("key"));
        };
        let seq = seq.parse().map(Cursor).map_err(|_| StoreError::Corrupt("sequence number"))?;
        Ok(Self { seq, secret: secret_of(secret)?, id, rest })
    }
}

fn secret_of(text: &str) -> Result<Option<(Salt, SecretDigest)>, StoreError> {
    if text.is_empty() {
        return Ok(None);
    }
    let (salt, digest) = text.split_at_checked(2 * SALT_LEN).ok_or(StoreError::Corrupt("salt"))?;
    let salt = bytes_of(salt).ok_or(StoreError::Corrupt("salt"))?;
    let digest = bytes_of(digest).ok_or(StoreError::Corrupt("digest"))?;
    Ok(Some((Salt::from_bytes(salt), SecretDigest::from_bytes(digest))))
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

/// A hexadecimal digit, without a branch that a million of them could mislead.
const fn digit(letter: u8) -> u8 {
    let (decimal, alphabetic) = (letter.wrapping_sub(b'0'), (letter | 0x20).wrapping_sub(b'a'));
    let of_decimal = if decimal < 10 { decimal } else { NO_DIGIT };
    if alphabetic < 6 { alphabetic + 10 } else { of_decimal }
}

fn write<T: Serialize + ?Sized>(json: &mut Vec<u8>, value: &T) -> Result<(), StoreError> {
    serde_json::to_writer(json, value).map_err(|error| StoreError::Unavailable(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_either_case_are_read_and_nothing_else_is() {
        assert_eq!(bytes_of("00fF9aA0"), Some([0x00, 0xff, 0x9a, 0xa0]));
        for wrong in
            ["", "00", "0000000", "000000000", "0000000g", "000000/0", "000000:0", "0000000@", "000000\u{e9}"]
        {
            assert_eq!(bytes_of::<4>(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_line_that_the_database_did_not_write_so_is_refused() {
        for line in ["", "1", "1\t\t\"a\"", "x\t\t\"a\"\t}", "1\t00\t\"a\"\t}"] {
            assert!(matches!(FeedLine::parse(line), Err(StoreError::Corrupt(_))), "{line:?}");
        }
        let mut rows = RowsText::default();
        let line = FeedLine::parse("2\t\t\"a\"\t,\"metadata\":{}").unwrap();
        assert!(matches!(rows.push(&line), Err(StoreError::Corrupt("key"))), "its JSON has no end");
        let mut rows = RowsText::default();
        rows.push_removed(Cursor(3), "b").unwrap();
        let line = FeedLine::parse("2\t\t\"a\"\t,\"removed\":true}").unwrap();
        assert!(rows.push(&line).is_err(), "it comes too late");
    }
}
