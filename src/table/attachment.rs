//! What a table holds besides keys: sets of rights, and what applications have registered.
//!
//! ```text
//! len u32 | id text | kind u8 | payload
//!
//! rights:<content id>        payload: the set as JSON
//! privileges:<application>   payload: content id text | JSON      no text when nobody knows what it is
//!                            payload: the 32 bytes by which opaque keys are found; its id is empty
//! ```
//!
//! No id of a key has a colon or is empty, so the two never meet. Rights and privileges stand in pages of their own,
//! behind those of the keys: a set can be large, and whoever looks for a key has nothing to do with it. By what opaque
//! keys are found stands among the keys, because a table without rights needs it too.
//!
//! A set is named by its content. So it never changes, keys with equal rights share it, and it does not matter
//! who writes it, or how often.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_key_feed::OpaqueKeyPepper;
use sha2::{Digest as _, Sha256};

use super::bytes::{Unread, push_text};
use super::encoding::set_len;
use super::page::{Page, Unreadable};
use super::record::{LEN_BYTES, RecordKind, split_record};

/// What some JSON is named by: 22 characters of Base64 (RFC 4648, section 5), the first 16 bytes of its
/// SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId([u8; CONTENT_ID_LEN]);

/// What stands in a table besides keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachment<'a> {
    /// A set of rights.
    Rights(ContentId),
    /// What an application has registered.
    Privileges(&'a str),
    /// By what opaque keys are found.
    OpaqueKeyPepper,
}

/// What a table knows an application to have registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisteredView<'a> {
    /// Which privileges they are; `None` when they are too long, so that nobody knows them.
    pub content: Option<ContentId>,
    /// The actions of each privilege, as JSON.
    pub json: &'a [u8],
}

const CONTENT_ID_LEN: usize = 22;

/// What the bytes of a hash come to as the id of a content.
const HASHED_BYTES: usize = 16;

impl ContentId {
    /// The id of this JSON.
    #[must_use]
    pub fn of(json: &[u8]) -> Self {
        let hash = Sha256::digest(json);
        let mut text = [b'A'; CONTENT_ID_LEN];
        // 16 bytes are 22 characters, so they fit.
        let _ = URL_SAFE_NO_PAD.encode_slice(hash.get(..HASHED_BYTES).unwrap_or_default(), &mut text);
        Self(text)
    }

    /// Reads an id as a record has it; `None` when the text is none.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        text.as_bytes().try_into().ok().filter(|_| text.is_ascii()).map(Self)
    }

    /// The id as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The id as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Attachment<'_> {
    /// As what it stands in a table.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Rights(content) => ["rights:", content.as_str()].concat(),
            Self::Privileges(application) => ["privileges:", application].concat(),
            Self::OpaqueKeyPepper => String::new(),
        }
    }
}

impl<'a> RegisteredView<'a> {
    /// Reads a payload; `None` when it is not one.
    #[must_use]
    pub fn read(payload: &'a [u8]) -> Option<Self> {
        let mut unread = Unread(payload);
        let content = match unread.text()? {
            "" => None,
            text => Some(ContentId::read(text)?),
        };
        Some(Self { content, json: unread.0 })
    }
}

impl Page {
    /// The payload of an attachment, if it stands in this page.
    pub(super) fn attachment(&self, id: &str) -> Result<Option<&[u8]>, Unreadable> {
        let mut unread = self.records();
        while !unread.0.is_empty() {
            let (_, body) = split_record(&mut unread).ok_or(Unreadable)?;
            let mut body = Unread(body);
            if body.text().ok_or(Unreadable)? == id {
                let is_attachment = body.u8() == Some(RecordKind::Attachment.byte());
                return if is_attachment { Ok(Some(body.0)) } else { Err(Unreadable) };
            }
        }
        Ok(None)
    }
}

/// Whether that is the id of an attachment that does not stand among the keys.
#[must_use]
pub fn is_attachment(id: &str) -> bool {
    id.contains(':')
}

/// Appends the record of a set of rights.
pub(super) fn push_rights(out: &mut Vec<u8>, content: ContentId, json: &[u8]) {
    push(out, &Attachment::Rights(content), |out| out.extend_from_slice(json));
}

/// Appends the record of what an application has registered; `None` for what is too long.
pub(super) fn push_privileges(out: &mut Vec<u8>, application: &str, json: Option<&[u8]>) {
    push(out, &Attachment::Privileges(application), |out| {
        let content = json.map(ContentId::of);
        // The id of a content always fits.
        let _ = push_text(out, content.as_ref().map_or("", ContentId::as_str));
        out.extend_from_slice(json.unwrap_or_default());
    });
}

/// Appends the record by which opaque keys are found.
pub(super) fn push_opaque_key_pepper(out: &mut Vec<u8>, pepper: &OpaqueKeyPepper) {
    push(out, &Attachment::OpaqueKeyPepper, |out| out.extend_from_slice(pepper.as_bytes()));
}

/// Reads the payload of that record; `None` when it is none.
#[must_use]
pub fn opaque_key_pepper(payload: &[u8]) -> Option<OpaqueKeyPepper> {
    payload.try_into().ok().map(OpaqueKeyPepper::from_bytes)
}

fn push(out: &mut Vec<u8>, attachment: &Attachment<'_>, payload: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; LEN_BYTES]);
    // The configuration names no application of 2^16 bytes (`RecordShape::with_rights`).
    let _ = push_text(out, &attachment.id());
    out.push(RecordKind::Attachment.byte());
    payload(out);
    set_len(out, start);
}

#[cfg(test)]
mod tests;
