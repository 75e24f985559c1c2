//! Converts columns to the types of the store.

use latchkey_key_feed::format_limits::{DIGEST_LEN, SALT_LEN};
use latchkey_key_feed::{Cursor, KeptSecrets, KeyId, PreviousSecret, Salt, SecretDigest, UnixMillis};
use latchkey_privileges::vouching::Vouching;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Postgres, Sqlite, Type};
use tokio::sync::Mutex;

use crate::limits::work_limits::LONG_TEXTS_LEN;
use crate::model::stored_key::{KeyOwner, StoredKey};
use crate::store::StoreError;
use crate::store::key_entry::KeyEntry;
use crate::store::sql::directory_rows::suspension::IS_SUSPENDED;
use crate::store::sql::usage_rows::{USAGE_COLUMNS, usage_of};

/// The columns that [`Row::stored_key`] reads, of [`KEYS_WITH_USAGE`](super::usage_rows::KEYS_WITH_USAGE).
pub(super) fn key_columns() -> String {
    format!(
        "({IS_SUSPENDED}) as is_suspended, id, salt, digest, previous_digest, previous_until, rotation, name, owner_username, owner_realm, owner_realm_type, \
         owner_full_name, owner_email, owner_metadata, creation, expiration, invalidation, role_descriptors, \
         limited_by, metadata, roles_vouched, metadata_vouched, vouched_seq = seq as is_vouching_decided, \
         counted_since, last_used, uses, last_used_edge, wrong_secrets, last_wrong_secret"
    )
}

/// The columns that [`Row::key_entry`] reads, of the same: those of a key, without its texts when these are long.
pub(super) fn entry_columns() -> String {
    let len = TEXT_COLUMNS.map(|text| format!("coalesce(octet_length({text}), 0)")).join(" + ");
    let is_short = format!("{len} < {LONG_TEXTS_LEN}");
    let texts = TEXT_COLUMNS.map(|text| format!("case when {is_short} then {text} end as {text}")).join(", ");
    format!(
        "id, salt, digest, previous_digest, previous_until, rotation, name, owner_username, owner_realm, owner_realm_type, creation, expiration, invalidation, \
         roles_vouched, metadata_vouched, vouched_seq = seq as is_vouching_decided, {USAGE_COLUMNS}, ({IS_SUSPENDED}) as is_suspended, \
         {is_short} as is_short, {texts}"
    )
}

/// The columns of a key that clients may make long.
pub(super) const TEXT_COLUMNS: [&str; 6] =
    ["owner_full_name", "owner_email", "owner_metadata", "role_descriptors", "limited_by", "metadata"];

/// A row of either database.
pub(super) enum Row {
    Postgres(PgRow),
    Sqlite(SqliteRow),
}

