//! Writing pages and records: the layouts of `page.rs` and `record.rs`, from the rows of the feed.

use std::borrow::Cow;

use latchkey_key_feed::limits::RECORD_LEN_MAX;
use latchkey_key_feed::{JsonValue, WireKey, header_value};

use super::bytes::push_text;
use super::changes::Change;
use super::header::Generation;
use super::page::{HEAD_LEN, Page, Unreadable};
use super::record::{FLAG_TOO_LONG, LEN_BYTES, NEVER, id_of, split_record};

impl Page {
    /// The bytes of this page after `changes`, as a page of `generation`; `None` when they change nothing.
    ///
    /// A change whose sequence number is not higher than the page's has been applied already, together with every change between: followers
    /// apply the feed in order. So a follower that is behind cannot undo what another has done.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] when the bytes are not records.
    pub(super) fn with(
        &self,
        generation: Generation,
        changes: &[Change<'_>],
    ) -> Result<Option<Vec<u8>>, Unreadable> {
        let is_new = |change: &Change<'_>| change.seq > self.seq;
        let Some(seq) = changes.iter().filter(|change| is_new(change)).map(|change| change.seq).max() else {
            return Ok(None);
        };
        let added: usize = changes.iter().map(|change| change.bytes.len()).sum();
        let mut bytes = Vec::with_capacity(HEAD_LEN + self.records().0.len() + added);
        bytes.extend_from_slice(&generation.0.to_le_bytes());
        bytes.extend_from_slice(&seq.0.to_le_bytes());
        let mut unread = self.records();
        while !unread.0.is_empty() {
            let (whole, body) = split_record(&mut unread).ok_or(Unreadable)?;
            let id = id_of(body).ok_or(Unreadable)?;
            if !changes.iter().any(|change| is_new(change) && change.id == id) {
                bytes.extend_from_slice(whole);
            }
        }
        for (position, change) in changes.iter().enumerate() {
            let is_superseded = changes.iter().skip(position + 1).any(|later| later.id == change.id);
            if let Some(record) = change.record
                && is_new(change)
                && !is_superseded
            {
                bytes.extend_from_slice(record);
            }
        }
        Ok(Some(bytes))
    }
}

/// Appends the record of a key.
pub(super) fn push_record(out: &mut Vec<u8>, id: &str, key: &WireKey<'_>) {
    let start = out.len();
    out.extend_from_slice(&[0; LEN_BYTES]);
    let whole = push_head(out, id, key, 0).and_then(|()| push_texts(out, key));
    if whole.is_none() || out.len() - start > RECORD_LEN_MAX {
        out.truncate(start + LEN_BYTES);
        // An id has at most KEY_ID_LEN_MAX bytes, so the head always fits; five empty texts follow it.
        let _ = push_head(out, id, key, FLAG_TOO_LONG);
        out.extend_from_slice(&[0; 5 * 2]);
    }
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

fn set_len(out: &mut [u8], start: usize) {
    let len = (out.len() - start - LEN_BYTES) as u32;
    if let Some(prefix) = out.get_mut(start..start + LEN_BYTES) {
        prefix.copy_from_slice(&len.to_le_bytes());
    }
}

fn push_head(out: &mut Vec<u8>, id: &str, key: &WireKey<'_>, flags: u8) -> Option<()> {
    push_text(out, id)?;
    out.push(flags);
    out.extend_from_slice(&key.expiration.map_or(NEVER, |end| end.0).to_le_bytes());
    out.extend_from_slice(key.salt.as_bytes());
    out.extend_from_slice(key.digest.as_bytes());
    Some(())
}

fn push_texts(out: &mut Vec<u8>, key: &WireKey<'_>) -> Option<()> {
    push_value(out, &key.name)?;
    push_value(out, &key.username)?;
    push_value(out, &key.realm)?;
    push_list(out, if key.roles.is_empty() { &key.limited_by } else { &key.roles })?;
    push_list(out, &key.limited_by)?;
    for (field, value) in &key.metadata {
        push_metadata(out, field, value)?;
    }
    Some(())
}

/// Appends a text as the value of a header.
fn push_value(out: &mut Vec<u8>, text: &str) -> Option<()> {
    if header_value::needs_encoding(text) {
        push_text(out, &header_value::encode(text))
    } else {
        push_text(out, text)
    }
}

fn push_list(out: &mut Vec<u8>, items: &[Cow<'_, str>]) -> Option<()> {
    match items {
        [one] => push_value(out, one),
        _ => push_text(out, &header_value::encode_list(items.iter().map(|item| &**item))),
    }
}

/// Appends every leaf below a metadata field under its dotted path, as Elasticsearch names the leaves of a flattened object. A list of plain
/// values is one leaf; `null`, and lists that hold objects or lists, have no header form and are left out.
fn push_metadata(out: &mut Vec<u8>, path: &str, value: &JsonValue<'_>) -> Option<()> {
    match value {
        JsonValue::Object(fields) => {
            for (field, value) in fields {
                push_metadata(out, &[path, ".", field].concat(), value)?;
            }
        }
        JsonValue::Array(items) => {
            if let Some(items) = items.iter().map(plain_text).collect::<Option<Vec<_>>>() {
                push_text(out, path)?;
                push_text(out, &header_value::encode_list(items))?;
            }
        }
        plain => {
            if let Some(text) = plain_text(plain) {
                push_text(out, path)?;
                push_value(out, text)?;
            }
        }
    }
    Some(())
}

/// A number stays the text that the feed has for it.
fn plain_text<'a>(value: &'a JsonValue<'_>) -> Option<&'a str> {
    match value {
        JsonValue::Bool(truth) => Some(if *truth { "true" } else { "false" }),
        JsonValue::Number((number, _)) => Some(number),
        JsonValue::String(text) => Some(text),
        JsonValue::Array(_) | JsonValue::Null | JsonValue::Object(_) => None,
    }
}

#[cfg(test)]
mod tests;
