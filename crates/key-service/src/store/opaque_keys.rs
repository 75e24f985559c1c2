//! Keys that were made elsewhere, among them those that are one opaque text.

use latchkey_key_feed::{Cursor, OpaqueKeyPepper, UnixMillis};

use crate::audit::{Actor, ChangeAction, ChangeEvent};
use crate::model::stored_key::StoredKey;
use crate::store::change::{Change, Verb};
use crate::store::sql::opaque_key_rows;
use crate::store::{KeyStore, StoreError};

/// By what opaque keys are found; `None` while there has been none.
///
/// # Errors
///
/// [`StoreError`] when the store cannot tell.
pub(crate) async fn pepper(store: &KeyStore) -> Result<Option<OpaqueKeyPepper>, StoreError> {
    opaque_key_rows::find(&store.database).await
}

/// Adds keys that were made elsewhere, all or none, and tells where that left the feed. `pepper` is the one with
/// which ids of them were made, if they were; it is the store's from then on.
///
/// # Errors
///
/// [`StoreError::IdTaken`] when another key has the id of one of them, [`StoreError::OtherPepper`] when the store has
/// another pepper.
pub(crate) async fn import(
    store: &KeyStore,
    keys: Vec<StoredKey>,
    pepper: Option<OpaqueKeyPepper>,
    actor: Actor,
    now: UnixMillis,
) -> Result<Option<Cursor>, StoreError> {
    let key_ids = keys.iter().map(|key| key.id.clone()).collect();
    let event = ChangeEvent { at: now, action: ChangeAction::ImportApiKeys, actor, key_ids };
    Ok(store.queue.write(Change::new(Verb::Import(keys, pepper), event)).await?.cursor())
}
