//! The rows of one answer of the feed, as they will stand in pages.
//!
//! ```text
//! change*: seq u64 | removed u8 | len u32 | record
//! ```
//!
//! The record of a removed key is its id alone. Between the answer and the pages only these bytes are copied,
//! and a load puts them aside as they are (see `build.rs`).

use latchkey_key_feed::{Cursor, FeedHead, InvalidFeedPage, WireState, header_value};

use super::bytes::Unread;
use super::encoding::{Kept, push_record, push_removed_record, push_unusable_record};
use super::record::{id_of, split_record};
use super::record_shape::RecordShape;
use crate::limits::SET_ASIDE_NAMED_MAX;

/// Changes in the order of the feed.
#[derive(Debug, Default)]
pub struct Changes {
    bytes: Vec<u8>,
    count: usize,
    set_aside: SetAside,
    /// What the service has forgotten of removed keys.
    pub(super) forgotten: Cursor,
}

/// Rows of an answer of which no whole record could be made. Their keys are refused, and the feed goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetAside {
    /// How many.
    pub count: usize,
    /// The ids of the first few, fit to be logged.
    pub ids: Vec<String>,
}

/// One change.
#[derive(Clone, Copy, Debug)]
pub struct RecordChange<'a> {
    /// Its place in the feed. It applies only where nothing later was applied.
    pub seq: Cursor,
    /// The key that has changed.
    pub id: &'a str,
    /// What takes the place of the key's record ([`Found::read`](super::Found::read)): nothing, once the key
    /// is removed.
    pub record: Option<&'a [u8]>,
    /// The whole change, to be put aside.
    pub(super) bytes: &'a [u8],
}

/// Bytes that changes were put into, one after the other.
#[derive(Clone, Copy)]
pub(super) struct RecordChangesIter<'a>(Unread<'a>);

impl Changes {
    /// Reads the answer to a request for everything after `after`, into records of that shape.
    ///
    /// # Errors
    ///
    /// [`InvalidFeedPage`] when the bytes are not such an answer.
    pub fn read(
        answer: &[u8],
        after: Cursor,
        shape: &RecordShape,
    ) -> Result<(FeedHead, Self), InvalidFeedPage> {
        let mut changes = Self::default();
        let head = FeedHead::read(answer, after, &mut |row| {
            changes.bytes.extend_from_slice(&row.seq.0.to_le_bytes());
            changes.bytes.push(u8::from(matches!(row.state, WireState::Removed)));
            let kept = match &row.state {
                WireState::Live(key) => push_record(&mut changes.bytes, &row.id, key, shape),
                WireState::Removed => {
                    push_removed_record(&mut changes.bytes, &row.id);
                    Kept::Whole
                }
                WireState::Unusable => {
                    push_unusable_record(&mut changes.bytes, &row.id);
                    Kept::SetAside
                }
            };
            if kept == Kept::SetAside {
                changes.set_aside.add(&row.id);
            }
            changes.count += 1;
            Ok(())
        })?;
        changes.forgotten = head.purged;
        Ok((head, changes))
    }

    /// Which rows could not be used.
    #[must_use]
    pub fn set_aside(&self) -> &SetAside {
        &self.set_aside
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The changes, in the order of the feed.
    pub fn iter(&self) -> impl Iterator<Item = RecordChange<'_>> {
        RecordChangesIter::of(&self.bytes)
    }
}

impl SetAside {
    fn add(&mut self, id: &str) {
        self.count += 1;
        if self.ids.len() < SET_ASIDE_NAMED_MAX {
            self.ids.push(header_value::encode(id));
        }
    }
}

impl<'a> RecordChangesIter<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self(Unread(bytes))
    }

    /// Whether all bytes have been read as changes.
    pub(super) fn is_at_end(&self) -> bool {
        self.0.0.is_empty()
    }
}

/// Ends at the first bytes that are not a change.
impl<'a> Iterator for RecordChangesIter<'a> {
    type Item = RecordChange<'a>;

    fn next(&mut self) -> Option<RecordChange<'a>> {
        let mut unread = self.0;
        let seq = Cursor(unread.u64()?);
        let is_removed = unread.u8()? != 0;
        let (record, body) = split_record(&mut unread)?;
        let change = RecordChange {
            seq,
            id: id_of(body)?,
            record: (!is_removed).then_some(record),
            bytes: self.0.0.get(..self.0.0.len() - unread.0.len())?,
        };
        self.0 = unread;
        Some(change)
    }
}
