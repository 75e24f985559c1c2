//! How often keys are used, as it is stored.

use latchkey_key_feed::KeyId;

use crate::model::key_usage::KeyUsage;
use crate::store::sql::usage_rows;
use crate::store::{KeyStore, StoreError};

/// Adds uses of keys. Those of keys that are gone are passed over.
///
/// # Errors
///
/// [`StoreError`] when not all of it is durable.
pub(crate) async fn add(store: &KeyStore, usage: &[(KeyId, KeyUsage)]) -> Result<(), StoreError> {
    usage_rows::add_usage(&store.database, usage).await
}

#[cfg(test)]
mod tests {
    use latchkey_key_feed::UnixMillis;

    use super::*;
    use crate::store::tests::ScratchStore;

    fn used(uses: u64, at: u64, edge: Option<&str>) -> KeyUsage {
        KeyUsage {
            uses,
            last_used: Some(UnixMillis(at)),
            last_used_edge: edge.map(str::to_owned),
            ..KeyUsage::default()
        }
    }

    fn wrong(wrong_secrets: u64, at: u64) -> KeyUsage {
        KeyUsage { wrong_secrets, last_wrong_secret: Some(UnixMillis(at)), ..KeyUsage::default() }
    }

    fn of(id: &str, usage: KeyUsage) -> (KeyId, KeyUsage) {
        (KeyId::try_from(id.to_owned()).unwrap(), usage)
    }

    #[tokio::test]
    async fn uses_add_up_whoever_tells_and_are_no_change_of_the_key() {
        let scratch = ScratchStore::new().await;
        let store = &scratch.store;
        scratch.create("a").await;
        scratch.create("b").await;
        let before = store.parsed_page(latchkey_key_feed::Cursor(0), 10).await.unwrap();
        assert!(store.find("a").await.unwrap().unwrap().usage.is_empty());
        add(store, &[of("a", used(2, 50, Some("east"))), of("gone", used(1, 50, None))]).await.unwrap();
        add(store, &[of("a", used(3, 40, Some("west"))), of("b", wrong(7, 60))]).await.unwrap();
        add(store, &[of("a", wrong(1, 70))]).await.unwrap();
        let of_a = KeyUsage {
            wrong_secrets: 1,
            last_wrong_secret: Some(UnixMillis(70)),
            ..used(5, 50, Some("east"))
        };
        assert_eq!(store.find("a").await.unwrap().unwrap().usage, of_a);
        assert_eq!(store.find("b").await.unwrap().unwrap().usage, wrong(7, 60));
        add(store, &[of("a", used(1, 90, None))]).await.unwrap();
        let usage = store.find("a").await.unwrap().unwrap().usage;
        assert_eq!((usage.uses, usage.last_used_edge), (6, None), "the last use was at the service itself");
        assert_eq!(store.parsed_page(latchkey_key_feed::Cursor(0), 10).await.unwrap(), before);
    }

    #[tokio::test]
    async fn more_keys_than_are_written_at_once_are_all_written() {
        let scratch = ScratchStore::new().await;
        let count = crate::limits::USAGE_ROWS_AT_ONCE_MAX + 3;
        let keys = (0..count).map(|number| crate::store::tests::key(&format!("k{number}"))).collect();
        let (action, actor) = (crate::audit::ChangeAction::CreateApiKey, crate::store::tests::actor());
        scratch.store.add(keys, action, actor, UnixMillis(1)).await.unwrap();
        let usage: Vec<_> = (0..count).map(|number| of(&format!("k{number}"), used(1, 5, None))).collect();
        add(&scratch.store, &usage).await.unwrap();
        let all =
            scratch.store.scan(&crate::store::KeyFilter::default(), latchkey_budget::Cancellation::default());
        assert!(all.all().await.unwrap().iter().all(|key| key.usage.uses == 1));
    }

    // Otherwise every key of a store that is upgraded would look as unused as it is old.
    #[tokio::test]
    async fn of_a_key_that_is_older_than_the_counting_it_is_known_since_when_it_is_counted() {
        let scratch = ScratchStore::new().await;
        scratch.create("old").await;
        scratch.store.database.forget_usage().await;
        let store = scratch.another_opening().await;
        store
            .create(crate::store::tests::key("new"), crate::store::tests::actor(), UnixMillis(1))
            .await
            .unwrap();
        let since = async |id: &str| store.find(id).await.unwrap().unwrap().usage.counted_since;
        // The tests' clock stands at 1970, the database's does not.
        assert!(since("old").await > Some(UnixMillis(1_700_000_000_000)));
        assert_eq!(since("new").await, None);
        add(&store, &[of("old", used(1, 5, None))]).await.unwrap();
        assert!(since("old").await.is_some(), "a use does not change that");
    }

    #[tokio::test]
    async fn what_is_known_of_a_key_goes_with_it() {
        let scratch = ScratchStore::new().await;
        scratch.create("a").await;
        add(&scratch.store, &[of("a", used(1, 5, None))]).await.unwrap();
        scratch.invalidate("a").await;
        let policy = crate::store::removal::RemovalPolicy {
            interval: std::time::Duration::ZERO,
            retention: std::time::Duration::from_millis(1),
            audit_retention: None,
        };
        let removed = crate::store::removal::remove_dead_keys(&scratch.store, &policy, UnixMillis(99)).await;
        assert_eq!(removed.unwrap(), 1);
        scratch.create("a").await;
        assert!(scratch.store.find("a").await.unwrap().unwrap().usage.is_empty());
    }
}
