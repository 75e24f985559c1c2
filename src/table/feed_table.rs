//! The key table as the follower needs it, whatever it is kept in.

use latchkey_key_feed::{Cursor, Epoch, FeedHead, InvalidFeedPage};

use super::changes::Changes;
use super::header::Refresh;
use super::key_table::LiveFeed;
use super::writer::{FeedStanding, Progress, WriteError};

/// A table that a feed is applied to.
pub trait FeedTable {
    /// A table that readers use.
    type Live: LiveFeed;

    /// A table that was closed and is being cleared.
    type Clearing;

    /// A table that is being loaded. Dropping it abandons it, which no reader notices.
    type Load;

    /// The live table, if there is one.
    fn live(&self) -> Option<Self::Live>;

    /// The live table, if there is one, for a follower whose turn has begun: from here on no other one can note an
    /// answer, begin a load or let one become live. Before, all writers may.
    ///
    /// # Errors
    ///
    /// [`WriteError`] when others keep writing.
    fn take_over(&self) -> Result<Option<Self::Live>, WriteError>;

    /// Reads the answer to a request for everything after `after`.
    ///
    /// # Errors
    ///
    /// [`InvalidFeedPage`] when the bytes are not such an answer.
    fn read(&self, answer: &[u8], after: Cursor) -> Result<(FeedHead, Changes), InvalidFeedPage>;

    /// Begins a load of so many keys. `random` is any random number.
    ///
    /// # Errors
    ///
    /// [`WriteError`] when others load as well, or have just loaded and not swept what they have replaced.
    fn begin(&self, keys: u64, random: u64) -> Result<Self::Load, WriteError>;

    /// Puts the changes of one answer into a load.
    ///
    /// # Errors
    ///
    /// [`WriteError`]; the load can only be dropped then.
    fn collect(&self, load: &mut Self::Load, changes: &Changes) -> Result<(), WriteError>;

    /// Does a slice of what remains once everything was collected.
    ///
    /// # Errors
    ///
    /// [`WriteError`]; the load can only be dropped then.
    fn lay_out(&self, load: &mut Self::Load) -> Result<Progress, WriteError>;

    /// Makes a finished load the live table. One without a refresh is as old as the table that it replaces,
    /// and takes no other place.
    ///
    /// # Errors
    ///
    /// [`WriteError`] when another load was begun after this one, or there is no table for one without a
    /// refresh to replace.
    fn publish(
        &self,
        load: &Self::Load,
        epoch: &Epoch,
        cursor: Cursor,
        keys: u64,
        refreshed: Option<Refresh>,
    ) -> Result<Self::Live, WriteError>;

    /// Clears a slice of what a published load has replaced. Until it is done nothing of the new table may be
    /// acknowledged.
    ///
    /// # Errors
    ///
    /// [`WriteError`] when the table is no longer the live one, or another follower has taken over.
    fn sweep(&self, live: &Self::Live) -> Result<(Progress, Self::Live), WriteError>;

    /// Applies changes to the live table, in the order of the feed. From the return on every reader sees
    /// them.
    ///
    /// # Errors
    ///
    /// [`WriteError`]; the changes before the failure may have been applied.
    fn apply(&self, live: &Self::Live, changes: &Changes) -> Result<(), WriteError>;

    /// Notes how far an answer has brought the live table: what the next request acknowledges.
    ///
    /// # Errors
    ///
    /// [`WriteError`] when the table is no longer the live one, or another follower has taken over.
    fn advance(
        &self,
        live: &Self::Live,
        cursor: Cursor,
        keys: u64,
        standing: FeedStanding,
    ) -> Result<Self::Live, WriteError>;

    /// Lets no table be live, and stops every load. Nothing may be said of it before [`Self::clear`] is done.
    ///
    /// # Errors
    ///
    /// [`WriteError`] when others keep writing.
    fn close(&self) -> Result<Self::Clearing, WriteError>;

    /// Clears a slice of a closed table. Once it is done, no reader admits by it.
    fn clear(&self, clearing: &mut Self::Clearing) -> Progress;
}
