//! Changing keys that live.

use crate::audit::ChangeEvent;
use crate::store::change::Done;
use crate::store::sql::query::Query;
use crate::store::sql::row::{KEY_COLUMNS, Row, cursor, json_text, millis};
use crate::store::sql::transaction::Transaction;
use crate::store::sql::{take_seqs, write_event};
use crate::store::update::{KeyChange, KeyUpdate};
use crate::store::{StoreError, StoredKey};

/// Changes the keys with these ids, each under a sequence number of its own, and fills in the event's ids.
pub(super) async fn update(
    change: &mut Transaction,
    ids: &[String],
    update: &KeyUpdate,
    event: &ChangeEvent,
) -> Result<Done, StoreError> {
    let mut event = event.clone();
    let mut updates = Vec::with_capacity(ids.len());
    let mut last = None;
    for id in ids {
        let found = find_for_change(change, id).await?;
        let outcome = match update.apply_to(found, event.at) {
            Ok(Some(key)) => {
                let seq = take_seqs(change, 1, 0).await?;
                write(change, &key, seq).await?;
                event.key_ids.push(key.id);
                last = Some(seq);
                Ok(KeyChange::Updated)
            }
            Ok(None) => Ok(KeyChange::Unchanged),
            Err(refusal) => Err(refusal),
        };
        updates.push((id.clone(), outcome));
    }
    let Some(last) = last else { return Ok(Done { change: None, updates }) };
    write_event(change, &event).await?;
    Ok(Done { change: Some((cursor(last)?, event)), updates })
}

async fn find_for_change(change: &mut Transaction, id: &str) -> Result<Option<StoredKey>, StoreError> {
    let mut query = Query::new("select ");
    query.push(KEY_COLUMNS).push(" from api_key where id = ").push_bind(id);
    change.fetch_optional(query).await?.as_ref().map(Row::stored_key).transpose()
}

/// Everything that a change may change.
async fn write(change: &mut Transaction, key: &StoredKey, seq: i64) -> Result<(), StoreError> {
    let role_names: Vec<&str> = key.role_descriptors.names().collect();
    let limited_by_names: Vec<&str> = key.limited_by.names().collect();
    let update = Query::new(
        "update api_key set owner_realm_type = ?, owner_full_name = ?, owner_email = ?, owner_metadata = ?,
           expiration = ?, role_descriptors = ?, role_names = ?, limited_by = ?, limited_by_names = ?,
           metadata = ?, seq = ?
         where id = ?",
    )
    .bind(&key.owner.realm_type)
    .bind(&key.owner.full_name)
    .bind(&key.owner.email)
    .bind(json_text(&key.owner.metadata)?)
    .bind(key.expiration.map(millis))
    .bind(json_text(&key.role_descriptors)?)
    .bind(json_text(&role_names)?)
    .bind(json_text(&key.limited_by)?)
    .bind(json_text(&limited_by_names)?)
    .bind(json_text(&key.metadata)?)
    .bind(seq)
    .bind(key.id.as_str());
    change.execute(update).await.map(|_| ())
}
