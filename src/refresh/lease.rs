//! Which VM follows: an entry of shared data that names it and ends by itself.
//!
//! The lease only saves work. If two VMs believe that they hold it, both read the feed, and the sequence
//! numbers in the pages keep the table right.
//!
//! After repeated failures the entry names nobody until the delay is over, so that the whole process backs
//! off as one, and then whichever VM comes first may try.

use latchkey_key_feed::MonotonicMillis;

use crate::limits::{IDLE_FIRST_MS, LEASE_MS, SWAP_TRIES_MAX};
use crate::table::{EntryName, SharedEntries, SharedNames, TableEntry, Unread, Version};

/// The number of a follower within its process, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowerId(pub u32);

/// The entry, seen by one VM.
pub(super) struct Lease<S> {
    store: S,
    name: EntryName,
}

/// Who asks for the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// A VM that has seen no request: nobody waits while it works. Envoy's main thread has one.
    Idle,
    /// A VM that serves requests. It leaves a free lease to idle ones for [`IDLE_FIRST_MS`].
    Serving,
}

/// The content of the entry. Holder 0 is nobody.
#[derive(Clone, Copy, Default)]
struct LeaseEntry {
    holder: u32,
    until: MonotonicMillis,
    failures: u32,
}

impl FollowerId {
    /// A number that no other follower of this process has.
    pub fn allocate(store: &impl SharedEntries, names: &SharedNames) -> Self {
        let name = names.entry(TableEntry::FollowerCounter);
        let mut last = 0;
        for _ in 0..SWAP_TRIES_MAX {
            let entry = store.read(name);
            last = entry.bytes.try_into().map_or(0, u32::from_le_bytes);
            let next = last.wrapping_add(1).max(1);
            if store.swap(name, &next.to_le_bytes(), entry.version).is_ok() {
                return Self(next);
            }
        }
        // Two followers with one number would both renew one lease: wasted work, and nothing else.
        Self(last.max(1))
    }
}

impl<S: SharedEntries> Lease<S> {
    /// The lease of the table with those names.
    pub(super) fn new(store: S, names: &SharedNames) -> Self {
        Self { store, name: names.entry(TableEntry::Lease) }
    }

    /// Takes the lease if it is free, and says how many failures in a row preceded; `None` if it is not.
    pub(super) fn take(&self, me: FollowerId, candidate: Candidate, now: MonotonicMillis) -> Option<u32> {
        let (lease, version) = self.read();
        let free_since = match candidate {
            Candidate::Idle => lease.until,
            Candidate::Serving => lease.until.plus_millis(IDLE_FIRST_MS),
        };
        if now < free_since && lease.holder != me.0 {
            return None;
        }
        let taken = LeaseEntry { holder: me.0, until: now.plus_millis(LEASE_MS), failures: lease.failures };
        self.write(taken, version).then_some(lease.failures)
    }

    /// Extends the lease when a third of it has run; says whether it is still held.
    pub(super) fn renew(&self, me: FollowerId, now: MonotonicMillis) -> bool {
        let (lease, version) = self.read();
        if lease.holder != me.0 {
            return false;
        }
        if now.plus_millis(LEASE_MS / 3 * 2) < lease.until {
            return true;
        }
        self.write(LeaseEntry { holder: me.0, until: now.plus_millis(LEASE_MS), failures: 0 }, version)
    }

    /// Leaves the lease to anybody, from the moment `until` on.
    pub(super) fn hand_over(&self, me: FollowerId, until: MonotonicMillis, failures: u32) {
        let (lease, version) = self.read();
        if lease.holder == me.0 {
            self.write(LeaseEntry { holder: 0, until, failures }, version);
        }
    }

    /// Who holds the lease now.
    pub(super) fn holder(&self, now: MonotonicMillis) -> Option<FollowerId> {
        let (lease, _) = self.read();
        (lease.holder != 0 && now < lease.until).then_some(FollowerId(lease.holder))
    }

    fn read(&self) -> (LeaseEntry, Version) {
        let entry = self.store.read(self.name);
        (LeaseEntry::decode(&entry.bytes).unwrap_or_default(), entry.version)
    }

