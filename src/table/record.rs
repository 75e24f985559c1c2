//! One key inside a page: a fixed layout that is read in place.
//!
//! ```text
//! len u32 | id text | flags u8 | expiration u64 | salt 16 | digest 32 | name, owner, owner realm, roles, limited by: text each
//!         | metadata: (path text, value text)*
//! ```
//!
//! A text is a 16-bit length and UTF-8. Whatever becomes a header is stored as the header's value, percent-encoded already, so
//! that a request computes nothing. A record that would exceed `RECORD_LEN_MAX` keeps only its credential and a flag:
//! such a key can be recognised, and is refused as "unavailable", never as unknown.

use latchkey_key_feed::{KeyId, Salt, SecretDigest, UnixMillis, header_value};

use super::bytes::Unread;

pub(super) const FLAG_TOO_LONG: u8 = 1;
/// The expiration of a key that has none.
pub(super) const NEVER: u64 = u64::MAX;
/// Where the length of a record ends and the record begins.
pub(super) const LEN_BYTES: usize = 4;

/// A key as it stands in a page.
#[derive(Clone, Copy)]
pub struct RecordView<'a> {
    id: &'a str,
    flags: u8,
    expiration: u64,
    salt: Salt,
    digest: SecretDigest,
    texts: Unread<'a>,
}

/// What of a record becomes headers. Every value is header-ready; an empty one is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordTexts<'a> {
    /// The key's name.
    pub name: &'a str,
    /// The owner's username.
    pub owner: &'a str,
    /// The owner's realm.
    pub owner_realm: &'a str,
    /// The key's own role descriptors, or its owner's when it has none.
    pub roles: &'a str,
    /// The owner's roles when the key was made.
    pub limited_by: &'a str,
}

impl<'a> RecordView<'a> {
    /// The id, as it is presented.
    #[must_use]
    pub fn id(&self) -> &'a str {
        self.id
    }

    /// The id as the value of a header, where that is not the id itself.
    #[must_use]
    pub fn encoded_id(&self) -> Option<String> {
        header_value::needs_encoding(self.id).then(|| header_value::encode(self.id))
    }

    /// The salt of the digest.
    #[must_use]
    pub fn salt(&self) -> &Salt {
        &self.salt
    }

    /// The digest of the secret.
    #[must_use]
    pub fn digest(&self) -> &SecretDigest {
        &self.digest
    }

    /// When the key ends; `None` is never.
    #[must_use]
    pub fn expiration(&self) -> Option<UnixMillis> {
        (self.expiration != NEVER).then_some(UnixMillis(self.expiration))
    }

    /// Whether the key's identity was too long to keep.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        self.flags & FLAG_TOO_LONG != 0
    }

    /// The texts that become headers; `None` when the bytes are not a record's.
    #[must_use]
    pub fn texts(&self) -> Option<RecordTexts<'a>> {
        Self::read_texts(&mut self.texts.clone())
    }

    /// The header value of the metadata field at that dotted path.
    #[must_use]
    pub fn metadata(&self, path: &str) -> Option<&'a str> {
        let mut unread = self.texts;
        Self::read_texts(&mut unread)?;
        while !unread.0.is_empty() {
            let (field, value) = (unread.text()?, unread.text()?);
            if field == path {
                return Some(value);
            }
        }
        None
    }

    fn read_texts(unread: &mut Unread<'a>) -> Option<RecordTexts<'a>> {
        Some(RecordTexts {
            name: unread.text()?,
            owner: unread.text()?,
            owner_realm: unread.text()?,
            roles: unread.text()?,
            limited_by: unread.text()?,
        })
    }

    /// Reads a record's head; `None` when the bytes are not one.
    pub(super) fn decode(body: &'a [u8]) -> Option<Self> {
        let mut unread = Unread(body);
        Some(Self {
            id: unread.text()?,
            flags: unread.u8()?,
            expiration: unread.u64()?,
            salt: Salt::from_bytes(unread.array()?),
            digest: SecretDigest::from_bytes(unread.array()?),
            texts: unread,
        })
    }
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

/// Whether a record could hold a key of that id.
pub(super) fn is_of(body: &[u8], id: &KeyId) -> bool {
    id_of(body) == Some(id.as_str())
}
