//! Where a follower puts what it reads, and whose turn it is to follow.
//!
//! A host whose VMs share nothing but entries of data has a lease, and a table of pages that a load fills in
//! slices ([`PagedSink`]). A host with one follower and one table in plain memory has a turn that never ends,
//! and may lay a load out at once.

use latchkey_key_feed::MonotonicMillis;

use super::lease::{Candidate, FollowerId, Lease};
use super::register::Register;
use crate::table::{FeedTable, SharedNames, SharedStore, TableWriter};

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

/// Where a follower applies the feed, and whose turn it is.
pub trait FeedSink: FollowerTurn {
    /// The table that the feed is applied to.
    type Table: FeedTable;

    /// The table that the feed is applied to.
    fn table(&self) -> &Self::Table;

    /// For how long any reader may admit after a refresh, in milliseconds.
    fn refuse_after_ms(&self) -> u64;
}

/// The live table of a sink.
pub(super) type Live<K> = <<K as FeedSink>::Table as FeedTable>::Live;

/// A table of a sink that is being loaded.
pub(super) type Build<K> = <<K as FeedSink>::Table as FeedTable>::Load;

/// A table of a sink that is being cleared.
pub(super) type Clearing<K> = <<K as FeedSink>::Table as FeedTable>::Clearing;

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
    type Table = TableWriter<S>;

    fn table(&self) -> &TableWriter<S> {
        &self.table
    }

    fn refuse_after_ms(&self) -> u64 {
        self.register.refuse_after_ms()
    }
}