    fn write(&self, lease: LeaseEntry, read_at: Version) -> bool {
        self.store.swap(self.name, &lease.encode(), read_at).is_ok()
    }
}

impl LeaseEntry {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut unread = Unread(bytes);
        let (holder, until) = (unread.u32()?, MonotonicMillis(unread.u64()?));
        Some(Self { holder, until, failures: unread.u32()? })
    }

    fn encode(self) -> Vec<u8> {
        [&self.holder.to_le_bytes()[..], &self.until.0.to_le_bytes(), &self.failures.to_le_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{FeedIdentity, RecordShape};
    use crate::testing::FakeSharedData;

    const NOW: MonotonicMillis = MonotonicMillis(1_000_000);
    const ONE: FollowerId = FollowerId(1);
    const TWO: FollowerId = FollowerId(2);

    fn names() -> SharedNames {
        SharedNames::of(&FeedIdentity::of("c", "a", "/p"), RecordShape::default())
    }

    fn lease() -> Lease<FakeSharedData> {
        Lease::new(FakeSharedData::default(), &names())
    }

    fn later(millis: u64) -> MonotonicMillis {
        NOW.plus_millis(millis)
    }

    #[test]
    fn one_follower_holds_it_until_it_lapses() {
        let lease = lease();
        assert_eq!(lease.take(ONE, Candidate::Idle, NOW), Some(0));
        assert_eq!(lease.take(TWO, Candidate::Idle, later(LEASE_MS - 1)), None);
        assert_eq!(lease.holder(later(LEASE_MS - 1)), Some(ONE));
        assert_eq!(lease.take(TWO, Candidate::Idle, later(LEASE_MS)), Some(0));
        assert!(!lease.renew(ONE, later(LEASE_MS)));
    }

    #[test]
    fn renewal_keeps_it() {
        let lease = lease();
        lease.take(ONE, Candidate::Idle, NOW);
        for tick in 1..100 {
            assert!(lease.renew(ONE, later(tick * 100)));
            assert_eq!(lease.take(TWO, Candidate::Idle, later(tick * 100)), None);
        }
    }

    #[test]
    fn after_failures_nobody_may_take_it_until_the_delay_is_over() {
        let lease = lease();
        lease.take(ONE, Candidate::Idle, NOW);
        lease.hand_over(ONE, later(500), 3);
        assert_eq!(lease.holder(NOW), None);
        assert_eq!(
            (lease.take(ONE, Candidate::Idle, later(499)), lease.take(TWO, Candidate::Idle, later(499))),
            (None, None)
        );
        assert_eq!(lease.take(TWO, Candidate::Idle, later(500)), Some(3));
    }

    #[test]
    fn a_vm_that_serves_leaves_a_free_lease_to_idle_ones_for_a_while() {
        let lease = lease();
        lease.take(ONE, Candidate::Idle, NOW);
        lease.hand_over(ONE, NOW, 0);
        assert_eq!(lease.take(ONE, Candidate::Serving, later(IDLE_FIRST_MS - 1)), None);
        assert_eq!(lease.take(TWO, Candidate::Serving, later(IDLE_FIRST_MS)), Some(0));
        lease.hand_over(TWO, later(IDLE_FIRST_MS), 0);
        assert_eq!(lease.take(ONE, Candidate::Idle, later(IDLE_FIRST_MS)), Some(0));
    }

    #[test]
    fn the_first_lease_of_a_process_is_left_to_nobody() {
        assert_eq!(lease().take(ONE, Candidate::Serving, NOW), Some(0));
    }

    #[test]
    fn only_the_holder_hands_it_over() {
        let lease = lease();
        lease.take(ONE, Candidate::Idle, NOW);
        lease.hand_over(TWO, NOW, 0);
        assert_eq!(lease.holder(NOW), Some(ONE));
    }

    #[test]
    fn followers_have_numbers_of_their_own() {
        let store = FakeSharedData::default();
        let allocated = [(); 3].map(|()| FollowerId::allocate(&store, &names()).0);
        assert_eq!(allocated, [1, 2, 3]);
    }
}
