//! A page in memory, for a service that keeps its keys there, and for tests of both sides.
//!
//! It is not needed to apply an answer, nor to answer from a store.

use std::borrow::Cow;
use std::fmt;

use super::reading::FeedHead;
use super::wire_row::{Malformed, WireKey, WireRow, WireState};
use super::wire_texts::{WireObject, WireTexts};
use super::writing::{RowOutOfOrder, WrittenRows};
use super::{Cursor, Epoch, InvalidFeedPage};
use crate::{FeedVersion, KeyId, KeyRecord, OpaqueKeyPepper, Owner};

/// What the service answers to one request for the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedPage {
    /// Which feed this is.
    pub epoch: Epoch,
    /// How far one has read after applying this page.
    pub cursor: Cursor,
    /// The highest change that the service has forgotten; 0 when it has forgotten none.
    pub purged: Cursor,
    /// How many keys the feed holds that are not removed, as of this answer.
    pub total: u64,
    /// Whether more rows wait after `cursor`.
    pub more: bool,
    /// Whether the cursor asked for is useless, and the follower must load again from 0.
    pub reset: bool,
    /// Whether the key that asked has ended: this page brings it up to the change that ended it, and nothing
    /// after that is for it.
    pub ended: bool,
    /// The changes, in ascending sequence.
    pub keys: Vec<FeedRow>,
}

/// The latest state of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedRow {
    /// The key exists, and this is what it looks like now.
    Live {
        /// Sequence number of its latest change.
        seq: Cursor,
        /// The key.
        record: Box<KeyRecord>,
    },
    /// The key has been invalidated: it is never to be admitted again.
    Removed {
        /// Sequence number of the invalidation.
        seq: Cursor,
        /// Which key.
        id: KeyId,
    },
}

/// Why no follower could read a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnwritablePage {
    /// The metadata of a key is no JSON object, or one that is nested too deep.
    MetadataMalformed,
    /// The rows do not ascend.
    RowsOutOfOrder,
}

impl FeedPage {
    /// Reads the answer to a request for everything after `after`, without the rights of keys.
    ///
    /// # Errors
    ///
    /// [`InvalidFeedPage`] when the bytes are not such an answer; nothing of it may be applied then.
    pub fn parse(bytes: &[u8], after: Cursor) -> Result<Self, InvalidFeedPage> {
        let mut keys = Vec::new();
        let head = FeedHead::read(bytes, after, &mut |row| {
            keys.push(FeedRow::try_from(row)?);
            Ok(())
        })?;
        let FeedHead { epoch, cursor, purged, total, more, reset, ended, version: _ } = head;
        Ok(Self { epoch, cursor, purged, total, more, reset, ended, keys })
    }

    /// The page as it is sent.
    ///
    /// # Errors
    ///
    /// [`UnwritablePage`] when no follower could read it.
    pub fn to_json(&self) -> Result<Vec<u8>, UnwritablePage> {
        self.to_json_with(None)
    }

    /// The page as it is sent by a service that holds opaque keys.
    ///
    /// # Errors
    ///
    /// [`UnwritablePage`] when no follower could read it.
    pub fn to_json_with(&self, pepper: Option<&OpaqueKeyPepper>) -> Result<Vec<u8>, UnwritablePage> {
        let mut rows = WrittenRows::default();
        rows.set_opaque_key_pepper(pepper.cloned());
        for row in &self.keys {
            row.push_to(&mut rows, None)?;
        }
        Ok(rows.to_page(&self.head(FeedVersion::V1)))
    }

    pub(super) fn head(&self, version: FeedVersion) -> FeedHead {
        let Self { cursor, purged, total, more, reset, ended, .. } = *self;
        FeedHead { epoch: self.epoch.clone(), version, cursor, purged, total, more, reset, ended }
    }
}

impl FeedRow {
    /// Sequence number of the change.
    #[must_use]
    pub fn seq(&self) -> Cursor {
        match self {
            Self::Live { seq, .. } | Self::Removed { seq, .. } => *seq,
        }
    }

    /// Which key changed.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        match self {
            Self::Live { record, .. } => &record.id,
            Self::Removed { id, .. } => id,
        }
    }

    pub(super) fn push_to(&self, rows: &mut WrittenRows, rights: Option<u32>) -> Result<(), UnwritablePage> {
        let (seq, record) = match self {
            Self::Live { seq, record } => (*seq, record),
            Self::Removed { seq, id } => return Ok(rows.push_removed(*seq, id.as_str())?),
        };
        let [roles, vouched_roles, limited_by] =
            [&record.roles, &record.vouched_roles, &record.limited_by].map(|texts| json_of(texts));
        let key = WireKey {
            secrets: record.secrets,
            expiration: record.expiration,
            name: Cow::Borrowed(&record.name),
            username: Cow::Borrowed(&record.owner.username),
            realm: Cow::Borrowed(&record.owner.realm),
            roles: WireTexts::measured(&roles)?.0,
            vouched_roles: WireTexts::measured(&vouched_roles)?.0,
            limited_by: WireTexts::measured(&limited_by)?.0,
            metadata: WireObject::measured(&record.metadata)?.0,
            metadata_vouched: record.metadata_vouched,
            rights,
        };
        Ok(rows.push_live(seq, record.id.as_str(), &key)?)
    }
}

fn json_of(texts: &[String]) -> String {
    // Texts always have a JSON form.
    serde_json::to_string(texts).unwrap_or_default()
}

impl TryFrom<WireRow<'_>> for FeedRow {
    type Error = Malformed;

    fn try_from(row: WireRow<'_>) -> Result<Self, Malformed> {
        let id = KeyId::try_from(&*row.id).map_err(|_| Malformed)?;
        let key = match row.state {
            WireState::Live(key) => key,
            WireState::Removed => return Ok(Self::Removed { seq: row.seq, id }),
            WireState::Unusable => return Err(Malformed),
        };
        let record = KeyRecord {
            id,
            secrets: key.secrets,
            expiration: key.expiration,
            name: key.name.into_owned(),
            owner: Owner { username: key.username.into_owned(), realm: key.realm.into_owned() },
            roles: owned(key.roles)?,
            vouched_roles: owned(key.vouched_roles)?,
            limited_by: owned(key.limited_by)?,
            metadata: String::from_utf8(key.metadata.as_json().to_vec()).map_err(|_| Malformed)?,
            metadata_vouched: key.metadata_vouched,
        };
        Ok(Self::Live { seq: row.seq, record: Box::new(record) })
    }
}

fn owned(texts: WireTexts<'_>) -> Result<Vec<String>, Malformed> {
    let mut owned = Vec::new();
    texts.each(&mut |text| {
        owned.push(text.to_owned());
        Ok(())
    })?;
    Ok(owned)
}

impl From<Malformed> for UnwritablePage {
    fn from(_: Malformed) -> Self {
        Self::MetadataMalformed
    }
}

impl From<RowOutOfOrder> for UnwritablePage {
    fn from(_: RowOutOfOrder) -> Self {
        Self::RowsOutOfOrder
    }
}

impl fmt::Display for UnwritablePage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MetadataMalformed => "the metadata of a key is no JSON object that can be read",
            Self::RowsOutOfOrder => "the rows do not ascend",
        })
    }
}

impl std::error::Error for UnwritablePage {}
