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

use crate::limits::work::{WORK_TURN_WAIT_MAX, WORK_WAITING_MAX, WORK_WAITING_PER_PAYER_MAX};

/// The turns at one thing. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Turns {
    all_max: usize,
    payer_max: usize,
    all: Arc<Semaphore>,
    /// Those who have a turn and those who wait.
    places: Arc<Semaphore>,
    payers: Arc<Payers>,
}

/// A turn, which is free again when this goes.
#[derive(Debug)]
pub(crate) struct Turn {
    _of_all: OwnedSemaphorePermit,
    _of_payer: OwnedSemaphorePermit,
    _place: Place,
}

/// Who has a turn or waits for one.
#[derive(Debug, Default)]
struct Payers(Mutex<HashMap<Payer, Account>>);

#[derive(Debug)]
struct Account {
    turns: Arc<Semaphore>,
    places_taken: usize,
}

/// A permit to wait, which is kept with the permit to run.
#[derive(Debug)]
pub(super) struct Place {
    payer: Payer,
    payers: Arc<Payers>,
    _of_all: OwnedSemaphorePermit,
}

impl Turns {
    /// So many permits at once for all, and for each payer.
    #[must_use]
    pub(crate) fn new(all_max: usize, payer_max: usize) -> Self {
        Self {
            all_max,
            payer_max,
            all: Arc::new(Semaphore::new(all_max)),
            places: Arc::new(Semaphore::new(all_max + WORK_WAITING_MAX)),
            payers: Arc::default(),
        }
    }

    /// How many turns are taken.
    #[must_use]
    pub(crate) fn taken(&self) -> usize {
        self.all_max.saturating_sub(self.all.available_permits())
    }

    /// Waits for a turn.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded::Crowded`] when too many wait already, or it takes too long.
    pub(crate) async fn take(&self, payer: &Payer) -> Result<Turn, BudgetExceeded> {
        let place = self.place(payer)?;
        let of_payer = self.payers.turns_of(payer, self.payer_max);
        let turns = async {
            let of_payer = of_payer.acquire_owned().await;
            (of_payer, Arc::clone(&self.all).acquire_owned().await)
        };
        match timeout(WORK_TURN_WAIT_MAX, turns).await {
            Ok((Ok(of_payer), Ok(of_all))) => {
                Ok(Turn { _of_all: of_all, _of_payer: of_payer, _place: place })
            }
            _ => Err(BudgetExceeded::Crowded),
        }
    }

    pub(super) fn place(&self, payer: &Payer) -> Result<Place, BudgetExceeded> {
        let of_all = Arc::clone(&self.places).try_acquire_owned().map_err(|_| BudgetExceeded::Crowded)?;
        self.payers.take_place(payer, self.payer_max)?;
        Ok(Place { payer: payer.clone(), payers: Arc::clone(&self.payers), _of_all: of_all })
    }

    /// Whether nobody has a turn or waits for one.
    #[cfg(test)]
    pub(super) fn are_idle(&self) -> bool {
        self.payers.0.lock().unwrap().is_empty()
    }
}

impl Payers {
    fn take_place(&self, payer: &Payer, turns_max: usize) -> Result<(), BudgetExceeded> {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let account = accounts.entry(payer.clone()).or_insert_with(|| Account::new(turns_max));
        if account.places_taken >= turns_max + WORK_WAITING_PER_PAYER_MAX {
            return Err(BudgetExceeded::Crowded);
        }
        account.places_taken += 1;
        Ok(())
    }

    fn turns_of(&self, payer: &Payer, turns_max: usize) -> Arc<Semaphore> {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&accounts.entry(payer.clone()).or_insert_with(|| Account::new(turns_max)).turns)
    }
}

impl Account {
    fn new(turns_max: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(turns_max)), places_taken: 0 }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut accounts = self.payers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut account) = accounts.entry(self.payer.clone()) {
            account.get_mut().places_taken -= 1;
            if account.get().places_taken == 0 {
                account.remove();
            }
        }
    }
}
