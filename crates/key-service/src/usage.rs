//! How often keys are used: counted in memory, and written to the store now and then.
//!
//! Edges tell of uses, and the service counts those of its own clients. What was not written when the process is
//! killed is lost: what was counted since (`api_keys.usage_written_every`).

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use latchkey_key_feed::{KeyId, KeyUses, UnixMillis, whole_millis};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::limits::{USAGE_PENDING_KEYS_MAX, WRONG_SECRETS_LOGGED_MIN};
use crate::model::key_usage::KeyUsage;
use crate::store::{self, KeyStore};
use crate::telemetry;

/// What was counted and not written.
#[derive(Debug)]
pub(crate) struct UsageLog {
    pending: Mutex<HashMap<KeyId, KeyUsage>>,
    /// To what moments are rounded down.
    resolution: Duration,
}

impl UsageLog {
    /// A log whose counts are written to this store until the service stops. From within a runtime.
    pub(crate) fn begin(
        store: KeyStore,
        resolution: Duration,
        written_every: Duration,
        stopping: watch::Receiver<bool>,
    ) -> Arc<Self> {
        let log = Arc::new(Self { pending: Mutex::default(), resolution });
        tokio::spawn(keep_writing(Arc::downgrade(&log), store, written_every, stopping));
        log
    }

    /// Counts uses of a key, of which this edge tells, or which were of the service itself.
    pub(crate) fn count(&self, id: &KeyId, uses: KeyUses, edge: Option<&str>, now: UnixMillis) {
        let at = Some(UnixMillis(now.0 - now.0 % whole_millis(self.resolution).max(1)));
        let usage = KeyUsage {
            counted_since: None,
            last_used: at.filter(|_| uses.proven > 0),
            uses: uses.proven.into(),
            last_used_edge: edge.filter(|_| uses.proven > 0).map(str::to_owned),
            wrong_secrets: uses.wrong_secret.into(),
            last_wrong_secret: at.filter(|_| uses.wrong_secret > 0),
        };
        self.add(id.clone(), usage);
    }

    fn add(&self, id: KeyId, usage: KeyUsage) {
        let mut pending = self.lock();
        if pending.len() >= USAGE_PENDING_KEYS_MAX && !pending.contains_key(&id) {
            drop(pending);
            telemetry::usage_metrics::lost(usage.uses.saturating_add(usage.wrong_secrets));
            return;
        }
        pending.entry(id).or_default().add(usage);
    }

    fn take(&self) -> Vec<(KeyId, KeyUsage)> {
        mem::take(&mut *self.lock()).into_iter().collect()
    }

    /// A count is whole before anything could panic.
    fn lock(&self) -> MutexGuard<'_, HashMap<KeyId, KeyUsage>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what was counted. What could not be written is written later.
    async fn write(&self, store: &KeyStore) {
        let usage = self.take();
        tell_of_wrong_secrets(&usage);
        if usage.is_empty() {
            return;
        }
        if let Err(error) = store::usage::add(store, &usage).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "uses of keys were not written");
            telemetry::store_failed(error.kind());
            // A slice of it may be there already. Counting it twice is the smaller mistake.
            for (id, usage) in usage {
                self.add(id, usage);
            }
        }
    }
}

/// The metric names no key; the log names the one with the most.
fn tell_of_wrong_secrets(usage: &[(KeyId, KeyUsage)]) {
    let most = usage.iter().max_by_key(|(_, usage)| usage.wrong_secrets);
    let count = most.map_or(0, |(_, usage)| usage.wrong_secrets);
    telemetry::usage_metrics::wrong_secrets_of_one_key(count);
    if let Some((id, _)) = most.filter(|_| count >= WRONG_SECRETS_LOGGED_MIN) {
        tracing::warn!(key_id = %id, count, "an API key is named with wrong secrets");
    }
}

async fn keep_writing(
    log: Weak<UsageLog>,
    store: KeyStore,
    every: Duration,
    mut stopping: watch::Receiver<bool>,
) {
    loop {
        let is_over = timeout(every, stopping.wait_for(|stopping| *stopping)).await.is_ok();
        let Some(log) = log.upgrade() else { return };
        log.write(&store).await;
        if is_over {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::ScratchStore;

    fn id(number: usize) -> KeyId {
        KeyId::try_from(number.to_string()).unwrap()
    }

    fn log() -> UsageLog {
        UsageLog { pending: Mutex::default(), resolution: Duration::from_secs(60) }
    }

    const ONE: KeyUses = KeyUses { proven: 1, wrong_secret: 0 };

    #[test]
    fn uses_of_more_keys_than_may_wait_are_lost() {
        let log = log();
        for number in 0..=USAGE_PENDING_KEYS_MAX {
            log.count(&id(number), ONE, None, UnixMillis(0));
        }
        log.count(&id(0), ONE, None, UnixMillis(0));
        let usage = log.take();
        assert_eq!(usage.len(), USAGE_PENDING_KEYS_MAX);
        assert_eq!(usage.iter().map(|(_, usage)| usage.uses).sum::<u64>(), USAGE_PENDING_KEYS_MAX as u64 + 1);
    }

    #[tokio::test]
    async fn what_could_not_be_written_is_written_later() {
        let scratch = ScratchStore::new().await;
        let key = scratch.create("a").await;
        let log = log();
        log.count(&key.id, ONE, Some("east"), UnixMillis(119_999));
        let closed = scratch.another_opening().await;
        closed.close().await;
        log.write(&closed).await;
        log.count(&key.id, KeyUses { proven: 0, wrong_secret: 2 }, Some("west"), UnixMillis(120_000));
        log.write(&scratch.store).await;
        let expected = KeyUsage {
            counted_since: None,
            last_used: Some(UnixMillis(60_000)),
            uses: 1,
            last_used_edge: Some("east".to_owned()),
            wrong_secrets: 2,
            last_wrong_secret: Some(UnixMillis(120_000)),
        };
        assert_eq!(scratch.store.find("a").await.unwrap().unwrap().usage, expected);
        log.write(&scratch.store).await;
        assert_eq!(scratch.store.find("a").await.unwrap().unwrap().usage, expected, "it is written once");
    }

    #[tokio::test]
    async fn what_is_left_is_written_when_the_service_stops() {
        let scratch = ScratchStore::new().await;
        let key = scratch.create("a").await;
        let (stop, stopping) = watch::channel(false);
        let hour = Duration::from_secs(3_600);
        let log = UsageLog::begin(scratch.store.clone(), hour, hour, stopping);
        log.count(&key.id, ONE, None, UnixMillis(0));
        stop.send_replace(true);
        for _ in 0..1_000 {
            if scratch.store.find("a").await.unwrap().unwrap().usage.uses == 1 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it was never written");
    }
}
