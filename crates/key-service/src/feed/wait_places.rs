//! Permits for requests that wait for edges: a bounded number, and a share of it for each payer.
//!
//! A request without a permit is not refused. Its change is made all the same, and the answer says at once
//! how far the change has come. Otherwise waiting requests could prevent a revocation.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use latchkey_effort::Payer;

use crate::limits::edges::{EDGE_WAITERS_MAX, EDGE_WAITERS_PER_PAYER_MAX};

/// The permits for one kind of waiting. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct WaitPlaces(Arc<Mutex<HashMap<Payer, usize>>>);

/// One permit, which is returned on drop.
#[derive(Debug)]
pub(super) struct WaitPlace {
    places: WaitPlaces,
    payer: Payer,
}

impl WaitPlaces {
    /// A permit, if one is free and the payer does not have its share yet.
    pub(super) fn take(&self, payer: &Payer) -> Option<WaitPlace> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_payer = taken.get(payer).copied().unwrap_or_default();
        if of_payer >= EDGE_WAITERS_PER_PAYER_MAX || taken.values().sum::<usize>() >= EDGE_WAITERS_MAX {
            return None;
        }
        taken.insert(payer.clone(), of_payer + 1);
        Some(WaitPlace { places: self.clone(), payer: payer.clone() })
    }
}

impl Drop for WaitPlace {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.payer) {
            Some(1) | None => {
                taken.remove(&self.payer);
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
        let places = WaitPlaces::default();
        let payer = |number: usize| Payer::new(&format!("user-{number}"), "native");
        let take = |number| (0..).map_while(|_| places.take(&payer(number))).collect::<Vec<_>>();
        let mut taken: Vec<Vec<WaitPlace>> = (0..EDGE_WAITERS_MAX).map(take).collect();
        let counts: Vec<usize> = taken.iter().map(Vec::len).filter(|count| *count > 0).collect();
        assert_eq!(counts, [EDGE_WAITERS_PER_PAYER_MAX; EDGE_WAITERS_MAX / EDGE_WAITERS_PER_PAYER_MAX]);
        taken[0].pop();
        assert!(places.take(&payer(EDGE_WAITERS_MAX)).is_some());
        drop(taken);
        assert!(places.0.lock().unwrap().is_empty());
    }
}
