//! Removing keys for good, once they have been dead for a while.

use std::time::Duration;

use latchkey_key_feed::{UnixMillis, whole_millis};

use crate::audit::{Actor, ChangeAction, ChangeEvent};
use crate::store::change::{Change, Verb};
use crate::store::sql::removal_rows;
use crate::store::{KeyStore, StoreError};

/// When dead keys go (Elasticsearch, `xpack.security.authc.api_key.delete.*`), and old changes of the audit
/// log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemovalPolicy {
    /// The least time between two runs.
    pub interval: Duration,
    /// How long a key stays visible after it was invalidated or has expired.
    pub retention: Duration,
    /// How long the store keeps a change for the audit log; `None` is for ever.
    pub audit_retention: Option<Duration>,
}

impl Default for RemovalPolicy {
    /// Elasticsearch's own defaults: once a day, after a week. It removes nothing of its audit log.
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(24 * 3_600),
            retention: Duration::from_secs(7 * 24 * 3_600),
            audit_retention: None,
        }
    }
}

impl RemovalPolicy {
    /// Keys that were dead at this moment may be removed; `None` when the retention period reaches back
    /// before 1970.
    #[must_use]
    pub fn dead_since(&self, now: UnixMillis) -> Option<UnixMillis> {
        now.0.checked_sub(whole_millis(self.retention)).map(UnixMillis)
    }

    /// Another run is due if the last one began at this moment or earlier.
    #[must_use]
    pub fn last_run_until(&self, now: UnixMillis) -> UnixMillis {
        now.minus(self.interval)
    }
}

/// Removes, for good, the keys that have been dead for the retention period, if a run is due. Returns how
/// many.
///
/// # Errors
///
/// [`StoreError`] when the store gave up; what was removed until then stays removed.
pub(crate) async fn remove_dead_keys(
    store: &KeyStore,
    policy: &RemovalPolicy,
    now: UnixMillis,
) -> Result<usize, StoreError> {
    let Some(dead_since) = policy.dead_since(now) else { return Ok(0) };
    if !removal_rows::begin_removal(&store.database, policy, now).await? {
        return Ok(0);
    }
    let mut removed = 0;
    loop {
        let event = ChangeEvent {
            at: now,
            action: ChangeAction::RemoveApiKeys,
            actor: Actor::service(),
            key_ids: Vec::new(),
        };
        match store.queue.write(Change::new(Verb::RemoveDead(dead_since), event)).await?.change {
            Some((_, event)) => removed += event.key_ids.len(),
            None => return Ok(removed),
        }
    }
}
