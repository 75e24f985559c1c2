//! Writing an answer: the counterpart of `reading.rs` and `wire_row.rs`.
//!
//! What is JSON already is copied as it is. Nothing else of a row is built on the way.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::reading::FeedHead;
use super::wire_row::WireKey;
use super::{Cursor, Epoch};
use crate::format_limits::DIGEST_LEN;

/// Bytes that a page has beside its rows, at most: eight names, an epoch, four numbers and three booleans.
const FRAME_LEN_MAX: usize = 256;

/// Bytes for which room is made with the first row of a page: some dozens of rows.
const ROWS_LEN_FIRST: usize = 16 * 1024;

/// Most bytes of the Base64 of a salt or a digest.
const BASE64_LEN_MAX: usize = DIGEST_LEN.div_ceil(3) * 4;

/// Rows of a page, ready to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WrittenRows {
    /// Objects with commas between.
    json: Vec<u8>,
    count: usize,
    last: Option<Cursor>,
}

/// A row that is not after the one before it. A follower would refuse the whole page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowOutOfOrder;

impl WrittenRows {
    /// How many rows there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Bytes of all rows.
    #[must_use]
    pub fn json_len(&self) -> usize {
        self.json.len()
    }

    /// Sequence number of the last row.
    #[must_use]
    pub fn last(&self) -> Option<Cursor> {
        self.last
    }

    /// Adds a key. Its id is what [`KeyId`](crate::KeyId) allows.
    ///
    /// # Errors
    ///
    /// [`RowOutOfOrder`]; then nothing is added.
    pub fn push_live(&mut self, seq: Cursor, id: &str, key: &WireKey<'_>) -> Result<(), RowOutOfOrder> {
        self.begin_row(seq, id)?;
        self.base64("salt", key.salt.as_bytes());
        self.base64("digest", key.digest.as_bytes());
        if let Some(expiration) = key.expiration {
            self.value("expiration", &expiration.0);
        }
        self.value("name", &*key.name);
        self.raw("owner", b"{\"username\":");
        push(&mut self.json, &*key.username);
        self.value("realm", &*key.realm);
        self.json.push(b'}');
        self.raw("roles", key.roles.as_json());
        if key.vouched_roles.count() > 0 {
            self.raw("vouched_roles", key.vouched_roles.as_json());
        }
        self.raw("limited_by", key.limited_by.as_json());
        if !key.metadata.is_empty() {
            self.raw("metadata", key.metadata.as_json());
        }
        if key.metadata_vouched {
            self.raw("metadata_vouched", b"true");
        }
        self.json.push(b'}');
        Ok(())
    }

    /// Adds a key that is removed.
    ///
    /// # Errors
    ///
    /// [`RowOutOfOrder`]; then nothing is added.
    pub fn push_removed(&mut self, seq: Cursor, id: &str) -> Result<(), RowOutOfOrder> {
        self.begin_row(seq, id)?;
        self.raw("removed", b"true");
        self.json.push(b'}');
        Ok(())
    }

    /// The whole page, with that before its rows.
    #[must_use]
    pub fn to_page(&self, head: &FeedHead) -> Vec<u8> {
        let FeedHead { epoch, cursor, purged, total, more, reset, ended } = head;
        let json = Vec::with_capacity(FRAME_LEN_MAX + self.json.len());
        let mut page = Self { json, ..Self::default() };
        page.json.extend_from_slice(b"{\"epoch\":");
        push(&mut page.json, Epoch::as_str(epoch));
        page.value("cursor", &cursor.0);
        page.value("purged", &purged.0);
        page.value("total", total);
        page.value("more", more);
        page.value("reset", reset);
        if *ended {
            page.value("ended", ended);
        }
        page.raw("keys", b"[");
        page.json.extend_from_slice(&self.json);
        page.json.extend_from_slice(b"]}");
        page.json
    }

    fn begin_row(&mut self, seq: Cursor, id: &str) -> Result<(), RowOutOfOrder> {
        if self.last.is_some_and(|last| seq <= last) {
            return Err(RowOutOfOrder);
        }
        if self.json.is_empty() {
            self.json.reserve(ROWS_LEN_FIRST);
        } else {
            self.json.push(b',');
        }
        self.json.extend_from_slice(b"{\"seq\":");
        push(&mut self.json, &seq.0);
        self.value("id", id);
        self.count += 1;
        self.last = Some(seq);
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        self.raw(name, b"");
        push(&mut self.json, value);
    }

    fn base64(&mut self, name: &str, bytes: &[u8]) {
        self.raw(name, b"\"");
        let mut room = [0; BASE64_LEN_MAX];
        // A digest is the longest that there is.
        let len = STANDARD.encode_slice(bytes, &mut room).unwrap_or_default();
        self.json.extend(room.iter().take(len));
        self.json.push(b'"');
    }

    /// Adds a field that is not the first, and what is known to be JSON or to begin it. No name of a field
    /// needs an escape.
    fn raw(&mut self, name: &str, json: &[u8]) {
        self.json.extend_from_slice(b",\"");
        self.json.extend_from_slice(name.as_bytes());
        self.json.extend_from_slice(b"\":");
        self.json.extend_from_slice(json);
    }
}

fn push<T: Serialize + ?Sized>(json: &mut Vec<u8>, value: &T) {
    // Writing a text, a number or a boolean to memory cannot fail.
    let _ = serde_json::to_writer(json, value);
}

impl fmt::Display for RowOutOfOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row is not after the one before it")
    }
}

impl std::error::Error for RowOutOfOrder {}
