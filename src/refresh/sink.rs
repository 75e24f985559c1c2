//! Where a follower puts what it reads, and whose turn it is to follow.
//!
//! A host whose VMs share nothing but entries of data has a lease, and a table of pages that a load fills in
//! slices ([`PagedSink`]). A host with one follower and one table in plain memory has a turn that never ends,
//! and may lay a load out at once.

use latchkey_key_feed::{Cursor, Epoch, FeedHead, InvalidFeedPage, MonotonicMillis};

use super::lease::{Candidate, FollowerId, Lease};
use super::register::Register;
use crate::table::{
    Build, Changes, Clearing, FeedStanding, LiveFeed, LiveTable, Progress, Refresh, SharedNames, SharedStore,
    TableWriter, WriteError,
};

/// Whose turn it is to follow the feed.
pub trait FollowerTurn {
    /// Takes the turn if it is free, and says how many failures in a row preceded; `None` if it is not.
    fn take(&self, me: FollowerId, candidate: Candidate, now: MonotonicMillis) -> Option<u32>;

    /// Keeps the turn; says whether it is still held.
    fn keep(&self, me: FollowerId, now: MonotonicMillis) -> bool;

    /// Leaves the turn to anybody, from the moment `until` on.
    fn hand_over(&self, me: FollowerId, until: MonotonicMillis, failures: u32);

    /// Whose turn it is now.
    fn holder(&self, now: MonotonicMillis) -> Option<FollowerId>;
}

/// A table that a feed is applied to.
pub trait FeedSink: FollowerTurn {
    /// A table that readers use.
    type Live: LiveFeed;

    /// A table that was closed and is being cleared.
    type Clearing;

    /// A table that is being loaded. Dropping it abandons it, which no reader notices.
    type Load;

    /// For how long any reader may admit after a refresh, in milliseconds.
    fn refuse_after_ms(&self) -> u64;

    /// The live table, if there is one.
    fn live(&self) -> Option<Self::Live>;

    /// Reads the answer to a request for everything after `after`.
    ///
    /// # Errors
    ///
    /// [`InvalidFeedPage`] when the bytes are not such an answer.
    fn read(&self, answer: &[u8], after: Cursor) -> Result<(FeedHead, Changes), InvalidFeedPage>;

    /// Begins a load of so many keys.
    ///
    /// # Errors
    ///
    /// [`WriteError`] when others load as well.
    fn begin(&self, keys: u64) -> Result<Self::Load, WriteError>;

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
    /// [`WriteError`] when the table is no longer the live one.
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
    /// [`WriteError`] when the table is no longer the live one.
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

/// The table of pages in shared data, and the lease of its followers.
pub struct PagedSink<S> {
    lease: Lease<S>,
    register: Register<S>,
    table: TableWriter<S>,
}

impl<S: SharedStore + Clone> PagedSink<S> {
    /// The table with those names.
    pub fn new(store: S, names: &SharedNames) -> Self {
        Self {
            lease: Lease::new(store.clone(), names),
            register: Register::new(store.clone(), names),
            table: TableWriter::new(store, names.clone()),
        }
    }
}

impl<S: SharedStore> FollowerTurn for PagedSink<S> {
    fn take(&self, me: FollowerId, candidate: Candidate, now: MonotonicMillis) -> Option<u32> {
        self.lease.take(me, candidate, now)
    }

    fn keep(&self, me: FollowerId, now: MonotonicMillis) -> bool {
        self.lease.renew(me, now)
    }

    fn hand_over(&self, me: FollowerId, until: MonotonicMillis, failures: u32) {
        self.lease.hand_over(me, until, failures);
    }

    fn holder(&self, now: MonotonicMillis) -> Option<FollowerId> {
        self.lease.holder(now)
    }
}

impl<S: SharedStore> FeedSink for PagedSink<S> {
    type Live = LiveTable;
    type Clearing = Clearing;
    type Load = Build;

    fn refuse_after_ms(&self) -> u64 {
        self.register.refuse_after_ms()
    }

    fn live(&self) -> Option<LiveTable> {
        self.table.live()
    }

    fn read(&self, answer: &[u8], after: Cursor) -> Result<(FeedHead, Changes), InvalidFeedPage> {
        self.table.read(answer, after)
    }

    fn begin(&self, keys: u64) -> Result<Build, WriteError> {
        self.table.begin(keys)
    }

    fn collect(&self, load: &mut Build, changes: &Changes) -> Result<(), WriteError> {
        self.table.collect(load, changes)
    }

    fn lay_out(&self, load: &mut Build) -> Result<Progress, WriteError> {
        self.table.lay_out(load)
    }

    fn publish(
        &self,
        load: &Build,
        epoch: &Epoch,
        cursor: Cursor,
        keys: u64,
        refreshed: Option<Refresh>,
    ) -> Result<LiveTable, WriteError> {
        self.table.publish(load, epoch, cursor, keys, refreshed)
    }

    fn sweep(&self, live: &LiveTable) -> Result<(Progress, LiveTable), WriteError> {
        self.table.sweep(live)
    }

    fn apply(&self, live: &LiveTable, changes: &Changes) -> Result<(), WriteError> {
        self.table.apply(live, changes)
    }

    fn advance(
        &self,
        live: &LiveTable,
        cursor: Cursor,
        keys: u64,
        standing: FeedStanding,
    ) -> Result<LiveTable, WriteError> {
        self.table.advance(live, cursor, keys, standing)
    }

    fn close(&self) -> Result<Clearing, WriteError> {
        self.table.close()
    }

    fn clear(&self, clearing: &mut Clearing) -> Progress {
        self.table.clear(clearing)
    }
}
