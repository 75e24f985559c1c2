//! Changing keys that live.

use std::collections::HashSet;

use crate::audit::ChangeEvent;
use crate::limits::GROUP_LEN_MAX;
use crate::model::stored_key::{KeyOwner, StoredKey};
use crate::store::StoreError;
use crate::store::change::Done;
use crate::store::rotation::{KeyRotation, RotatedKey};
use crate::store::sql::query::Query;
use crate::store::sql::row::{Row, cursor, json_text, key_columns, millis};
use crate::store::sql::transaction::Transaction;
use crate::store::sql::usage_rows::KEYS_WITH_USAGE;
use crate::store::sql::{SqlStore, take_seqs, write_event};
use crate::store::update::{KeyChange, KeyUpdate};

/// Those of these ids that are of keys of this owner, alive or dead.
pub(in crate::store) async fn owned_by(
    database: &SqlStore,
    ids: &[String],
    owner: &KeyOwner,
) -> Result<HashSet<String>, StoreError> {
    // No key has an id with a NUL, which PostgreSQL would refuse.
    let ids: Vec<String> = ids.iter().filter(|id| !id.contains('\0')).cloned().collect();
    let mut query = Query::new("select id from api_key where id ");
    query.push_in_texts(&ids)?;
    query.push(" and owner_username = ").push_bind(&owner.username);
    query.push(" and owner_realm = ").push_bind(&owner.realm);
    database.fetch_all(query).await?.iter().map(|row| row.get("id")).collect()
}

/// Changes the keys with these ids, each under a sequence number of its own, and fills in the event's ids.
/// Stops once [`GROUP_LEN_MAX`] bytes are read or written: keys can be long, and a transaction that writes
/// many of them would outlast what a statement may take.
pub(super) async fn update(
    change: &mut Transaction,
    ids: &[String],
    update: &KeyUpdate,
    event: &ChangeEvent,
) -> Result<Done, StoreError> {
    let mut event = event.clone();
    let mut updates = Vec::with_capacity(ids.len());
    let mut last = None;
    let mut len = 0_usize;
    for id in ids {
        if len >= GROUP_LEN_MAX {
            break;
        }
        let found = find_for_change(change, id).await?;
        let found_len = found.as_ref().map_or(0, StoredKey::written_len);
        let outcome = match update.apply_to(found, event.at) {
            Ok(Some(key)) => {
                let seq = take_seqs(change, 1, 0).await?;
                len = len.saturating_add(write(change, &key, seq).await?.saturating_sub(found_len));
                event.key_ids.push(key.id);
                last = Some(seq);
                Ok(KeyChange::Updated)
            }
            Ok(None) => Ok(KeyChange::Unchanged),
            Err(refusal) => Err(refusal),
        };
        len = len.saturating_add(found_len);
        updates.push((id.clone(), outcome));
    }
    let Some(last) = last else { return Ok(Done { updates, ..Done::of(None) }) };
    write_event(change, &event).await?;
    Ok(Done { updates, ..Done::of(Some((cursor(last)?, event))) })
}

/// Gives a key another secret, and fills in the event's id.
pub(super) async fn rotate(
    change: &mut Transaction,
    rotation: &KeyRotation,
    event: &ChangeEvent,
) -> Result<Done, StoreError> {
    let found = find_for_change(change, &rotation.id).await?;
    let key = match rotation.apply_to(found, event.at) {
        Ok(key) => key,
        Err(refusal) => return Ok(Done { rotation: Some(Err(refusal)), ..Done::of(None) }),
    };
    let seq = take_seqs(change, 1, 0).await?;
    write(change, &key, seq).await?;
    let event = ChangeEvent { key_ids: vec![key.id], ..event.clone() };
    write_event(change, &event).await?;
    let rotated = RotatedKey { name: key.name, expiration: key.expiration };
    Ok(Done { rotation: Some(Ok(rotated)), ..Done::of(Some((cursor(seq)?, event))) })
}

async fn find_for_change(change: &mut Transaction, id: &str) -> Result<Option<StoredKey>, StoreError> {
    let mut query = Query::new("select ");
    query.push(key_columns()).push(" from ").push(KEYS_WITH_USAGE).push(" where id = ").push_bind(id);
    change.fetch_optional(query).await?.as_ref().map(Row::stored_key).transpose()
}

/// Writes everything that a change may change, and tells how many bytes of JSON that is.
async fn write(change: &mut Transaction, key: &StoredKey, seq: i64) -> Result<usize, StoreError> {
    let role_names: Vec<&str> = key.role_descriptors.names().collect();
    let limited_by_names: Vec<&str> = key.limited_by.names().collect();
    let owner_metadata = json_text(&key.owner.metadata)?;
    let (roles, limited_by) = (json_text(&key.role_descriptors)?, json_text(&key.limited_by)?);
    let metadata = json_text(&key.metadata)?;
    let previous = key.secrets.previous;
    let len = owner_metadata.len() + roles.len() + limited_by.len() + metadata.len();
    let update = Query::new(
        "update api_key set owner_realm_type = ?, owner_full_name = ?, owner_email = ?, owner_metadata = ?,
           expiration = ?, role_descriptors = ?, role_names = ?, limited_by = ?, limited_by_names = ?,
           metadata = ?, roles_vouched = ?, metadata_vouched = ?, vouched_role_names = ?, vouched_seq = ?, seq = ?,
           digest = ?, rotation = ?, previous_digest = ?, previous_until = ?
         where id = ?",
    )
    .bind(&key.owner.realm_type)
    .bind(&key.owner.full_name)
    .bind(&key.owner.email)
    .bind(owner_metadata)
    .bind(key.expiration.map(millis))
    .bind(roles)
    .bind(json_text(&role_names)?)
    .bind(limited_by)
    .bind(json_text(&limited_by_names)?)
    .bind(metadata)
    .bind(key.vouching.roles)
    .bind(key.vouching.metadata)
    .bind(json_text(&key.vouched_roles())?)
    .bind(seq)
    .bind(seq)
    .bind(key.secrets.current.as_bytes().as_slice())
    .bind(key.rotation.map(millis))
    .bind(previous.as_ref().map(|previous| previous.digest.as_bytes().as_slice()))
    .bind(previous.map(|previous| millis(previous.until)))
    .bind(key.id.as_str());
    change.execute(update).await.map(|_| len)
}
