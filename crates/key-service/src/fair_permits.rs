//! Permits for something that only a few may do at once: a few for all, fewer for each principal, and a
//! bounded queue.
//!
//! A request waits first among those of its principal and only then among all. So nobody waits behind all the
//! work of another principal.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use latchkey_budget::{BudgetExceeded, Principal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::limits::work_limits::{WORK_PERMIT_WAIT_MAX, WORK_WAITING_MAX, WORK_WAITING_PER_PRINCIPAL_MAX};

/// Permits for one kind of work. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct FairPermits {
    all_max: usize,
    principal_max: usize,
    all: Arc<Semaphore>,
    /// Those who have a permit and those who wait.
    slots: Arc<Semaphore>,
    by_principal: Arc<ByPrincipal>,
}

/// A permit, which is free again when this goes.
#[derive(Debug)]
pub(crate) struct Permit {
    _of_all: OwnedSemaphorePermit,
    _of_principal: OwnedSemaphorePermit,
    _slot: QueueSlot,
}

/// Who has a permit or waits for one.
#[derive(Debug, Default)]
struct ByPrincipal(Mutex<HashMap<Principal, PrincipalPermits>>);

#[derive(Debug)]
struct PrincipalPermits {
    permits: Arc<Semaphore>,
    slots_taken: usize,
}

/// A permit to wait, which is kept with the permit to run.
#[derive(Debug)]
pub(super) struct QueueSlot {
    principal: Principal,
    by_principal: Arc<ByPrincipal>,
    _of_all: OwnedSemaphorePermit,
}

impl FairPermits {
    /// So many permits at once for all, and for each principal.
    #[must_use]
    pub(crate) fn new(all_max: usize, principal_max: usize) -> Self {
        Self {
            all_max,
            principal_max,
            all: Arc::new(Semaphore::new(all_max)),
            slots: Arc::new(Semaphore::new(all_max + WORK_WAITING_MAX)),
            by_principal: Arc::default(),
        }
    }

    /// How many permits are taken.
    #[must_use]
    pub(crate) fn taken(&self) -> usize {
        self.all_max.saturating_sub(self.all.available_permits())
    }

    /// Waits for a permit.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded::Crowded`] when too many wait already, or it takes too long.
    pub(crate) async fn take(&self, principal: &Principal) -> Result<Permit, BudgetExceeded> {
        self.take_within(principal, WORK_PERMIT_WAIT_MAX).await
    }

    async fn take_within(&self, principal: &Principal, wait_max: Duration) -> Result<Permit, BudgetExceeded> {
        let slot = self.slot(principal)?;
        let of_principal = self.by_principal.permits_of(principal, self.principal_max);
        let permits = async {
            let of_principal = of_principal.acquire_owned().await;
            (of_principal, Arc::clone(&self.all).acquire_owned().await)
        };
        match timeout(wait_max, permits).await {
            Ok((Ok(of_principal), Ok(of_all))) => {
                Ok(Permit { _of_all: of_all, _of_principal: of_principal, _slot: slot })
            }
            _ => Err(BudgetExceeded::Crowded),
        }
    }

    pub(super) fn slot(&self, principal: &Principal) -> Result<QueueSlot, BudgetExceeded> {
        let of_all = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| BudgetExceeded::Crowded)?;
        self.by_principal.take_slot(principal, self.principal_max)?;
        Ok(QueueSlot {
            principal: principal.clone(),
            by_principal: Arc::clone(&self.by_principal),
            _of_all: of_all,
        })
    }

    /// Whether nobody has a permit or waits for one.
    #[cfg(test)]
    pub(super) fn are_idle(&self) -> bool {
        self.by_principal.0.lock().unwrap().is_empty()
    }
}

impl ByPrincipal {
    fn take_slot(&self, principal: &Principal, permits_max: usize) -> Result<(), BudgetExceeded> {
        let mut by_principal = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let permits =
            by_principal.entry(principal.clone()).or_insert_with(|| PrincipalPermits::new(permits_max));
        if permits.slots_taken >= permits_max + WORK_WAITING_PER_PRINCIPAL_MAX {
            return Err(BudgetExceeded::Crowded);
        }
        permits.slots_taken += 1;
        Ok(())
    }

    fn permits_of(&self, principal: &Principal, permits_max: usize) -> Arc<Semaphore> {
        let mut by_principal = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(
            &by_principal
                .entry(principal.clone())
                .or_insert_with(|| PrincipalPermits::new(permits_max))
                .permits,
        )
    }
}

impl PrincipalPermits {
    fn new(permits_max: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(permits_max)), slots_taken: 0 }
    }
}

impl Drop for QueueSlot {
    fn drop(&mut self) {
        let mut by_principal = self.by_principal.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut permits) = by_principal.entry(self.principal.clone()) {
            permits.get_mut().slots_taken -= 1;
            if permits.get().slots_taken == 0 {
                permits.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_wait_for_a_permit_and_only_so_many_of_one_principal() {
        let permits = FairPermits::new(4, 2);
        let places = |name: &str, count: usize| -> Vec<QueueSlot> {
            let principal = Principal::new(name, "native");
            (0..count).map_while(|_| permits.slot(&principal).ok()).collect()
        };
        let of_ann = places("ann", 10_000);
        assert_eq!(of_ann.len(), 2 + WORK_WAITING_PER_PRINCIPAL_MAX);
        let of_others: Vec<_> = (0..10).flat_map(|n| places(&format!("other {n}"), 400)).collect();
        assert_eq!(of_ann.len() + of_others.len(), 4 + WORK_WAITING_MAX);
        drop(of_others);
        assert_eq!(places("bob", 1).len(), 1);
    }

    #[tokio::test]
    async fn whoever_waits_too_long_for_a_permit_is_refused() {
        let permits = FairPermits::new(1, 1);
        let [ann, bob] = ["ann", "bob"].map(|name| Principal::new(name, "native"));
        let held = permits.take(&ann).await.unwrap();
        let waited = permits.take_within(&bob, Duration::from_millis(1)).await;
        assert_eq!(waited.unwrap_err(), BudgetExceeded::Crowded);
        drop(held);
        assert!(permits.take(&bob).await.is_ok());
    }
}
