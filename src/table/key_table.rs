//! The key table as a request needs it, whatever it is kept in.

use latchkey_key_feed::{Cursor, Epoch, KeptSecrets, KeyId, MonotonicMillis, OpaqueKeyPepper, UnixMillis};

use super::attachment::Attachment;
use super::header::{Generation, TableAge};
use super::page::Unreadable;
use super::record_shape::RecordText;
use crate::clock::Moment;

/// Finds keys.
pub trait KeyTable {
    /// A record with whatever it stands in, so that it is read in place for as long as it is needed.
    type Record: TableRecord;

    /// A table that readers use.
    type Live: LiveFeed;

    /// The live table; `None` before the first is whole.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] when something else wrote into the table.
    fn live(&self, now: MonotonicMillis) -> Result<Option<Self::Live>, Unreadable>;

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

    /// Reads what stands in the table besides keys; `None` when it is not there.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] when something else wrote into the table.
    fn attachment<T>(
        &self,
        attachment: &Attachment<'_>,
        now: MonotonicMillis,
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, Unreadable>;

    /// By what opaque keys are found; `None` before the first table is whole, and `Some(None)` when there are no such
    /// keys.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] when something else wrote into the table.
    fn opaque_key_pepper(&self, now: MonotonicMillis) -> Result<Option<Option<OpaqueKeyPepper>>, Unreadable>;

    /// A number that differs from an earlier one whenever anything but a set of rights may have changed between
    /// the two look-ups that came before. It costs no call of the host.
    fn round(&self) -> u64;

    /// Forgets what is kept of the table besides the table itself. Done on every tick.
    fn clear_cache(&self);
}

/// How far a live table is.
pub trait LiveFeed {
    /// Its number.
    fn generation(&self) -> Generation;

    /// Which feed it was read from.
    fn epoch(&self) -> &Epoch;

    /// How far the feed has been applied.
    fn cursor(&self) -> Cursor;

    /// While more is known to follow the cursor: what the service had forgotten when it said so. Then the cursor
    /// acknowledges nothing.
    fn more_follows(&self) -> Option<Cursor>;

    /// How many keys it holds.
    fn keys(&self) -> u64;

    /// How old it is.
    fn age(&self, now: Moment) -> TableAge;

    /// Whether the service says that the credential of whoever asked has ended: nothing newer than the cursor
    /// comes by it.
    fn credential_ended(&self) -> bool;

    /// Whether nothing is left of the table that it has replaced.
    fn is_swept(&self) -> bool;

    /// Whether so many keys ask for a larger table.
    fn is_outgrown_by(&self, keys: u64) -> bool;

    /// Whether so many sets of rights may be of no use any more that a load, which drops them, is due.
    fn is_littered(&self, now: MonotonicMillis) -> bool;
}

/// A key as a table holds it.
pub trait TableRecord {
    /// What is kept of its secrets.
    fn secrets(&self) -> &KeptSecrets;

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
    #[cfg(test)]
    pub(crate) fn key(self) -> Option<R> {
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
