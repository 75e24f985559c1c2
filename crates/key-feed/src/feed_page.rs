//! One answer of the change feed.
//!
//! ```json
//! {"epoch":"…","cursor":184467,"purged":0,"total":2,"more":false,"reset":false,"keys":[
//!   {"seq":184466,"id":"…","removed":true},
//!   {"seq":184467,"id":"…","salt":"…","digest":"…","expiration":1767225600000,"name":"ci",
//!    "owner":{"username":"alice","realm":"native"},"roles":["reader"],"limited_by":["ops"],"metadata":{"team":"x"}}]}
//! ```
//!
//! Each key has one row, at the sequence number of its latest change, and rows ascend. Reading from cursor 0 is therefore a
//! full load, reading from any later cursor is the delta, and both are the same query. A page that breaks one of these
//! rules is refused whole: a follower that guessed could skip a revocation. A row that says which key it is, and nothing else that makes sense, is
//! for the reader to set aside: one bad row must not keep the changes behind it away.
//!
//! The service forgets removed keys after a while. `purged` is the highest change it has forgotten. A follower whose cursor lies
//! before it may have missed a removal and is told to `reset`; one that is loading from 0 never saw the forgotten keys, and says so by
//! repeating the `purged` with which its load began.

use std::fmt;

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};

use crate::limits::EPOCH_LEN_MAX;
use crate::{KeyId, KeyRecord, Owner};

mod reading;
mod row_size;
mod skipping;
mod wire_row;
mod wire_texts;

pub use reading::FeedHead;
pub use row_size::{ListSize, MetadataSize, RowProblem, RowSize};
pub use wire_row::{Malformed, WireKey, WireRow, WireState};
pub use wire_texts::{WireObject, WireTexts};

/// A position in the feed: the sequence number of the last change read. 0 is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub u64);

/// Which feed a cursor belongs to. A restored or replaced store begins a new epoch, in which old cursors mean nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Epoch(String);

/// An epoch that is empty or longer than [`EPOCH_LEN_MAX`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidEpoch;

/// What the service answers to one request for the feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
    /// Whether the key that asked has ended: this page brings it up to the change that ended it, and nothing after that is for it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
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

/// Why an answer is not a page of the feed.
#[derive(Debug)]
pub enum InvalidFeedPage {
    /// The cursor lies before the last row, or before the position asked for.
    CursorBehindRows,
    /// The bytes are not JSON of the right shape. Says where, never what stood there.
    Malformed {
        /// How many bytes precede the place where the mistake was noticed.
        offset: usize,
    },
    /// More rows are promised, but this page does not advance: following it would never end.
    NoProgress,
    /// A reset carries rows, which belong to no position.
    ResetWithRows,
    /// A row is not after the one before it, or not after the position asked for.
    RowsOutOfOrder,
}

impl Epoch {
    /// The epoch as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FeedPage {
    /// Reads the answer to a request for everything after `after`.
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
        let FeedHead { epoch, cursor, purged, total, more, reset, ended } = head;
        Ok(Self { epoch, cursor, purged, total, more, reset, ended, keys })
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
}

impl Serialize for FeedRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_map(None)?;
        row.serialize_entry("seq", &self.seq())?;
        row.serialize_entry("id", self.id())?;
        match self {
            Self::Removed { .. } => row.serialize_entry("removed", &true)?,
            Self::Live { record, .. } => {
                row.serialize_entry("salt", &record.salt)?;
                row.serialize_entry("digest", &record.digest)?;
                if let Some(expiration) = record.expiration {
                    row.serialize_entry("expiration", &expiration)?;
                }
                row.serialize_entry("name", &record.name)?;
                row.serialize_entry("owner", &record.owner)?;
                row.serialize_entry("roles", &record.roles)?;
                if !record.vouched_roles.is_empty() {
                    row.serialize_entry("vouched_roles", &record.vouched_roles)?;
                }
                row.serialize_entry("limited_by", &record.limited_by)?;
                if !record.metadata.is_empty() {
                    row.serialize_entry("metadata", &record.metadata)?;
                }
                if record.metadata_vouched {
                    row.serialize_entry("metadata_vouched", &true)?;
                }
            }
        }
        row.end()
    }
}

impl Serialize for Owner {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut owner = serializer.serialize_map(Some(2))?;
        owner.serialize_entry("username", &self.username)?;
        owner.serialize_entry("realm", &self.realm)?;
        owner.end()
    }
}

impl TryFrom<String> for Epoch {
    type Error = InvalidEpoch;

    fn try_from(text: String) -> Result<Self, InvalidEpoch> {
        if text.is_empty() || text.len() > EPOCH_LEN_MAX { Err(InvalidEpoch) } else { Ok(Self(text)) }
    }
}

impl From<Epoch> for String {
    fn from(epoch: Epoch) -> Self {
        epoch.0
    }
}

impl fmt::Display for InvalidEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an epoch has 1 to {EPOCH_LEN_MAX} bytes")
    }
}

impl std::error::Error for InvalidEpoch {}

impl fmt::Display for InvalidFeedPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CursorBehindRows => f.write_str("the cursor lies behind the rows"),
            Self::Malformed { offset } => write!(f, "not a feed page: mistake at byte {offset}"),
            Self::NoProgress => f.write_str("more rows are promised but the cursor does not advance"),
            Self::ResetWithRows => f.write_str("a reset carries rows"),
            Self::RowsOutOfOrder => f.write_str("the rows do not ascend"),
        }
    }
}

impl std::error::Error for InvalidFeedPage {}

#[cfg(test)]
mod tests;
