//! Writing pages and records: the layouts of `page.rs` and `record.rs`, from the rows of the feed.

use std::collections::BTreeSet;

use latchkey_key_feed::format_limits::RECORD_LEN_MAX;
use latchkey_key_feed::{
    Cursor, KeptSecrets, Malformed, PreviousSecret, WireKey, WireObject, WireTexts, header_value,
};

use super::attachment::ContentId;
use super::bytes::push_text;
use super::changes::{ChangeKind, RecordChange};
use super::header::Generation;
use super::page::{HEAD_LEN, Page, Unreadable};
use super::record::{LEN_BYTES, NEVER, RecordKind, id_of, push_mark, removed_by, split_record};
use super::record_shape::{RecordShape, RecordText};
use crate::limits::{CACHED_PAGE_LEN_MAX, REMOVED_LEN_MAX};

impl Page {
    /// The bytes of this page after `changes`, as a page of `generation`; `None` when they change nothing. Of
    /// removed keys it keeps what the service has not `forgotten`.
    ///
    /// A change whose sequence number is not higher than the page's has been applied already, together with
    /// every change between: followers apply the feed in order. So a follower that is behind cannot undo what
    /// another has done. A set of rights has no place in that order: it is written where it is missing, and
    /// stays (see `table.rs`).
    ///
    /// # Errors
    ///
    /// [`Unreadable`] when the bytes are not records.
    pub(super) fn with(
        &self,
        generation: Generation,
        changes: &[RecordChange<'_>],
        forgotten: Cursor,
    ) -> Result<Option<Vec<u8>>, Unreadable> {
        let mut applied: Vec<&RecordChange<'_>> = Vec::with_capacity(changes.len());
        for change in changes {
            let is_new = match change.kind {
                ChangeKind::Constant => self.attachment(change.id)?.is_none(),
                ChangeKind::Latest | ChangeKind::Removed => change.seq > self.seq,
            };
            if is_new {
                applied.push(change);
            }
        }
        if applied.is_empty() {
            return Ok(None);
        }
        let in_order = applied.iter().filter(|change| change.kind != ChangeKind::Constant);
        let seq = in_order.map(|change| change.seq).max().map_or(self.seq, |seq| seq.max(self.seq));
        let added: usize = applied.iter().map(|change| change.bytes.len()).sum();
        let mut bytes = Vec::with_capacity(HEAD_LEN + self.records().0.len() + added);
        bytes.extend_from_slice(&generation.0.to_le_bytes());
        bytes.extend_from_slice(&seq.0.to_le_bytes());
        let mut removed = Vec::new();
        let mut unread = self.records();
        while !unread.0.is_empty() {
            let (whole, body) = split_record(&mut unread).ok_or(Unreadable)?;
            let id = id_of(body).ok_or(Unreadable)?;
            if applied.iter().any(|change| change.id == id) {
                continue;
            }
            match removed_by(body) {
                None => bytes.extend_from_slice(whole),
                Some(seq) => removed.push((seq, id)),
            }
        }
        // The page has the latest first. The order is turned, so that the new removals can be appended.
        removed.reverse();
        for (position, change) in applied.iter().enumerate() {
            if applied.iter().skip(position + 1).any(|later| later.id == change.id) {
                continue;
            }
            match change.record {
                Some(record) => bytes.extend_from_slice(record),
                None => removed.push((change.seq, change.id)),
            }
        }
        let latest_first = removed.into_iter().rev().filter(|(seq, _)| *seq > forgotten);
        push_removed(&mut bytes, latest_first);
        Ok(Some(bytes))
    }
}

/// Appends the marks of removed keys, as far as there is room. They stand behind the keys, so that no look-up
/// of a key reads them, and never make the page too long for the cache.
fn push_removed<'i>(page: &mut Vec<u8>, latest_first: impl Iterator<Item = (Cursor, &'i str)>) {
    let end = (page.len() + REMOVED_LEN_MAX).min(CACHED_PAGE_LEN_MAX);
    for (seq, id) in latest_first {
        let start = page.len();
        push_mark(page, id, seq);
        if page.len() > end {
            page.truncate(start);
            return;
        }
    }
}

/// What could be kept of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// All that the shape asks for.
    Whole,
    /// Not its texts, or not even its credential: the key is refused.
    SetAside,
}

/// Appends the record of a key with these rights; without any when nobody knows them.
pub(super) fn push_record(
    out: &mut Vec<u8>,
    id: &str,
    key: &WireKey<'_>,
    rights: Option<ContentId>,
    shape: &RecordShape,
) -> Kept {
    let start = out.len();
    out.extend_from_slice(&[0; LEN_BYTES]);
    let (whole, too_long) = match key.secrets.previous {
        None => (RecordKind::Whole, RecordKind::TooLong),
        Some(_) => (RecordKind::WholeRotated, RecordKind::TooLongRotated),
    };
    push_head(out, id, key, whole);
    let head_end = out.len();
    let mut texts = TextWriter { out, end: start + RECORD_LEN_MAX };
    let kept = match texts.push_all(key, rights, shape) {
        Ok(()) => Kept::Whole,
        Err(Malformed) => {
            // A record is short enough for the rest of its head, so only its kind changes.
            out.truncate(start + LEN_BYTES);
            push_head(out, id, key, too_long);
            debug_assert_eq!(out.len(), head_end, "the head is the same");
            Kept::SetAside
        }
    };
    set_len(out, start);
    kept
}