impl Row {
    /// The value of a column.
    pub(super) fn get<'r, T>(&'r self, column: &str) -> Result<T, StoreError>
    where
        T: Decode<'r, Postgres> + Type<Postgres> + Decode<'r, Sqlite> + Type<Sqlite>,
    {
        Ok(match self {
            Self::Postgres(row) => row.try_get(column)?,
            Self::Sqlite(row) => row.try_get(column)?,
        })
    }

    /// The value of the column at a position, from 0.
    pub(super) fn at<'r, T>(&'r self, position: usize) -> Result<T, StoreError>
    where
        T: Decode<'r, Postgres> + Type<Postgres> + Decode<'r, Sqlite> + Type<Sqlite>,
    {
        Ok(match self {
            Self::Postgres(row) => row.try_get(position)?,
            Self::Sqlite(row) => row.try_get(position)?,
        })
    }

    /// The value of the only column.
    pub(super) fn scalar<'r, T>(&'r self) -> Result<T, StoreError>
    where
        T: Decode<'r, Postgres> + Type<Postgres> + Decode<'r, Sqlite> + Type<Sqlite>,
    {
        self.at(0)
    }

    /// The bytes of the texts in these columns.
    pub(super) fn texts_len(&self, columns: &[&str]) -> Result<usize, StoreError> {
        let mut len = 0;
        for column in columns {
            len += self.get::<Option<&str>>(column)?.map_or(0, str::len);
        }
        Ok(len)
    }

    /// A key of which long texts have not been read.
    pub(super) fn key_entry(&self) -> Result<KeyEntry, StoreError> {
        if self.get("is_short")? {
            return Ok(self.stored_key()?.into());
        }
        Ok(KeyEntry {
            id: self.key_id()?,
            secrets: self.secrets()?,
            username: self.get("owner_username")?,
            realm: self.get("owner_realm")?,
            expiration: self.moment_if_any("expiration")?,
            invalidation: self.moment_if_any("invalidation")?,
            is_suspended: self.get("is_suspended")?,
            whole: None,
            rest: Mutex::default(),
        })
    }

    /// A key that is not readable is named in the log.
    pub(super) fn stored_key(&self) -> Result<StoredKey, StoreError> {
        self.read_key().inspect_err(|error| {
            let id = self.get::<String>("id").unwrap_or_default();
            tracing::error!(key_id = ?id, %error, "an API key in the store is not readable");
        })
    }

    fn read_key(&self) -> Result<StoredKey, StoreError> {
        Ok(StoredKey {
            id: self.key_id()?,
            secrets: self.secrets()?,
            rotation: self.moment_if_any("rotation")?,
            name: self.get("name")?,
            owner: KeyOwner {
                username: self.get("owner_username")?,
                realm: self.get("owner_realm")?,
                realm_type: self.get("owner_realm_type")?,
                full_name: self.get("owner_full_name")?,
                email: self.get("owner_email")?,
                metadata: self.json("owner_metadata")?,
            },
            creation: self.moment("creation")?,
            expiration: self.moment_if_any("expiration")?,
            invalidation: self.moment_if_any("invalidation")?,
            role_descriptors: self.json("role_descriptors")?,
            limited_by: self.json("limited_by")?,
            metadata: self.json("metadata")?,
            vouching: self.vouching()?,
            is_suspended: self.get("is_suspended")?,
            usage: usage_of(self)?,
        })
    }

    /// What was decided for an earlier change of the key does not count.
    fn vouching(&self) -> Result<Vouching, StoreError> {
        if self.get::<Option<bool>>("is_vouching_decided")? != Some(true) {
            return Ok(Vouching::default());
        }
        let vouched = |column| Ok::<_, StoreError>(self.get::<Option<bool>>(column)? == Some(true));
        Ok(Vouching { roles: vouched("roles_vouched")?, metadata: vouched("metadata_vouched")? })
    }

    pub(super) fn key_id(&self) -> Result<KeyId, StoreError> {
        KeyId::try_from(self.get::<String>("id")?).map_err(|_| StoreError::Corrupt("id"))
    }

    pub(super) fn secrets(&self) -> Result<KeptSecrets, StoreError> {
        let salt: [u8; SALT_LEN] =
            self.get::<&[u8]>("salt")?.try_into().map_err(|_| StoreError::Corrupt("salt"))?;
        let current = self.digest("digest")?.ok_or(StoreError::Corrupt("digest"))?;
        let previous = self.digest("previous_digest")?.zip(self.moment_if_any("previous_until")?);
        Ok(KeptSecrets {
            salt: Salt::from_bytes(salt),
            current,
            previous: previous.map(|(digest, until)| PreviousSecret { digest, until }),
        })
    }

    fn digest(&self, column: &'static str) -> Result<Option<SecretDigest>, StoreError> {
        let Some(bytes) = self.get::<Option<&[u8]>>(column)? else { return Ok(None) };
        let bytes: [u8; DIGEST_LEN] = bytes.try_into().map_err(|_| StoreError::Corrupt(column))?;
        Ok(Some(SecretDigest::from_bytes(bytes)))
    }

    pub(super) fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        serde_json::from_str(self.get::<&str>(column)?).map_err(|_| StoreError::Corrupt(column))
    }

    pub(super) fn moment(&self, column: &'static str) -> Result<UnixMillis, StoreError> {
        moment(self.get(column)?)
    }

    pub(super) fn moment_if_any(&self, column: &'static str) -> Result<Option<UnixMillis>, StoreError> {
        self.get::<Option<i64>>(column)?.map(moment).transpose()
    }

    pub(super) fn cursor(&self, column: &'static str) -> Result<Cursor, StoreError> {
        cursor(self.get(column)?)
    }
}

pub(super) fn json_text<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Unavailable(error.into()))
}

pub(super) fn cursor(stored: i64) -> Result<Cursor, StoreError> {
    u64::try_from(stored).map(Cursor).map_err(|_| StoreError::Corrupt("sequence number"))
}

/// The databases' integers end at `i64::MAX`: some 292 million years.
pub(super) fn millis(moment: UnixMillis) -> i64 {
    i64::try_from(moment.0).unwrap_or(i64::MAX)
}

fn moment(stored: i64) -> Result<UnixMillis, StoreError> {
    u64::try_from(stored).map(UnixMillis).map_err(|_| StoreError::Corrupt("time"))
}
