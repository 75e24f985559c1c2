//! One answer of the change feed.
//!
//! ```json
//! {"epoch":"…","cursor":184467,"purged":0,"total":2,"more":false,"reset":false,"keys":[
//!   {"seq":184466,"id":"…","removed":true},
//!   {"seq":184467,"id":"…","salt":"…","digest":"…","expiration":1767225600000,"name":"ci",
//!    "owner":{"username":"alice","realm":"native"},"roles":["reader"],"limited_by":["ops"],"metadata":{"team":"x"}}]}
//! ```
//!
//! Version 2, for a follower that [asks for it](crate::FeedVersion), also says what keys may do, and what
//! applications have registered. Both stand before the rows:
//!
//! ```json
//! {"epoch":"….2","version":2,"cursor":184467,"purged":0,"total":1,"more":false,"reset":false,
//!  "applications":[{"seq":184465,"application":"shop","privileges":{"read":["data:read/*"]}}],
//!  "rights":[{"limited_by":{"cluster":["all"]}}],
//!  "keys":[{"seq":184466,"id":"…","removed":true},{"seq":184467,"id":"…", …,"rights":0}]}
//! ```
//!
//! An application has one entry, at the sequence number of its latest change, as a key has one row: those in
//! a page are the ones that have changed after the position asked for and not after the cursor. One that has
//! nothing registered any more has `{}`, and one that has too much `null`. Each distinct set of rights of the
//! page stands there once, and rows name it by its place, so that it is never missing and never late. A key
//! whose rights are too long has `null`: nobody can say what it may do.
//!
//! A service that holds keys of one opaque text says in each answer by what they are found, before the rows:
//! `"opaque_key_pepper":"…"`, the Base64 of 32 bytes. It stays the same for as long as the epoch does. A follower
//! that does not know the field passes it over, in both versions, and finds no such key.
//!
//! Each key has one row, at the sequence number of its latest change, and rows ascend. Reading from cursor 0
//! is therefore a full load, reading from any later cursor is the delta, and both are the same query. A page
//! that breaks one of these rules is refused whole: a follower that guessed could skip a revocation. A row
//! that names its key but is otherwise malformed is set aside by the reader: one bad row must not hold up the
//! changes behind it.
//!
//! The service forgets removed keys after a while. `purged` is the highest change it has forgotten. A
//! follower whose cursor lies before it may have missed a removal and is told to `reset`; one that is loading
//! from 0 never saw the forgotten keys, and says so by repeating the `purged` with which its load began.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::format_limits::EPOCH_LEN_MAX;

mod owned;
mod parts;
mod reading;
mod row_size;
mod skipping;
mod wire_row;
mod wire_texts;
mod with_rights;
mod writing;

pub use owned::{FeedPage, FeedRow, UnwritablePage};
pub use parts::{WireApplication, WirePart};
pub use reading::FeedHead;
pub use row_size::{ListSize, MetadataSize, RowProblem, RowSize};
pub use wire_row::{Malformed, WireKey, WireRow, WireState};
pub use wire_texts::{WireObject, WireTexts};
pub use with_rights::{FeedApplication, FeedPageWithRights};
pub use writing::{RowOutOfOrder, WrittenRows};

/// A position in the feed: the sequence number of the last change read. 0 is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub u64);

/// Which feed a cursor belongs to. A restored or replaced store begins a new epoch, in which old cursors mean
/// nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Epoch(String);

/// An epoch that is empty or longer than [`EPOCH_LEN_MAX`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidEpoch;

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
    /// A row or an application is not after the one before it, or not after the position asked for.
    RowsOutOfOrder,
}

impl Epoch {
    /// The epoch as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
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
