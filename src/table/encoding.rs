//! Writing pages and records: the layouts of `page.rs` and `record.rs`, from the rows of the feed.

use latchkey_key_feed::{FeedRow, KeyRecord};
use serde_json::Value;

use super::bytes::push_text;
use super::header::Generation;
use super::page::{HEAD_LEN, Page, Unreadable};
use super::record::{FLAG_TOO_LONG, LEN_BYTES, NEVER, is_of, split_record};
use crate::header_value;
use crate::limits::RECORD_LEN_MAX;

impl Page {
    /// The bytes of this page after `changes`, as a page of `generation`; `None` when they change nothing.
    ///
    /// A change whose sequence number is not higher than the page's has been applied already, together with every change between: followers
    /// apply the feed in order. So a follower that is behind cannot undo what another has done.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] when the bytes are not records.
    pub fn with(&self, generation: Generation, changes: &[&FeedRow]) -> Result<Option<Vec<u8>>, Unreadable> {
        let new: Vec<_> = changes.iter().filter(|change| change.seq() > self.seq).collect();
        let Some(seq) = new.iter().map(|change| change.seq()).max() else { return Ok(None) };
        let mut bytes = Vec::with_capacity(HEAD_LEN + self.records().0.len() + 256 * new.len());
        bytes.extend_from_slice(&generation.0.to_le_bytes());
        bytes.extend_from_slice(&seq.0.to_le_bytes());
        let mut unread = self.records();
        while !unread.0.is_empty() {
            let (whole, body) = split_record(&mut unread).ok_or(Unreadable)?;
            if !new.iter().any(|change| is_of(body, change.id())) {
                bytes.extend_from_slice(whole);
            }
        }
        for (position, change) in new.iter().enumerate() {
            let is_superseded = new.iter().skip(position + 1).any(|later| later.id() == change.id());
            if let FeedRow::Live { record, .. } = change
                && !is_superseded
            {
                push_record(&mut bytes, record);
            }
        }
        Ok(Some(bytes))
    }
}

/// Appends a record to a page.
fn push_record(page: &mut Vec<u8>, record: &KeyRecord) {
    let start = page.len();
    page.extend_from_slice(&[0; LEN_BYTES]);
    let whole = push_head(page, record, 0).and_then(|()| push_texts(page, record));
    if whole.is_none() || page.len() - start > RECORD_LEN_MAX {
        page.truncate(start + LEN_BYTES);
        // An id has at most KEY_ID_LEN_MAX bytes, so the head always fits; five empty texts follow it.
        let _ = push_head(page, record, FLAG_TOO_LONG);
        page.extend_from_slice(&[0; 5 * 2]);
    }
    let len = (page.len() - start - LEN_BYTES) as u32;
    if let Some(prefix) = page.get_mut(start..start + LEN_BYTES) {
        prefix.copy_from_slice(&len.to_le_bytes());
    }
}

fn push_head(out: &mut Vec<u8>, record: &KeyRecord, flags: u8) -> Option<()> {
    push_text(out, record.id.as_str())?;
    out.push(flags);
    out.extend_from_slice(&record.expiration.map_or(NEVER, |end| end.0).to_le_bytes());
    out.extend_from_slice(record.salt.as_bytes());
    out.extend_from_slice(record.digest.as_bytes());
    Some(())
}

fn push_texts(out: &mut Vec<u8>, record: &KeyRecord) -> Option<()> {
    let roles = if record.roles.is_empty() { &record.limited_by } else { &record.roles };
    push_text(out, &header_value::encode(&record.name))?;
    push_text(out, &header_value::encode(&record.owner.username))?;
    push_text(out, &header_value::encode(&record.owner.realm))?;
    push_text(out, &header_value::encode_list(roles.iter().map(String::as_str)))?;
    push_text(out, &header_value::encode_list(record.limited_by.iter().map(String::as_str)))?;
    for (field, value) in &record.metadata {
        push_metadata(out, field, value)?;
    }
    Some(())
}

/// Appends every leaf below a metadata field under its dotted path, as Elasticsearch names the leaves of a flattened object. A list of plain
/// values is one leaf; `null`, and lists that hold objects or lists, have no header form and are left out.
fn push_metadata(out: &mut Vec<u8>, path: &str, value: &Value) -> Option<()> {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                push_metadata(out, &[path, ".", field].concat(), value)?;
            }
        }
        Value::Array(items) => {
            if let Some(items) = items.iter().map(plain_text).collect::<Option<Vec<_>>>() {
                push_text(out, path)?;
                push_text(out, &header_value::encode_list(items.iter().map(String::as_str)))?;
            }
        }
        plain => {
            if let Some(text) = plain_text(plain) {
                push_text(out, path)?;
                push_text(out, &header_value::encode(&text))?;
            }
        }
    }
    Some(())
}

fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Array(_) | Value::Null | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests;
