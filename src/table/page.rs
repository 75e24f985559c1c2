//! A page: the records of the keys whose ids hash to it.
//!
//! ```text
//! generation u32 | seq u64 | record*
//! ```
//!
//! `seq` is the highest change applied to the page. It is what makes a write safe: see `encoding.rs`, which
//! writes pages.

use std::ops::Range;

use latchkey_key_feed::{Cursor, KeyId};

use super::bytes::Unread;
use super::header::Generation;
use super::key_table::Found;
use super::record::{RecordView, is_of, split_record};

/// The bytes of a page, as the store handed them over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Which build of the table wrote it; 0 for a page that was never written or has been cleared.
    pub generation: Generation,
    pub(super) seq: Cursor,
    bytes: Vec<u8>,
}

/// Something other than this filter wrote the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

/// Where the head of a page ends and its records begin.
pub(super) const HEAD_LEN: usize = 12;

impl Page {
    /// Reads a page. No bytes are a page without keys.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] when the bytes do not begin like a page.
    pub fn decode(bytes: Vec<u8>) -> Result<Self, Unreadable> {
        if bytes.is_empty() {
            return Ok(Self::empty(Generation::default()));
        }
        let mut unread = Unread(&bytes);
        let generation = Generation(unread.u32().ok_or(Unreadable)?);
        let seq = Cursor(unread.u64().ok_or(Unreadable)?);
        Ok(Self { generation, seq, bytes })
    }

    /// A page of that generation without keys.
    #[must_use]
    pub fn empty(generation: Generation) -> Self {
        Self { generation, seq: Cursor(0), bytes: Vec::new() }
    }

    /// What the page knows of that key.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] when the bytes are not records.
    pub fn find(&self, id: &KeyId) -> Result<Found<RecordView<'_>>, Unreadable> {
        let mut unread = self.records();
        while !unread.0.is_empty() {
            let (_, body) = split_record(&mut unread).ok_or(Unreadable)?;
            if is_of(body, id) {
                return Found::decode(body).ok_or(Unreadable);
            }
        }
        Ok(Found::Nothing)
    }

    /// Where in the page a part of one of its records is: for [`Self::bytes_at`], which finds it again
    /// without reading the record.
    #[must_use]
    pub fn range_of(&self, part: &[u8]) -> Range<usize> {
        let start = part.as_ptr().addr().wrapping_sub(self.bytes.as_ptr().addr());
        start..start.wrapping_add(part.len())
    }

    /// The bytes in a range of this page.
    #[must_use]
    pub fn bytes_at(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }

    /// How many bytes it occupies.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The records, one after the other.
    pub(super) fn records(&self) -> Unread<'_> {
        Unread(self.bytes.get(HEAD_LEN..).unwrap_or_default())
    }
}
