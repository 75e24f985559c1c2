//! What a page knows of one key: a fixed layout that is read in place.
//!
//! ```text
//! len u32 | id text | kind u8 | the rest, by kind
//!
//! whole:          expiration u64 | secrets | text*    the texts of the table's shape, in its order
//! too long:       expiration u64 | secrets            its texts would exceed RECORD_LEN_MAX
//! no credential:                                      its row holds no credential that can be read
//! removed:        seq u64                             the key was removed by that change
//! attachment:                                         of no key: see `attachment.rs`
//!
//! secrets:        salt 16 | digest 32                 of a key with one secret
//!                 salt 16 | digest 32 | previous      of a rotated key, which has kinds of its own
//! previous:       until u64 | digest 32
//! ```
//!
//! A text is a 16-bit length and UTF-8. Whatever becomes a header is stored as the header's value,
//! percent-encoded already, so that a request computes nothing. A key that is too long or without credential
//! has been set aside: it is refused as "unavailable", never as unknown. What is left of a removed key only
//! tells whoever looks at a refusal that the key was revoked, so it may be dropped at any time.

use latchkey_key_feed::{Cursor, KeptSecrets, KeyId, PreviousSecret, Salt, SecretDigest, UnixMillis};

use super::bytes::{Unread, push_text};
use super::encoding::set_len;
use super::key_table::Found;

/// What kind of record it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordKind {
    Whole,
    TooLong,
    NoCredential,
    Removed,
    Attachment,
    WholeRotated,
    TooLongRotated,
}

/// The expiration of a key that has none.
pub(super) const NEVER: u64 = u64::MAX;
/// Where the length of a record ends and the record begins.
pub(super) const LEN_BYTES: usize = 4;

/// A key as it stands in a page.
#[derive(Clone, Copy, Debug)]
pub struct RecordView<'a> {
    expiration: u64,
    secrets: KeptSecrets,
    /// The rest of the record; `None` when its texts were too long.
    texts: Option<&'a [u8]>,
}

/// A record among others, of which only the id was read.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    whole: &'a [u8],
    body: &'a [u8],
    id: &'a str,
}

impl RecordKind {
    const ALL: [Self; 7] = [
        Self::Whole,
        Self::TooLong,
        Self::NoCredential,
        Self::Removed,
        Self::Attachment,
        Self::WholeRotated,
        Self::TooLongRotated,
    ];

    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Whole => 0,
            Self::TooLong => 1,
            Self::NoCredential => 2,
            Self::Removed => 3,
            Self::Attachment => 4,
            Self::WholeRotated => 5,
            Self::TooLongRotated => 6,
        }
    }

    fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.byte() == byte)
    }
}

impl<'a> Found<RecordView<'a>> {
    /// Reads the record of a change; `None` when the bytes are not one.
    #[must_use]
    pub fn read(record: &'a [u8]) -> Option<Self> {
        let (_, body) = split_record(&mut Unread(record))?;
        Self::decode(body)
    }

    /// Reads a record; `None` when the bytes are not one.
    pub(super) fn decode(body: &'a [u8]) -> Option<Self> {
        let mut unread = Unread(body);
        unread.text()?;
        let kind = RecordKind::of(unread.u8()?)?;
        match kind {
            RecordKind::Removed => return Some(Self::Removed),
            RecordKind::NoCredential => return Some(Self::SetAside),
            RecordKind::Attachment => return None,
            RecordKind::Whole
            | RecordKind::TooLong
            | RecordKind::WholeRotated
            | RecordKind::TooLongRotated => {}
        }
        let is_rotated = matches!(kind, RecordKind::WholeRotated | RecordKind::TooLongRotated);
        let is_whole = matches!(kind, RecordKind::Whole | RecordKind::WholeRotated);
        Some(Self::Key(RecordView {
            expiration: unread.u64()?,
            secrets: secrets(&mut unread, is_rotated)?,
            texts: is_whole.then_some(unread.0),
        }))
    }
}

impl<'a> Record<'a> {
    /// The first record of these bytes; `None` when they do not begin with one.
    #[must_use]
    pub fn first_of(bytes: &'a [u8]) -> Option<Self> {
        let (whole, body) = split_record(&mut Unread(bytes))?;
        Some(Self { whole, body, id: id_of(body)? })
    }

