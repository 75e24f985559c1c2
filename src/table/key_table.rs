//! The key table as a request needs it, whatever it is kept in.

use latchkey_key_feed::{KeyId, MonotonicMillis, Salt, SecretDigest, UnixMillis};

use super::header::TableAge;
use super::page::Unreadable;
use super::record_shape::RecordText;
use crate::clock::Moment;

/// Finds keys.
pub trait KeyTable {
    /// A record with whatever it stands in, so that it is read in place for as long as it is needed.
    type Record: KeyRecord;

    /// How old the live table is at `now`; `None` before the first table is whole.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] when something else wrote into the table.
    fn age(&self, now: Moment) -> Result<Option<TableAge>, Unreadable>;

    /// What the table knows of that id; `None` before the first table is whole.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] when something else wrote into the table.
    fn find(&self, id: &KeyId, now: MonotonicMillis) -> Result<Option<Found<Self::Record>>, Unreadable>;
}

/// A key as a table holds it.
pub trait KeyRecord {
    /// The salt of the digest.
    fn salt(&self) -> &Salt;

    /// The digest of the secret.
    fn digest(&self) -> &SecretDigest;

    /// When the key ends; `None` is never.
    fn expiration(&self) -> Option<UnixMillis>;

    /// Whether it can tell who the key acts for.
    fn texts(&self) -> Texts;

    /// The text that is meant, if the record has it.
    fn text(&self, is_meant: impl Fn(&RecordText) -> bool) -> Option<&str>;
}

/// What a table knows of an id.
#[derive(Clone, Copy, Debug)]
pub enum Found<R> {
    /// The key, with its credential.
    Key(R),
    /// A key whose row could not be used.
    SetAside,
    /// A key that was removed.
    Removed,
    /// Nothing: there is no key of that id, or none any more.
    Nothing,
}

/// Whether the texts of a record are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Texts {
    /// All of them.
    Whole,
    /// They were too long to keep.
    SetAside,
    /// What stands there is not texts.
    Unreadable,
}

impl<R> Found<R> {
    /// The key, if it is one with a credential.
    #[must_use]
    pub fn key(self) -> Option<R> {
        match self {
            Self::Key(record) => Some(record),
            Self::SetAside | Self::Removed | Self::Nothing => None,
        }
    }

    /// The same with another record.
    pub(super) fn map<T>(self, map: impl FnOnce(R) -> T) -> Found<T> {
        match self {
            Self::Key(record) => Found::Key(map(record)),
            Self::SetAside => Found::SetAside,
            Self::Removed => Found::Removed,
            Self::Nothing => Found::Nothing,
        }
    }
}
