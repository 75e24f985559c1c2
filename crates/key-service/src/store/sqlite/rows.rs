//! Between columns and the words of the store.

use latchkey_key_feed::limits::{DIGEST_LEN, SALT_LEN};
use latchkey_key_feed::{Cursor, KeyId, Salt, SecretDigest, UnixMillis};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::store::{KeyOwner, StoreError, StoredKey};

/// The columns that [`stored_key`] reads.
pub(super) const KEY_COLUMNS: &str = "id, salt, digest, name, owner_username, owner_realm, owner_realm_type, \
     owner_full_name, owner_email, owner_metadata, creation, expiration, invalidation, role_descriptors, \
     limited_by, metadata";

pub(super) fn stored_key(row: &SqliteRow) -> Result<StoredKey, StoreError> {
    Ok(StoredKey {
        id: key_id(row)?,
        salt: salt(row)?,
        digest: digest(row)?,
        name: row.try_get("name")?,
        owner: KeyOwner {
            username: row.try_get("owner_username")?,
            realm: row.try_get("owner_realm")?,
            realm_type: row.try_get("owner_realm_type")?,
            full_name: row.try_get("owner_full_name")?,
            email: row.try_get("owner_email")?,
            metadata: json(row, "owner_metadata")?,
        },
        creation: moment(row.try_get("creation")?)?,
        expiration: row.try_get::<Option<i64>, _>("expiration")?.map(moment).transpose()?,
        invalidation: row.try_get::<Option<i64>, _>("invalidation")?.map(moment).transpose()?,
        role_descriptors: json(row, "role_descriptors")?,
        limited_by: json(row, "limited_by")?,
        metadata: json(row, "metadata")?,
    })
}

pub(super) fn key_id(row: &SqliteRow) -> Result<KeyId, StoreError> {
    KeyId::try_from(row.try_get::<String, _>("id")?).map_err(|_| StoreError::Corrupt("id"))
}

pub(super) fn salt(row: &SqliteRow) -> Result<Salt, StoreError> {
    let bytes: [u8; SALT_LEN] =
        row.try_get::<&[u8], _>("salt")?.try_into().map_err(|_| StoreError::Corrupt("salt"))?;
    Ok(Salt::from_bytes(bytes))
}

pub(super) fn digest(row: &SqliteRow) -> Result<SecretDigest, StoreError> {
    let bytes: [u8; DIGEST_LEN] =
        row.try_get::<&[u8], _>("digest")?.try_into().map_err(|_| StoreError::Corrupt("digest"))?;
    Ok(SecretDigest::from_bytes(bytes))
}

pub(super) fn json<T: DeserializeOwned>(row: &SqliteRow, column: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(row.try_get::<&str, _>(column)?).map_err(|_| StoreError::Corrupt(column))
}

pub(super) fn json_text<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Unavailable(error.into()))
}

pub(super) fn moment(stored: i64) -> Result<UnixMillis, StoreError> {
    u64::try_from(stored).map(UnixMillis).map_err(|_| StoreError::Corrupt("time"))
}

pub(super) fn cursor(stored: i64) -> Result<Cursor, StoreError> {
    u64::try_from(stored).map(Cursor).map_err(|_| StoreError::Corrupt("sequence number"))
}

/// SQLite's integers end at `i64::MAX`: some 292 million years.
pub(super) fn millis(moment: UnixMillis) -> i64 {
    i64::try_from(moment.0).unwrap_or(i64::MAX)
}
