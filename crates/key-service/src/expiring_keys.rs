//! Counts, now and then, the keys that end soon, so that an operator hears of them before their users do.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::store::KeyStore;
use crate::store::searches::Searches;
use crate::telemetry;

/// How soon.
const WITHIN: Duration = Duration::from_secs(7 * 24 * 3_600);

/// The pause between two counts. Each reads no more of an index than it counts.
const PAUSE: Duration = Duration::from_secs(60);

/// Counts the keys of one store for ever. When the store cannot tell, the latest count stands.
pub(crate) async fn keep_counting(store: KeyStore, clock: Arc<dyn Clock>) {
    loop {
        let now = clock.now();
        match Searches::of(&store).ending_in(now, now.plus(WITHIN)).await {
            Ok(count) => telemetry::keys_expiring(count),
            Err(error) => telemetry::store_failed(error.kind()),
        }
        tokio::time::sleep(PAUSE).await;
    }
}
