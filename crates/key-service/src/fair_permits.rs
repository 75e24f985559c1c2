//! Permits for something that only a few may do at once: a few for all, fewer for each payer, and a bounded
//! queue.
//!
//! A request waits first among those of its payer and only then among all. So nobody waits behind all the
//! work of another payer.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use latchkey_budget::{BudgetExceeded, Payer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::limits::work::{WORK_PERMIT_WAIT_MAX, WORK_WAITING_MAX, WORK_WAITING_PER_PAYER_MAX};

/// Permits for one kind of work. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct FairPermits {
    all_max: usize,
    payer_max: usize,
    all: Arc<Semaphore>,
    /// Those who have a permit and those who wait.
    slots: Arc<Semaphore>,
    payers: Arc<Payers>,
}

/// A permit, which is free again when this goes.
#[derive(Debug)]
pub(crate) struct Permit {
    _of_all: OwnedSemaphorePermit,
    _of_payer: OwnedSemaphorePermit,
    _slot: QueueSlot,
}

/// Who has a permit or waits for one.
#[derive(Debug, Default)]
struct Payers(Mutex<HashMap<Payer, Account>>);

#[derive(Debug)]
struct Account {
    permits: Arc<Semaphore>,
    slots_taken: usize,
}

/// A permit to wait, which is kept with the permit to run.
#[derive(Debug)]
pub(super) struct QueueSlot {
    payer: Payer,
    payers: Arc<Payers>,
    _of_all: OwnedSemaphorePermit,
}

impl FairPermits {
    /// So many permits at once for all, and for each payer.
    #[must_use]
    pub(crate) fn new(all_max: usize, payer_max: usize) -> Self {
        Self {
            all_max,
            payer_max,
            all: Arc::new(Semaphore::new(all_max)),
            slots: Arc::new(Semaphore::new(all_max + WORK_WAITING_MAX)),
            payers: Arc::default(),
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
    pub(crate) async fn take(&self, payer: &Payer) -> Result<Permit, BudgetExceeded> {
        let slot = self.slot(payer)?;
        let of_payer = self.payers.permits_of(payer, self.payer_max);
        let permits = async {
            let of_payer = of_payer.acquire_owned().await;
            (of_payer, Arc::clone(&self.all).acquire_owned().await)
        };
        match timeout(WORK_PERMIT_WAIT_MAX, permits).await {
            Ok((Ok(of_payer), Ok(of_all))) => {
                Ok(Permit { _of_all: of_all, _of_payer: of_payer, _slot: slot })
            }
            _ => Err(BudgetExceeded::Crowded),
        }
    }

    pub(super) fn slot(&self, payer: &Payer) -> Result<QueueSlot, BudgetExceeded> {
        let of_all = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| BudgetExceeded::Crowded)?;
        self.payers.take_slot(payer, self.payer_max)?;
        Ok(QueueSlot { payer: payer.clone(), payers: Arc::clone(&self.payers), _of_all: of_all })
    }

    /// Whether nobody has a permit or waits for one.
    #[cfg(test)]
    pub(super) fn are_idle(&self) -> bool {
        self.payers.0.lock().unwrap().is_empty()
    }
}

impl Payers {
    fn take_slot(&self, payer: &Payer, permits_max: usize) -> Result<(), BudgetExceeded> {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let account = accounts.entry(payer.clone()).or_insert_with(|| Account::new(permits_max));
        if account.slots_taken >= permits_max + WORK_WAITING_PER_PAYER_MAX {
            return Err(BudgetExceeded::Crowded);
        }
        account.slots_taken += 1;
        Ok(())
    }

    fn permits_of(&self, payer: &Payer, permits_max: usize) -> Arc<Semaphore> {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&accounts.entry(payer.clone()).or_insert_with(|| Account::new(permits_max)).permits)
    }
}

impl Account {
    fn new(permits_max: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(permits_max)), slots_taken: 0 }
    }
}

impl Drop for QueueSlot {
    fn drop(&mut self) {
        let mut accounts = self.payers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut account) = accounts.entry(self.payer.clone()) {
            account.get_mut().slots_taken -= 1;
            if account.get().slots_taken == 0 {
                account.remove();
            }
        }
    }
}
