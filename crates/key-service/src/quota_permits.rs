//! A bounded number of permits, of which each holder can take a share.
//!
//! Nobody waits for a permit: without a free one the answer is no at once. A holder that has its share gets
//! no more, so the rest is left to others.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Permits of one kind. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct QuotaPermits<K: Eq + Hash>(Arc<Pool<K>>);

/// One permit, which is returned on drop.
#[derive(Debug)]
pub(crate) struct QuotaPermit<K: Eq + Hash> {
    pool: Arc<Pool<K>>,
    holder: K,
}

#[derive(Debug)]
struct Pool<K: Eq + Hash> {
    all_max: usize,
    each_max: usize,
    taken: Mutex<Taken<K>>,
}

#[derive(Debug)]
struct Taken<K: Eq + Hash> {
    all: usize,
    by_holder: HashMap<K, usize>,
}

impl<K: Clone + Eq + Hash> QuotaPermits<K> {
    /// So many permits, of which one holder may have so many.
    #[must_use]
    pub(crate) fn new(all_max: usize, each_max: usize) -> Self {
        let taken = Mutex::new(Taken { all: 0, by_holder: HashMap::new() });
        Self(Arc::new(Pool { all_max, each_max, taken }))
    }

    /// A permit, if one is free and the holder does not have its share yet.
    #[must_use]
    pub(crate) fn take(&self, holder: &K) -> Option<QuotaPermit<K>> {
        let mut taken = self.0.taken();
        let of_holder = taken.by_holder.get(holder).copied().unwrap_or_default();
        if of_holder >= self.0.each_max || taken.all >= self.0.all_max {
            return None;
        }
        taken.by_holder.insert(holder.clone(), of_holder + 1);
        taken.all += 1;
        Some(QuotaPermit { pool: Arc::clone(&self.0), holder: holder.clone() })
    }
}

impl<K: Eq + Hash> Pool<K> {
    /// The value behind the lock is consistent at every moment, so a poisoned lock can be used.
    fn taken(&self) -> MutexGuard<'_, Taken<K>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Drop for QuotaPermit<K> {
    fn drop(&mut self) {
        let mut taken = self.pool.taken();
        taken.all = taken.all.saturating_sub(1);
        match taken.by_holder.get_mut(&self.holder) {
            Some(1) | None => {
                taken.by_holder.remove(&self.holder);
            }
            Some(count) => *count -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_more_than_his_share_and_all_together_no_more_than_there_are() {
        let permits = QuotaPermits::new(6, 2);
        let take = |holder: usize| (0..).map_while(|_| permits.take(&holder)).collect::<Vec<_>>();
        let mut taken: Vec<Vec<QuotaPermit<usize>>> = (0..5).map(take).collect();
        assert_eq!(taken.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2, 0, 0]);
        taken[0].pop();
        assert!(permits.take(&5).is_some());
        drop(taken);
        assert!(permits.0.taken().by_holder.is_empty(), "whoever has none is forgotten");
    }
}