/// Appends what stands for the key of a row that cannot be used.
pub(super) fn push_unusable_record(out: &mut Vec<u8>, id: &str) {
    let start = out.len();
    out.extend_from_slice(&[0; LEN_BYTES]);
    // As above, an id always fits.
    let _ = push_text(out, id);
    out.push(RecordKind::NoCredential.byte());
    set_len(out, start);
}

/// Appends what stands for the record of a key that is removed.
pub(super) fn push_removed_record(out: &mut Vec<u8>, id: &str) {
    let start = out.len();
    out.extend_from_slice(&[0; LEN_BYTES]);
    // As above, an id always fits.
    let _ = push_text(out, id);
    set_len(out, start);
}

pub(super) fn set_len(out: &mut [u8], start: usize) {
    let len = (out.len() - start - LEN_BYTES) as u32;
    if let Some(prefix) = out.get_mut(start..start + LEN_BYTES) {
        prefix.copy_from_slice(&len.to_le_bytes());
    }
}

fn push_head(out: &mut Vec<u8>, id: &str, key: &WireKey<'_>, kind: RecordKind) {
    // As above, an id always fits.
    let _ = push_text(out, id);
    out.push(kind.byte());
    out.extend_from_slice(&key.expiration.map_or(NEVER, |end| end.0).to_le_bytes());
    let KeptSecrets { salt, current, previous } = &key.secrets;
    out.extend_from_slice(salt.as_bytes());
    out.extend_from_slice(current.as_bytes());
    if let Some(PreviousSecret { digest, until }) = previous {
        out.extend_from_slice(&until.0.to_le_bytes());
        out.extend_from_slice(digest.as_bytes());
    }
}

/// Appends the texts of a record, and looks at the length of each before it writes a byte of it.
struct TextWriter<'o> {
    out: &'o mut Vec<u8>,
    /// How long `out` may become.
    end: usize,
}

impl TextWriter<'_> {
    fn push_all(
        &mut self,
        key: &WireKey<'_>,
        rights: Option<ContentId>,
        shape: &RecordShape,
    ) -> Result<(), Malformed> {
        let mut metadata = picked(key.metadata, shape)?.into_iter();
        for text in shape.texts() {
            match text {
                RecordText::Name => self.push_one(&key.name)?,
                RecordText::Owner => self.push_one(&key.username)?,
                RecordText::OwnerRealm => self.push_one(&key.realm)?,
                RecordText::Roles if key.roles.count() == 0 => self.push_list(key.limited_by)?,
                RecordText::Roles => self.push_list(key.vouched_roles)?,
                RecordText::ClaimedRoles => self.push_others(key.roles, key.vouched_roles)?,
                RecordText::LimitedBy => self.push_list(key.limited_by)?,
                RecordText::Metadata { claims, .. } => {
                    let found = metadata.next().flatten().filter(|_| *claims || key.metadata_vouched);
                    self.push_list(found.unwrap_or_default())?;
                }
                RecordText::Rights => self.push_one(rights.as_ref().map_or("", ContentId::as_str))?,
            }
        }
        Ok(())
    }

    fn push_one(&mut self, text: &str) -> Result<(), Malformed> {
        self.push(|items| items(text))
    }

    fn push_list(&mut self, texts: WireTexts<'_>) -> Result<(), Malformed> {
        self.push(|items| texts.each(items))
    }

    /// Appends those of `all` that are not in `these`. More of `these` than a record can hold are refused,
    /// which bounds the work.
    fn push_others(&mut self, all: WireTexts<'_>, these: WireTexts<'_>) -> Result<(), Malformed> {
        if these.count() > RECORD_LEN_MAX {
            return Err(Malformed);
        }
        let mut known = BTreeSet::new();
        these.each(&mut |text| {
            known.insert(text.to_owned());
            Ok(())
        })?;
        self.push(|items| {
            all.each(&mut |text| {
                if known.contains(text) { Ok(()) } else { items(text) }
            })
        })
    }

    /// Appends one text: the items that `give` passes on, as the value of a header.
    fn push(
        &mut self,
        give: impl FnOnce(&mut dyn FnMut(&str) -> Result<(), Malformed>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        let start = self.out.len();
        self.make_room(LEN_BYTES_OF_TEXT)?;
        self.out.extend_from_slice(&[0; LEN_BYTES_OF_TEXT]);
        let mut is_first = true;
        give(&mut |item| {
            let len = header_value::encoded_len(item);
            self.make_room(len + usize::from(!is_first))?;
            if !is_first {
                self.out.push(b',');
            }
            is_first = false;
            if len == item.len() {
                self.out.extend_from_slice(item.as_bytes());
            } else {
                self.out.extend_from_slice(header_value::encode(item).as_bytes());
            }
            Ok(())
        })?;
        let len = u16::try_from(self.out.len() - start - LEN_BYTES_OF_TEXT).map_err(|_| Malformed)?;
        let prefix = self.out.get_mut(start..start + LEN_BYTES_OF_TEXT).ok_or(Malformed)?;
        prefix.copy_from_slice(&len.to_le_bytes());
        Ok(())
    }

    fn make_room(&self, len: usize) -> Result<(), Malformed> {
        if self.out.len().saturating_add(len) <= self.end { Ok(()) } else { Err(Malformed) }
    }
}

/// How many bytes the length of a text takes.
const LEN_BYTES_OF_TEXT: usize = 2;

/// The fields of the metadata that the shape asks for, in its order.
fn picked<'a>(
    metadata: WireObject<'a>,
    shape: &RecordShape,
) -> Result<Vec<Option<WireTexts<'a>>>, Malformed> {
    let paths: Vec<&str> = shape.metadata_paths().collect();
    metadata.pick(&paths)
}

#[cfg(test)]
mod tests;
