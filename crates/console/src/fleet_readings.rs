//! The edges for pages that move by themselves: one reading for all of them.
//!
//! Whoever looks first after an interval asks the key service, and all others take what was answered. What each takes is
//! what it could have asked for itself: a page first asks whether its own user may see the edges, and asks that again
//! and again. Nobody takes what was asked before its own page was made, so no page goes back to what was before.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use axum::http::StatusCode;
use tokio::time::Instant;

use crate::asked_edges::AskedFleet;
use crate::limits::EDGES_RIGHT_LOOKED_AT_EVERY;
use crate::person_rights::PersonRights;
use crate::rest::{Person, RestFailure};

/// The latest reading of each list that somebody watches: of the edges alone, or after a change.
#[derive(Debug, Default)]
pub(crate) struct FleetReadings(Mutex<HashMap<Option<u64>, Weak<LatestReading>>>);

/// Whoever asks anew holds the lock, and the others wait for what is answered.
type LatestReading = tokio::sync::Mutex<Option<Reading>>;

#[derive(Debug)]
struct Reading {
    begun: Instant,
    fleet: Arc<AskedFleet>,
}

/// A page that watches the edges. The reading is forgotten with the last of them.
#[derive(Debug)]
pub(crate) struct FleetWatcher {
    change: Option<u64>,
    latest: Arc<LatestReading>,
    /// Since when it watches.
    since: Instant,
    /// When its user was last known to be allowed to see the edges.
    allowed: Instant,
}

impl FleetReadings {
    /// Watches the edges, or which of them have applied a change, for a user who has just been allowed to.
    pub(crate) fn watch(&self, change: Option<u64>) -> FleetWatcher {
        let mut readings = self.readings();
        let latest = readings.get(&change).and_then(Weak::upgrade).unwrap_or_else(|| {
            readings.retain(|_, latest| latest.strong_count() > 0);
            let latest = Arc::default();
            readings.insert(change, Arc::downgrade(&latest));
            latest
        });
        let now = Instant::now();
        FleetWatcher { change, latest, since: now, allowed: now }
    }

