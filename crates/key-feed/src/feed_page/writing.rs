//! Writing an answer: the counterpart of `reading.rs` and `wire_row.rs`.
//!
//! What is JSON already is copied as it is. Nothing else of a row is built on the way.

use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::reading::{APPLICATIONS, FeedHead, OPAQUE_KEY_PEPPER};
use super::wire_row::{RIGHTS, WireKey};
use super::{Cursor, Epoch};
use crate::format_limits::DIGEST_LEN;
use crate::{FeedVersion, KeptSecrets, OpaqueKeyPepper, PreviousSecret};

/// Bytes that a page has beside its rows, at most: twelve names, an epoch, a pepper, five numbers and three booleans.
const FRAME_LEN_MAX: usize = 320;

/// Bytes for which room is made with the first row of a page: some dozens of rows.
const ROWS_LEN_FIRST: usize = 16 * 1024;

/// Most bytes of the Base64 of a salt or a digest.
const BASE64_LEN_MAX: usize = DIGEST_LEN.div_ceil(3) * 4;

/// Rows of a page, ready to be sent, and in version 2 what stands before them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WrittenRows {
    /// Objects with commas between.
    json: Vec<u8>,
    count: usize,
    last: Option<Cursor>,
    /// By what followers find opaque keys, if there are any.
    opaque_key_pepper: Option<OpaqueKeyPepper>,
    /// What there is in version 2.
    before: Option<Box<WrittenBefore>>,
}

/// What stands before the rows: objects with commas between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct WrittenBefore {
    applications: Vec<u8>,
    last_application: Option<Cursor>,
    rights: Vec<u8>,
    /// The places of rights, by their SHA-256: the rights themselves may be long.
    places: HashMap<[u8; DIGEST_LEN], u32>,
}

/// A row that is not after the one before it. A follower would refuse the whole page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowOutOfOrder;

impl WrittenRows {
    /// No rows, for a page of this version.
    #[must_use]
    pub fn new(version: FeedVersion) -> Self {
        let before = (version == FeedVersion::V2).then(Box::default);
        Self { before, ..Self::default() }
    }

    /// Of which version the page is.
    #[must_use]
    pub fn version(&self) -> FeedVersion {
        if self.before.is_some() { FeedVersion::V2 } else { FeedVersion::V1 }
    }

    /// How many rows there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Bytes of all rows, and of what stands before them.
    #[must_use]
    pub fn json_len(&self) -> usize {
        self.json.len() + self.before.as_ref().map_or(0, |before| before.json_len())
    }

    /// Sequence number of the last row.
    #[must_use]
    pub fn last(&self) -> Option<Cursor> {
        self.last
    }

    /// Tells followers by what they find opaque keys. One that does not know of them passes it over.
    pub fn set_opaque_key_pepper(&mut self, pepper: Option<OpaqueKeyPepper>) {
        self.opaque_key_pepper = pepper;
    }

    /// Adds what an application has registered, as a JSON object; `None` for what is too long. Nothing is
    /// added in version 1.
    ///
    /// # Errors
    ///
    /// [`RowOutOfOrder`]; then nothing is added.
    pub fn push_application(
        &mut self,
        seq: Cursor,
        application: &str,
        privileges: Option<&str>,
    ) -> Result<(), RowOutOfOrder> {
        let Some(before) = &mut self.before else { return Ok(()) };
        if before.last_application.is_some_and(|last| seq <= last) {
            return Err(RowOutOfOrder);
        }
        before.last_application = Some(seq);
        let json = &mut before.applications;
        json.extend_from_slice(if json.is_empty() { b"{\"seq\":" } else { b",{\"seq\":" });
        push(json, &seq.0);
        push_field(json, "application", b"");
        push(json, application);
        push_field(json, "privileges", privileges.unwrap_or("null").as_bytes());
        json.push(b'}');
        Ok(())
    }

    /// The place of these rights, a JSON object, in the page. They are added if they are not there yet.
    /// `None` in version 1.
    pub fn place_of_rights(&mut self, rights: &str) -> Option<u32> {
        let before = self.before.as_mut()?;
        let digest = Sha256::digest(rights.as_bytes()).into();
        if let Some(place) = before.places.get(&digest) {
            return Some(*place);
        }
        let place = u32::try_from(before.places.len()).ok()?;
        if !before.rights.is_empty() {
            before.rights.push(b',');
        }
        before.rights.extend_from_slice(rights.as_bytes());
        before.places.insert(digest, place);
        Some(place)
    }

    /// Adds a key. Its id is what [`KeyId`](crate::KeyId) allows.
    ///
    /// # Errors
    ///
    /// [`RowOutOfOrder`]; then nothing is added.
    pub fn push_live(&mut self, seq: Cursor, id: &str, key: &WireKey<'_>) -> Result<(), RowOutOfOrder> {
        self.begin_row(seq, id)?;
        let KeptSecrets { salt, current, previous } = &key.secrets;
        self.base64("salt", salt.as_bytes());
        self.base64("digest", current.as_bytes());
        if let Some(PreviousSecret { digest, until }) = previous {
            self.raw("previous", b"{\"until\":");
            push(&mut self.json, &until.0);
            self.base64("digest", digest.as_bytes());
            self.json.push(b'}');
        }
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
        if self.before.is_some() {
            self.value(RIGHTS, &key.rights);
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

    /// The whole page, with that before its rows. It is of the version of the rows.
    #[must_use]
    pub fn to_page(&self, head: &FeedHead) -> Vec<u8> {
        let FeedHead { epoch, cursor, purged, total, more, reset, ended, version: _ } = head;
        let json = Vec::with_capacity(FRAME_LEN_MAX + self.json_len());
        let mut page = Self { json, ..Self::default() };
        page.json.extend_from_slice(b"{\"epoch\":");
        push(&mut page.json, Epoch::as_str(epoch));
        if self.before.is_some() {
            page.raw("version", self.version().as_str().as_bytes());
        }
        page.value("cursor", &cursor.0);
        page.value("purged", &purged.0);
        page.value("total", total);
        page.value("more", more);
        page.value("reset", reset);
        if *ended {
            page.value("ended", ended);
        }
        if let Some(pepper) = &self.opaque_key_pepper {
            page.base64(OPAQUE_KEY_PEPPER, pepper.as_bytes());
        }
        if let Some(before) = &self.before {
            page.list(APPLICATIONS, &before.applications);
            page.list(RIGHTS, &before.rights);
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

    fn list(&mut self, name: &str, items: &[u8]) {
        self.raw(name, b"[");
        self.json.extend_from_slice(items);
        self.json.push(b']');
    }

    fn raw(&mut self, name: &str, json: &[u8]) {
        push_field(&mut self.json, name, json);
    }
}

impl WrittenBefore {
    fn json_len(&self) -> usize {
        self.applications.len() + self.rights.len()
    }
}

/// Adds a field that is not the first, and what is known to be JSON or to begin it. No name of a field needs
/// an escape.
fn push_field(json: &mut Vec<u8>, name: &str, value: &[u8]) {
    json.extend_from_slice(b",\"");
    json.extend_from_slice(name.as_bytes());
    json.extend_from_slice(b"\":");
    json.extend_from_slice(value);
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
