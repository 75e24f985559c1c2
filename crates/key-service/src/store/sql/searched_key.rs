//! Keys as a search looks at them.

use latchkey_budget::json_len::object_len;
use latchkey_key_feed::{KeyId, UnixMillis};
use latchkey_query::{Reads, Searchable};
use serde_json::{Map, Value};

use crate::store::StoreError;
use crate::store::sql::row::Row;

/// Bytes that a key takes in memory besides its texts.
const KEY_LEN: usize = 512;

/// The columns of which clients choose how long they are.
pub(super) const SEARCHED_TEXTS: [&str; 4] = ["name", "owner_username", "role_names", "metadata"];

/// A key of which only that was read by which it is found. What is long in a key are its roles, and most keys that are
/// looked at are not shown.
#[derive(derive_more::Debug)]
#[debug("SearchedKey({id})")]
pub(crate) struct SearchedKey {
    id: KeyId,
    name: String,
    username: String,
    realm: String,
    creation: UnixMillis,
    expiration: Option<UnixMillis>,
    invalidation: Option<UnixMillis>,
    rotation: Option<UnixMillis>,
    previous_secret_expiration: Option<UnixMillis>,
    last_used: Option<UnixMillis>,
    last_wrong_secret: Option<UnixMillis>,
    uses: u64,
    position: i64,
    /// Empty when the search does not read it, as is the metadata.
    roles: Vec<String>,
    metadata: Map<String, Value>,
    /// The bytes of all texts that were read.
    texts_len: usize,
}

/// The columns that [`SearchedKey::read`] reads, of keys, and of their uses where a search reads these. Each costs a
/// search of many keys, so what it does not read is not fetched.
pub(super) fn searched_columns(reads: Reads) -> String {
    let usage = if reads.usage {
        "last_used, last_wrong_secret, uses"
    } else {
        "cast(null as bigint) as last_used, cast(null as bigint) as last_wrong_secret, cast(null as bigint) as uses"
    };
    let roles = if reads.roles { "role_names" } else { "'[]' as role_names" };
    let metadata = if reads.metadata { "metadata" } else { "'{}' as metadata" };
    format!(
        "api_key.rowid as position, id, name, owner_username, owner_realm, creation, expiration, invalidation, rotation, \
         previous_until, {usage}, {roles}, {metadata}"
    )
}

impl SearchedKey {
    /// Where the whole key is.
    pub(crate) fn place(&self) -> i64 {
        self.position
    }

    pub(super) fn read(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.key_id()?,
            name: row.get("name")?,
            username: row.get("owner_username")?,
            realm: row.get("owner_realm")?,
            creation: row.moment("creation")?,
            expiration: row.moment_if_any("expiration")?,
            invalidation: row.moment_if_any("invalidation")?,
            rotation: row.moment_if_any("rotation")?,
            previous_secret_expiration: row.moment_if_any("previous_until")?,
            last_used: row.moment_if_any("last_used")?,
            last_wrong_secret: row.moment_if_any("last_wrong_secret")?,
            uses: u64::try_from(row.get::<Option<i64>>("uses")?.unwrap_or(0)).unwrap_or(0),
            position: row.get("position")?,
            roles: if row.get::<&str>("role_names")? == "[]" { Vec::new() } else { row.json("role_names")? },
            metadata: if row.get::<&str>("metadata")? == "{}" { Map::new() } else { row.json("metadata")? },
            texts_len: row.texts_len(&SEARCHED_TEXTS)?,
        })
    }
}

impl Searchable for SearchedKey {
    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn username(&self) -> &str {
        &self.username
    }

    fn realm_name(&self) -> &str {
        &self.realm
    }

    fn creation(&self) -> UnixMillis {
        self.creation
    }

    fn expiration(&self) -> Option<UnixMillis> {
        self.expiration
    }

    fn invalidation(&self) -> Option<UnixMillis> {
        self.invalidation
    }

    fn rotation(&self) -> Option<UnixMillis> {
        self.rotation
    }

    fn previous_secret_expiration(&self) -> Option<UnixMillis> {
        self.previous_secret_expiration
    }

    fn last_used(&self) -> Option<UnixMillis> {
        self.last_used
    }

    fn last_wrong_secret(&self) -> Option<UnixMillis> {
        self.last_wrong_secret
    }

    fn uses(&self) -> u64 {
        self.uses
    }

    fn roles(&self) -> &[String] {
        &self.roles
    }

    fn position(&self) -> Option<i64> {
        Some(self.position)
    }

    fn metadata(&self) -> &Map<String, Value> {
        &self.metadata
    }

    fn written_len(&self) -> usize {
        self.texts_len
    }

    fn held_len(&self) -> usize {
        KEY_LEN + self.texts_len + object_len(&self.metadata)
    }
}
