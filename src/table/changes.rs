//! The rows of one answer of the feed, as they will stand in pages.
//!
//! ```text
//! change*: seq u64 | kind u8 | len u32 | record
//! ```
//!
//! The record of a removed key is its id alone. A set of rights comes before the first key that has it. Between
//! the answer and the pages only these bytes are copied, and a load puts them aside as they are (see `build.rs`).

use latchkey_key_feed::{
    Cursor, FeedHead, InvalidFeedPage, WireApplication, WireKey, WirePart, WireRow, WireState, header_value,
};

use super::attachment::{ContentId, push_opaque_key_pepper, push_privileges, push_rights};
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
    /// What kind of change it is.
    pub kind: ChangeKind,
    /// The key that has changed, or what else.
    pub id: &'a str,
    /// What takes the place of the key's record ([`Found::read`](super::Found::read)): nothing, once the key
    /// is removed.
    pub record: Option<&'a [u8]>,
    /// The whole change, to be put aside ([`RecordChangesIter::of`]).
    pub bytes: &'a [u8],
}

/// When a change applies, and to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The latest state of a key, or of an application.
    Latest,
    /// A key was removed.
    Removed,
    /// What stays as it is for as long as the table belongs to its feed: a set of rights that a key has, or by what
    /// opaque keys are found. Its place in the feed is that of the first row of its answer that names it, or the
    /// beginning, but it is in no order with anything: it is written where it is missing.
    Constant,
}

/// A set of rights before the rows of an answer.
struct SetOfAnswer<'a> {
    /// By which rows name it.
    index: u32,
    json: &'a [u8],
    content: ContentId,
    /// Whether a row has named it.
    is_pushed: bool,
}

/// Bytes that changes were put into, one after the other.
#[derive(Clone, Copy)]
pub struct RecordChangesIter<'a>(Unread<'a>);

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
        let mut sets = Vec::new();
        let head = FeedHead::read_parts(answer, after, &mut |part| {
            match part {
                WirePart::Application(application) => changes.push_application(&application, shape),
                WirePart::OpaqueKeyPepper(pepper) => {
                    changes.begin(after, ChangeKind::Constant);
                    push_opaque_key_pepper(&mut changes.bytes, &pepper);
                }
                WirePart::Rights { index, json } if shape.holds_rights() => {
                    sets.push(SetOfAnswer { index, json, content: ContentId::of(json), is_pushed: false });
                }
                WirePart::Rights { .. } => {}
                WirePart::Row(row) => changes.push_row(&row, &mut sets, shape),
            }
            Ok(())
        })?;
        changes.forgotten = head.purged;
        Ok((head, changes))
    }

    fn push_row(&mut self, row: &WireRow<'_>, sets: &mut [SetOfAnswer<'_>], shape: &RecordShape) {
        let kept = match &row.state {
            WireState::Live(key) => {
                let rights = self.push_rights_of(row.seq, key, sets);
                self.begin(row.seq, ChangeKind::Latest);
                push_record(&mut self.bytes, &row.id, key, rights, shape)
            }
            WireState::Removed => {
                self.begin(row.seq, ChangeKind::Removed);
                push_removed_record(&mut self.bytes, &row.id);
                Kept::Whole
            }
            WireState::Unusable => {
                self.begin(row.seq, ChangeKind::Latest);
                push_unusable_record(&mut self.bytes, &row.id);
                Kept::SetAside
            }
        };
        if kept == Kept::SetAside {
            self.set_aside.add(&row.id);
        }
        self.count += 1;
    }

    /// The set of rights of a key. It comes before the first key that has it.
    fn push_rights_of(
        &mut self,
        seq: Cursor,
        key: &WireKey<'_>,
        sets: &mut [SetOfAnswer<'_>],
    ) -> Option<ContentId> {
        let named = key.rights?;
        let place = sets.binary_search_by_key(&named, |set| set.index).ok()?;
        let set = sets.get_mut(place)?;
        if !set.is_pushed {
            set.is_pushed = true;
            self.begin(seq, ChangeKind::Constant);
            push_rights(&mut self.bytes, set.content, set.json);
        }
        Some(set.content)
    }

    /// Of the applications, only those are kept that somebody asks about.
    fn push_application(&mut self, application: &WireApplication<'_>, shape: &RecordShape) {
        if shape.keeps_application(&application.application) {
            self.begin(application.seq, ChangeKind::Latest);
            let json = application.privileges.map(|privileges| privileges.as_json());
            push_privileges(&mut self.bytes, &application.application, json);
            self.count += 1;
        }
    }

    fn begin(&mut self, seq: Cursor, kind: ChangeKind) {
        self.bytes.extend_from_slice(&seq.0.to_le_bytes());
        self.bytes.push(kind.byte());
    }

    /// Which rows could not be used.
    #[must_use]
    pub fn set_aside(&self) -> &SetAside {
        &self.set_aside
    }

    /// How many keys and applications have changed.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Up to which change the service has forgotten removed keys.
    #[must_use]
    pub fn forgotten(&self) -> Cursor {
        self.forgotten
    }

    /// The changes, in the order of the feed.
    pub fn iter(&self) -> impl Iterator<Item = RecordChange<'_>> {
        RecordChangesIter::of(&self.bytes)
    }
}

impl ChangeKind {
    fn byte(self) -> u8 {
        match self {
            Self::Latest => 0,
            Self::Removed => 1,
            Self::Constant => 2,
        }
    }

    fn of(byte: u8) -> Option<Self> {
        [Self::Latest, Self::Removed, Self::Constant].into_iter().find(|kind| kind.byte() == byte)
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
    /// The changes in these bytes.
    #[must_use]
    pub fn of(bytes: &'a [u8]) -> Self {
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
        let kind = ChangeKind::of(unread.u8()?)?;
        let (record, body) = split_record(&mut unread)?;
        let change = RecordChange {
            seq,
            kind,
            id: id_of(body)?,
            record: (kind != ChangeKind::Removed).then_some(record),
            bytes: self.0.0.get(..self.0.0.len() - unread.0.len())?,
        };
        self.0 = unread;
        Some(change)
    }
}
