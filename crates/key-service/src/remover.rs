//! Looks, now and then, for keys that have been dead for long enough, and removes them; and for changes that
//! the audit log has kept for long enough.
//!
//! Elasticsearch looks only when keys are invalidated. So does this service, and by a timer as well, so that
//! one that is never asked to invalidate anything cleans up too. Both keep the same interval: the store notes
//! when a run began.

use std::sync::Arc;

use latchkey_key_feed::UnixMillis;

use crate::clock::Clock;
use crate::limits::{REMOVAL_CHECK_INTERVAL_MAX, REMOVAL_CHECK_INTERVAL_MIN};
use crate::store::KeyStore;
use crate::store::audit_trail;
use crate::store::removal::{self, RemovalPolicy};
use crate::telemetry;

/// Removes the dead keys of one store.
#[derive(Clone, derive_more::Debug)]
#[debug("Remover {{ policy: {policy:?}, .. }}")]
pub(crate) struct Remover {
    store: KeyStore,
    policy: RemovalPolicy,
    clock: Arc<dyn Clock>,
}

impl Remover {
    /// A remover that does nothing until it is asked.
    #[must_use]
    pub(crate) fn new(store: KeyStore, policy: RemovalPolicy, clock: Arc<dyn Clock>) -> Self {
        Self { store, policy, clock }
    }

    /// Removes what is dead by now, if that is due. Trouble is counted and logged; the next run finds what
    /// this one left.
    pub(crate) async fn run(&self) {
        self.run_as_of(self.clock.now()).await;
    }

    async fn run_as_of(&self, now: UnixMillis) {
        match removal::remove_dead_keys(&self.store, &self.policy, now).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "removed dead API keys"),
            Err(error) => {
                telemetry::store_failed(error.kind());
                tracing::error!(error = &error as &dyn std::error::Error, "dead API keys were not removed");
            }
        }
        let Some(retention) = self.policy.audit_retention else { return };
        match audit_trail::forget_older(&self.store, retention, now).await {
            Ok(0) => {}
            Ok(forgotten) => tracing::info!(forgotten, "old changes of the audit log were forgotten"),
            Err(error) => {
                telemetry::store_failed(error.kind());
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "old changes of the audit log were not forgotten"
                );
            }
        }
    }

    /// The same, without making the caller wait.
    pub(crate) fn run_soon(&self) {
        let remover = self.clone();
        let now = self.clock.now();
        tokio::spawn(async move { remover.run_as_of(now).await });
    }

    /// Does so for ever.
    pub(crate) async fn keep_running(self) {
        let pause = self.policy.interval.clamp(REMOVAL_CHECK_INTERVAL_MIN, REMOVAL_CHECK_INTERVAL_MAX);
        loop {
            self.run().await;
            tokio::time::sleep(pause).await;
        }
    }
}
