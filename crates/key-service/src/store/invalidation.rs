//! Ending many keys: in parts, so that no transaction is long and other changes are made between them.

use latchkey_key_feed::KeyId;

use crate::audit::ChangeEvent;
use crate::store::change::{Change, Changed, Verb};
use crate::store::{KeyFilter, KeyStore, StoreError};

/// Ends the keys part by part, so many at once, until there are no more. Each part has an event of its own in the audit
/// log.
///
/// Old keys come last. Among them may be the key of an edge, which is told of all that ended before and together with
/// it, and of nothing later.
pub(super) async fn in_parts(
    store: KeyStore,
    filter: KeyFilter,
    event: ChangeEvent,
    keys_max: usize,
) -> Result<Changed<Vec<KeyId>>, StoreError> {
    let mut ended = Changed { outcome: Vec::new(), cursor: None };
    loop {
        let part = Change::new(Verb::Invalidate(filter.clone(), keys_max), event.clone());
        let Some((cursor, part)) = store.queue.write(part).await?.change else { return Ok(ended) };
        let is_last = part.key_ids.len() < keys_max;
        ended.cursor = Some(cursor);
        ended.outcome.extend(part.key_ids);
        if is_last {
            return Ok(ended);
        }
    }
}
