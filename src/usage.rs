//! How often keys are used, and how many requests are refused. A thread counts in memory of its own; what it has counted is brought together where
//! all plugins of the table share it, and from there one of them tells the key service.
//!
//! Nothing here decides about a request. Room is bounded: uses of further keys are lost then, and the number of
//! lost uses is told.

use std::sync::{Mutex, MutexGuard, PoisonError};

use latchkey_key_feed::{KeyId, KeyUses, UsageReport};

use crate::limits::SWAP_TRIES_MAX;
use crate::table::{EntryName, SharedEntries, SharedNames, TableEntry};

/// What one thread has counted since it was last asked.
#[derive(Debug, Default)]
pub struct UsageCounter(Mutex<Counted>);

/// Uses of keys, and how many there was no room for.
#[derive(Debug, Default)]
pub struct Counted {
    /// The uses.
    pub report: UsageReport,
    /// How many were not counted.
    pub lost: u64,
}

/// Where the plugins of one table bring uses together.
#[derive(Clone)]
pub struct SharedUsage<S> {
    store: S,
    name: EntryName,
}

impl UsageCounter {
    /// A request has proven the key, whatever becomes of it.
    pub fn proven(&self, id: &KeyId) {
        self.count(id, KeyUses { proven: 1, wrong_secret: 0 });
    }

    /// A request named a key of the table and had a wrong secret.
    pub fn wrong_secret(&self, id: &KeyId) {
        self.count(id, KeyUses { proven: 0, wrong_secret: 1 });
    }

    /// A request was refused, for this reason.
    pub fn refused(&self, reason: &str) {
        self.lock().report.refused.add(reason, 1);
    }

    /// Takes what was counted.
    pub fn take(&self) -> Counted {
        std::mem::take(&mut *self.lock())
    }

    fn count(&self, id: &KeyId, uses: KeyUses) {
        let mut counted = self.lock();
        if counted.report.add(id, uses).is_err() {
            counted.lost = counted.lost.saturating_add(uses.count());
        }
    }

    /// A count is whole before anything could panic.
    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: SharedEntries> SharedUsage<S> {
    /// The uses of the table with those names.
    pub fn new(store: S, names: &SharedNames) -> Self {
        Self { store, name: names.entry(TableEntry::Usage) }
    }

    /// Adds uses. Returns how many were lost: there was no room, or others kept writing.
    pub fn add(&self, more: &UsageReport) -> u64 {
        if more.is_empty() {
            return 0;
        }
        for _ in 0..SWAP_TRIES_MAX {
            let entry = self.store.read(self.name);
            // What cannot be read was written by nobody of ours.
            let mut report = UsageReport::decode(&entry.bytes).unwrap_or_default();
            let lost = report.merge(more);
            if self.store.swap(self.name, &report.encode(), entry.version).is_ok() {
                return lost;
            }
        }
        more.count()
    }

    /// Takes all uses out. Empty also when others keep writing: they are there the next time.
    pub fn take(&self) -> UsageReport {
        for _ in 0..SWAP_TRIES_MAX {
            let entry = self.store.read(self.name);
            if entry.bytes.is_empty() {
                break;
            }
            if self.store.swap(self.name, &[], entry.version).is_ok() {
                return UsageReport::decode(&entry.bytes).unwrap_or_default();
            }
        }
        UsageReport::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{FeedIdentity, RecordShape};
    use crate::testing::FakeSharedData;

    fn id(text: &str) -> KeyId {
        KeyId::try_from(text.to_owned()).unwrap()
    }

    fn shared() -> SharedUsage<FakeSharedData> {
        let names = SharedNames::of(&FeedIdentity::of("c", "a", "/p"), RecordShape::default());
        SharedUsage::new(FakeSharedData::default(), &names)
    }

    #[test]
    fn what_threads_have_counted_is_brought_together_once() {
        let (one, other, shared) = (UsageCounter::default(), UsageCounter::default(), shared());
        one.proven(&id("a"));
        one.proven(&id("a"));
        other.proven(&id("a"));
        other.wrong_secret(&id("b"));
        for counter in [&one, &other] {
            assert_eq!(shared.add(&counter.take().report), 0);
            assert!(counter.take().report.is_empty(), "it is taken once");
        }
        let mut told: Vec<_> =
            shared.take().iter().map(|(id, uses)| (id.as_str().to_owned(), uses)).collect();
        told.sort_by(|one, other| one.0.cmp(&other.0));
        let expected = [("a", 3, 0), ("b", 0, 1)]
            .map(|(id, proven, wrong_secret)| (id.to_owned(), KeyUses { proven, wrong_secret }));
        assert_eq!(told, expected);
        assert!(shared.take().is_empty());
    }

    #[test]
    fn uses_of_keys_beyond_the_room_are_counted_as_lost() {
        let counter = UsageCounter::default();
        let long = |number: usize| id(&format!("{number:0512}"));
        for number in 0..600 {
            counter.proven(&long(number));
        }
        let counted = counter.take();
        assert_eq!(counted.report.count() + counted.lost, 600);
        assert!(counted.lost > 0);
        let shared = shared();
        assert_eq!(shared.add(&counted.report), 0);
        let mut more = UsageReport::default();
        more.add(&long(600), KeyUses { proven: 2, wrong_secret: 3 }).unwrap();
        more.add(&long(0), KeyUses { proven: 1, wrong_secret: 0 }).unwrap();
        assert_eq!(shared.add(&more), 5, "there is no room for another key");
        assert_eq!(shared.take().count(), counted.report.count() + 1);
    }

    #[test]
    fn an_entry_that_cannot_be_read_is_written_anew() {
        let shared = shared();
        let version = shared.store.read(shared.name).version;
        shared.store.swap(shared.name, b"garbage", version).unwrap();
        let counter = UsageCounter::default();
        counter.proven(&id("a"));
        assert_eq!(shared.add(&counter.take().report), 0);
        assert_eq!(shared.take().count(), 1);
    }
}