    /// All of its bytes.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.whole
    }

    /// Of which key it is, or of what else.
    #[must_use]
    pub fn id(&self) -> &'a str {
        self.id
    }

    /// What it says of a key; `None` when it is not of one.
    #[must_use]
    pub fn found(&self) -> Option<Found<RecordView<'a>>> {
        Found::decode(self.body)
    }

    /// The payload of an attachment; `None` when it is none.
    #[must_use]
    pub fn attachment(&self) -> Option<&'a [u8]> {
        let mut unread = Unread(self.body);
        unread.text()?;
        (unread.u8()? == RecordKind::Attachment.byte()).then_some(unread.0)
    }

    /// By which change its key was removed; `None` when the record is not of a removed key.
    #[must_use]
    pub fn removed_by(&self) -> Option<Cursor> {
        removed_by(self.body)
    }
}

impl<'a> RecordView<'a> {
    /// What is kept of its secrets.
    #[must_use]
    pub fn secrets(&self) -> &KeptSecrets {
        &self.secrets
    }

    /// When the key ends; `None` is never.
    #[must_use]
    pub fn expiration(&self) -> Option<UnixMillis> {
        (self.expiration != NEVER).then_some(UnixMillis(self.expiration))
    }

    /// The bytes of its texts, for [`text_in`]; `None` when they were too long to keep.
    #[must_use]
    pub fn texts(&self) -> Option<&'a [u8]> {
        self.texts
    }
}

fn secrets(unread: &mut Unread<'_>, is_rotated: bool) -> Option<KeptSecrets> {
    let salt = Salt::from_bytes(unread.array()?);
    let current = SecretDigest::from_bytes(unread.array()?);
    let mut previous = None;
    if is_rotated {
        let until = UnixMillis(unread.u64()?);
        previous = Some(PreviousSecret { digest: SecretDigest::from_bytes(unread.array()?), until });
    }
    Some(KeptSecrets { salt, current, previous })
}

/// Appends what is left of a removed key.
pub fn push_mark(out: &mut Vec<u8>, id: &str, removed_by: Cursor) {
    let start = out.len();
    out.extend_from_slice(&[0; LEN_BYTES]);
    // An id has at most KEY_ID_LEN_MAX bytes, which always fit.
    let _ = push_text(out, id);
    out.push(RecordKind::Removed.byte());
    out.extend_from_slice(&removed_by.0.to_le_bytes());
    set_len(out, start);
}

/// Whether the bytes are so many texts and nothing else.
#[must_use]
pub fn are_texts(bytes: &[u8], count: usize) -> bool {
    let mut unread = Unread(bytes);
    (0..count).all(|_| unread.text().is_some()) && unread.0.is_empty()
}

/// The text at that place among the texts of a record.
#[must_use]
pub fn text_in(bytes: &[u8], place: usize) -> Option<&str> {
    let mut unread = Unread(bytes);
    for _ in 0..place {
        let len = unread.u16()?;
        unread.bytes(usize::from(len))?;
    }
    unread.text()
}

/// Takes the next record off a page: its bytes with the length before it, and its body.
pub(super) fn split_record<'a>(unread: &mut Unread<'a>) -> Option<(&'a [u8], &'a [u8])> {
    let whole = unread.0;
    let len = usize::try_from(unread.u32()?).ok()?;
    let body = unread.bytes(len)?;
    Some((whole.get(..LEN_BYTES + len)?, body))
}

/// The id of a record, without reading the rest.
pub(super) fn id_of(body: &[u8]) -> Option<&str> {
    Unread(body).text()
}

/// By which change its key was removed; `None` when the record is not of a removed key.
pub(super) fn removed_by(body: &[u8]) -> Option<Cursor> {
    let mut unread = Unread(body);
    unread.text()?;
    let is_removed = unread.u8()? == RecordKind::Removed.byte();
    if is_removed { unread.u64().map(Cursor) } else { None }
}

/// Whether a record could hold a key of that id.
pub(super) fn is_of(body: &[u8], id: &KeyId) -> bool {
    id_of(body) == Some(id.as_str())
}