    /// What is behind the lock is whole before anything could panic.
    fn readings(&self) -> MutexGuard<'_, HashMap<Option<u64>, Weak<LatestReading>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FleetWatcher {
    /// The edges as they were at most `age_max` ago.
    ///
    /// # Errors
    ///
    /// [`RestFailure`] when the key service does not say, or the user may not see them any more.
    pub(crate) async fn look(
        &mut self,
        person: &Person,
        age_max: Duration,
    ) -> Result<Arc<AskedFleet>, RestFailure> {
        if self.allowed.elapsed() >= EDGES_RIGHT_LOOKED_AT_EVERY {
            let begun = Instant::now();
            if !PersonRights::without_run_as(person).await?.sees_edges() {
                let reason = "the user may not see the edges any more".to_owned();
                return Err(RestFailure::Refused { status: StatusCode::FORBIDDEN, reason });
            }
            self.allowed = begun;
        }
        let mut latest = self.latest.lock().await;
        if let Some(Reading { begun, fleet }) = &*latest
            && *begun >= self.since
            && begun.elapsed() < age_max
        {
            return Ok(Arc::clone(fleet));
        }
        let begun = Instant::now();
        let fleet = Arc::new(match self.change {
            Some(change) => AskedFleet::after_change(person, change).await?,
            None => AskedFleet::now(person).await?,
        });
        // A list may be long, and what nobody else watches needs not be kept.
        let is_shared = Arc::strong_count(&self.latest) > 1;
        *latest = is_shared.then(|| Reading { begun, fleet: Arc::clone(&fleet) });
        Ok(fleet)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use axum::Router;
    use axum::routing::{get, post};
    use futures_util::future::join_all;
    use zeroize::Zeroizing;

    use super::*;
    use crate::rest::{Origin, Rest};

    /// An interface that counts how often the edges are listed, and refuses them to whom it is told to.
    #[derive(Default)]
    struct Interface {
        lists: AtomicUsize,
        is_refused: AtomicBool,
    }

    fn person(interface: &Arc<Interface>) -> Person {
        let (listing, deciding) = (Arc::clone(interface), Arc::clone(interface));
        let list = async move || {
            let count = listing.lists.fetch_add(1, Ordering::SeqCst);
            // The others come while it is answered.
            tokio::task::yield_now().await;
            format!(
                r#"{{"epoch":"e","complete":true,"total":{count},"live":0,"current":0,"silent":0,"edges":[]}}"#
            )
        };
        let decide = async move || {
            let may = !deciding.is_refused.load(Ordering::SeqCst);
            format!(r#"{{"cluster":{{"monitor":{may}}}}}"#)
        };
        let interface = Router::new()
            .route("/_latchkey/edges", get(list))
            .route("/_security/user/_has_privileges", post(decide));
        Person::new(Rest::new(interface), Zeroizing::new("Basic x".to_owned()), Origin::default())
    }

    /// Longer than any test takes.
    const LONG: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn pages_that_watch_at_the_same_time_cost_one_list_of_edges() {
        let (readings, interface) = (FleetReadings::default(), Arc::<Interface>::default());
        let person = person(&interface);
        let lists = || interface.lists.load(Ordering::SeqCst);
        let mut watchers: Vec<_> = (0..50).map(|_| readings.watch(None)).collect();
        for _ in 0..3 {
            let looks = watchers.iter_mut().map(|watcher| watcher.look(&person, LONG));
            for fleet in join_all(looks).await {
                assert_eq!(fleet.unwrap().total, 0, "all see the first reading");
            }
        }
        assert_eq!(lists(), 1);
        let fleet = watchers[7].look(&person, Duration::ZERO).await.unwrap();
        assert_eq!((fleet.total, lists()), (1, 2), "what is too old is asked for anew");
        let fleet = watchers[8].look(&person, LONG).await.unwrap();
        assert_eq!((fleet.total, lists()), (1, 2), "and the others have it as well");
        let mut alone = readings.watch(Some(7));
        let of_change = alone.look(&person, LONG).await.unwrap();
        assert_eq!((of_change.total, lists()), (2, 3), "a change that is watched is another question");
        assert!(alone.latest.lock().await.is_none(), "what one page alone watches is not kept");
        drop(alone);
        let mut later = readings.watch(None);
        let fleet = later.look(&person, LONG).await.unwrap();
        assert_eq!((fleet.total, lists()), (3, 4), "a new page is told nothing older than itself");
        let fleet = watchers[9].look(&person, LONG).await.unwrap();
        assert_eq!((fleet.total, lists()), (3, 4), "and the others have that as well");
        watchers.clear();
        drop(later);
        let fleet = readings.watch(None).look(&person, LONG).await.unwrap();
        assert_eq!((fleet.total, lists()), (4, 5), "nothing is kept when nobody watches");
        assert_eq!(readings.readings().len(), 1);
    }

    #[tokio::test]
    async fn nobody_sees_by_another_what_is_not_shown_any_more() {
        let (readings, interface) = (FleetReadings::default(), Arc::<Interface>::default());
        let person = person(&interface);
        let (mut one, mut other) = (readings.watch(None), readings.watch(None));
        assert!(one.look(&person, LONG).await.is_ok());
        interface.is_refused.store(true, Ordering::SeqCst);
        assert!(other.look(&person, LONG).await.is_ok(), "it was allowed not long ago");
        other.allowed = Instant::now().checked_sub(EDGES_RIGHT_LOOKED_AT_EVERY).unwrap();
        let refused = other.look(&person, LONG).await.unwrap_err();
        assert!(matches!(refused, RestFailure::Refused { status: StatusCode::FORBIDDEN, .. }), "{refused}");
        assert_eq!(interface.lists.load(Ordering::SeqCst), 1);
    }
}
