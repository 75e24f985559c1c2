//! The changes that the store keeps for the audit log: reading them, and forgetting what is old of them.

mod kept_event;
mod numbers;
mod wanted;

use std::time::Duration;

use latchkey_budget::Cancellation;
use latchkey_key_feed::UnixMillis;

use crate::limits::{AUDIT_EVENTS_FORGOTTEN_AT_ONCE_MAX, AUDIT_EVENTS_READ_AT_ONCE_MAX};
use crate::store::scan::Scan;
use crate::store::sql::audit_rows;
use crate::store::sql::scan::Selection;
use crate::store::transfer::StoreReader;
use crate::store::{KeyStore, StoreError};

pub(crate) use kept_event::KeptEvent;
#[cfg(test)]
pub(crate) use kept_event::tests::event;
pub(crate) use numbers::{KeptNumbers, NumberRange, Place};
pub(crate) use wanted::{EventFilter, WantedEvents};

/// The events after the one of this number, in their order, and not more than there is room for at once.
///
/// # Errors
///
/// [`StoreError`] when the store cannot tell.
pub(crate) async fn events_after(store: &StoreReader, number: i64) -> Result<Vec<KeptEvent>, StoreError> {
    audit_rows::events_after(&store.database, number, AUDIT_EVENTS_READ_AT_ONCE_MAX).await
}

/// The number of the last event; 0 when there is none.
///
/// # Errors
///
/// [`StoreError`] when the store cannot tell.
pub(crate) async fn latest_number(store: &StoreReader) -> Result<i64, StoreError> {
    audit_rows::latest_number(&store.database).await
}

/// The numbers of the events that are kept.
///
/// # Errors
///
/// [`StoreError`] when the store cannot tell.
pub(crate) async fn kept_numbers(store: &KeyStore) -> Result<KeptNumbers, StoreError> {
    audit_rows::kept_numbers(&store.database).await
}

/// The events that are wanted, until the work is cancelled that reads them.
pub(crate) fn scan(store: &KeyStore, wanted: &WantedEvents, cancellation: Cancellation) -> Scan<KeptEvent> {
    Scan::begin(store.database.clone(), Selection::of_events(wanted), cancellation)
}

/// Forgets what is older than the retention, oldest first and in small pieces, and tells how many events that
/// were. An event that follows a younger one, because the clock was set back, is forgotten with that one.
///
/// # Errors
///
/// [`StoreError`] when the store gave up; what was forgotten until then stays forgotten.
pub(crate) async fn forget_older(
    store: &KeyStore,
    retention: Duration,
    now: UnixMillis,
) -> Result<u64, StoreError> {
    let until = now.minus(retention);
    let mut forgotten = 0;
    loop {
        let few = audit_rows::forget(&store.database, until, AUDIT_EVENTS_FORGOTTEN_AT_ONCE_MAX).await?;
        forgotten += few;
        if few < AUDIT_EVENTS_FORGOTTEN_AT_ONCE_MAX as u64 {
            return Ok(forgotten);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::Actor;
    use crate::model::asked_via::AskedVia;
    use crate::store::tests::{ScratchStore, actor, key};

    use super::*;

    async fn actions(scratch: &ScratchStore) -> Vec<String> {
        let reader = StoreReader { database: scratch.store.database.clone() };
        let events = events_after(&reader, 0).await.unwrap();
        let latest = latest_number(&reader).await.unwrap();
        assert_eq!(latest, events.last().map_or(0, |event| event.number));
        events.into_iter().map(|event| format!("{} {:?}", event.action, event.key_ids)).collect()
    }

    #[tokio::test]
    async fn a_change_is_kept_until_it_is_older_than_the_retention() {
        let scratch = ScratchStore::new().await;
        assert_eq!(actions(&scratch).await, [""; 0]);
        scratch.create("a").await;
        scratch.invalidate("a").await;
        let (made, ended) = (r#"create_api_key ["a"]"#, r#"invalidate_api_keys ["a"]"#);
        assert_eq!(actions(&scratch).await, [made, ended]);
        let forget = async |now| {
            forget_older(&scratch.store, Duration::from_millis(10), UnixMillis(now)).await.unwrap()
        };
        // One was made at 1, the other at 5.
        assert_eq!((forget(0).await, forget(10).await), (0, 0));
        assert_eq!(forget(11).await, 1);
        assert_eq!(actions(&scratch).await, [ended]);
        assert_eq!(forget(15).await, 1);
        assert_eq!(actions(&scratch).await, [""; 0]);
    }

    #[tokio::test]
    async fn what_an_older_version_has_kept_was_asked_directly_or_nobody_knows() {
        let scratch = ScratchStore::new().await;
        scratch.create("old").await;
        scratch.store.database.forget_asked_via().await;
        let store = scratch.another_opening().await;
        let via = Some(AskedVia::Console);
        store.create(key("new"), Actor { via, ..actor() }, UnixMillis(1)).await.unwrap();
        let events = events_after(&StoreReader { database: store.database.clone() }, 0).await.unwrap();
        let kept: Vec<_> = events.iter().map(|event| (&*event.key_ids[0], event.via.as_deref())).collect();
        assert_eq!(kept, [("old", None), ("new", Some("console"))]);
    }
}
