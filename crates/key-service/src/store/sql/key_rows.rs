//! Making, finding and ending keys.

use std::collections::HashMap;

use latchkey_key_feed::{Cursor, KeptSecrets, KeyId, UnixMillis};

use crate::audit::ChangeEvent;
use crate::model::stored_key::StoredKey;
use crate::store::change::{Change, Done, Verb};
use crate::store::key_entry::KeyEntry;
use crate::store::sql::bulk_insert::insert_rows;
use crate::store::sql::directory_rows::suspension::IS_SUSPENDED;
use crate::store::sql::query::{Parameter, Query};
use crate::store::sql::row::{Row, TEXT_COLUMNS, cursor, entry_columns, json_text, key_columns, millis};
use crate::store::sql::transaction::Transaction;
use crate::store::sql::usage_rows::KEYS_WITH_USAGE;
use crate::store::sql::{SqlStore, take_seqs, write_events};
use crate::store::{KeyFilter, NamePattern, StoreError};

/// A key as the database has it: what is JSON in it is still text.
#[derive(derive_more::Debug)]
#[debug("UnreadKey")]
pub struct UnreadKey {
    row: Row,
    len: usize,
}

/// The keys that have one of these ids, dead or alive, in any order, each by its id. An id may be there
/// twice. A key that is not readable is trouble for who asks for it, not for the others. What is long of
/// them stays in the database.
pub(in crate::store) async fn find_all(
    database: &SqlStore,
    mut ids: Vec<String>,
) -> Result<Vec<(String, Result<KeyEntry, StoreError>)>, StoreError> {
    ids.sort_unstable();
    ids.dedup();
    let mut query = Query::new("select ");
    query.push(entry_columns()).push(" from ").push(KEYS_WITH_USAGE).push(" where id ");
    match ids.as_slice() {
        [id] => query.push("= ").push_bind(id),
        ids => query.push_in_texts(ids)?,
    };
    let rows = database.fetch_all(query).await?;
    rows.iter().map(|row| Ok((row.get("id")?, row.key_entry()))).collect()
}

pub(in crate::store) async fn any_is_active(
    database: &SqlStore,
    now: UnixMillis,
) -> Result<bool, StoreError> {
    let active = "select id from api_key where invalidation is null and (expiration is null or expiration > ?) limit 1";
    Ok(database.fetch_optional(Query::new(active).bind(millis(now))).await?.is_some())
}

/// How many keys end after the one moment and not after the other.
pub(in crate::store) async fn count_ending(
    database: &SqlStore,
    after: UnixMillis,
    until: UnixMillis,
) -> Result<u64, StoreError> {
    // As the index has it: `api_key_by_state`.
    let count =
        "select count(*) from api_key where invalidation is null and expiration > ? and expiration <= ?";
    let row = database.fetch_optional(Query::new(count).bind(millis(after)).bind(millis(until))).await?;
    let count: i64 = row.map_or(Ok(0), |row| row.scalar())?;
    Ok(u64::try_from(count).unwrap_or_default())
}

pub(in crate::store) async fn find_unread(
    database: &SqlStore,
    id: &str,
) -> Result<Option<UnreadKey>, StoreError> {
    let mut query = Query::new("select ");
    query.push(key_columns()).push(" from ").push(KEYS_WITH_USAGE).push(" where id = ").push_bind(id);
    let row = database.fetch_optional(query).await?;
    row.map(|row| Ok(UnreadKey { len: row.texts_len(&TEXT_COLUMNS)?, row })).transpose()
}

impl UnreadKey {
    /// The bytes of its texts.
    #[must_use]
    pub fn texts_len(&self) -> usize {
        self.len
    }

    /// Reads it, which takes as long as it is.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it is not readable.
    pub fn read(self) -> Result<StoredKey, StoreError> {
        self.row.stored_key()
    }
}

/// Adds the keys of these changes, each key under a sequence number of its own.
pub(super) async fn add(change: &mut Transaction, additions: &[Change]) -> Result<Vec<Done>, StoreError> {
    let count = number_of(additions.iter().map(|addition| addition.added().len()).sum())?;
    let mut seq = take_seqs(change, count, count).await? - count;
    let mut rows = Vec::new();
    let mut done = Vec::with_capacity(additions.len());
    for addition in additions {
        for key in addition.added() {
            seq += 1;
            rows.push(key_values(key, seq)?);
        }
        done.push(Done::of(Some((cursor(seq)?, addition.event.clone()))));
    }
    insert_rows(change, INSERT_KEYS, rows).await.map_err(id_taken)?;
    write_events(change, &done).await?;
    Ok(done)
}

/// Ends the keys that these changes select, each key under a sequence number of its own, and fills in the
/// events' ids. What is ended together is ended at one moment. More than one change may only name keys, and a
/// key is ended by the first that names it.
pub(super) async fn invalidate(
    change: &mut Transaction,
    endings: &[Change],
) -> Result<Vec<Done>, StoreError> {
    let at = endings.iter().map(|ending| ending.event.at).max().unwrap_or_default();
    let (filter, keys_max, enders) = selected_together(endings);
    let mut done: Vec<(Option<Cursor>, ChangeEvent)> =
        endings.iter().map(|ending| (None, ChangeEvent { at, ..ending.event.clone() })).collect();
    let ended = end(change, &filter, at, keys_max).await?;
    for (seq, id) in ended {
        let ender = enders.get(id.as_str()).copied().unwrap_or_default();
        if let Some((cursor, event)) = done.get_mut(ender) {
            *cursor = Some(seq);
            event.key_ids.push(id);
        }
    }
    let done: Vec<Done> =
        done.into_iter().map(|(cursor, event)| Done::of(cursor.map(|cursor| (cursor, event)))).collect();
    write_events(change, &done).await?;
    Ok(done)
}

/// What the changes select together, how many of it may end, and for each named key the first change that names it.
fn selected_together(endings: &[Change]) -> (KeyFilter, Option<usize>, HashMap<&str, usize>) {
    if let [Change { verb: Verb::Invalidate(filter, keys_max), .. }] = endings {
        return (filter.clone(), Some(*keys_max), HashMap::new());
    }
    let mut enders = HashMap::new();
    for (position, ending) in endings.iter().enumerate() {
        for id in ending.named() {
            enders.entry(id.as_str()).or_insert(position);
        }
    }
    let ids = enders.keys().map(|id| (*id).to_owned()).collect();
    // They are no more than a group has.
    (KeyFilter { ids: Some(ids), ..KeyFilter::default() }, None, enders)
}

/// Ends keys, and gives the sequence number and the id of each, in the order of the numbers. Where there is a limit,
/// those that were changed longest ago are left.
pub(super) async fn end(
    change: &mut Transaction,
    filter: &KeyFilter,
    at: UnixMillis,
    keys_max: Option<usize>,
) -> Result<Vec<(Cursor, KeyId)>, StoreError> {
    let mut query = Query::new(
        "with ended as (select id, row_number() over (order by seq) as position from
           (select id, seq from api_key where invalidation is null",
    );
    push_filter(&mut query, filter)?;
    if let Some(keys_max) = keys_max {
        let keys_max = i64::try_from(keys_max).unwrap_or(i64::MAX);
        query.push(" order by seq desc limit ").push_bind(keys_max);
    }
    query.push(") as selected) update api_key set invalidation = ").push_bind(millis(at));
    query.push(
        ", seq = (select seq from feed_state) + ended.position,
           ended_through = (select seq from feed_state) + (select count(*) from ended)
         from ended where api_key.id = ended.id
         returning api_key.id as id, api_key.seq as seq",
    );
    let rows = change.fetch_all(query).await?;
    let mut ended = rows.iter().map(ended_key).collect::<Result<Vec<_>, _>>()?;
    ended.sort_unstable_by_key(|(seq, _)| *seq);
    let count = number_of(ended.len())?;
    if count > 0 {
        take_seqs(change, count, -count).await?;
    }
    Ok(ended)
}

fn ended_key(row: &Row) -> Result<(Cursor, KeyId), StoreError> {
    Ok((row.cursor("seq")?, row.key_id()?))
}

fn number_of(keys: usize) -> Result<i64, StoreError> {
    i64::try_from(keys).map_err(|_| StoreError::Corrupt("number of keys"))
}

/// The beginning of a statement that adds keys.
pub(super) const INSERT_KEYS: &str = "insert into api_key
     (id, creation, salt, digest, owner_username, owner_realm, owner_realm_type, owner_full_name, owner_email,
      owner_metadata, name, expiration, role_descriptors, role_names, limited_by, limited_by_names, metadata, seq,
      invalidation, roles_vouched, metadata_vouched, vouched_role_names, vouched_seq, rotation, previous_digest,
      previous_until)
   values ";

/// The values of one key, in the order of [`INSERT_KEYS`].
pub(super) fn key_values(key: &StoredKey, seq: i64) -> Result<[Parameter; 26], StoreError> {
    let role_names: Vec<&str> = key.role_descriptors.names().collect();
    let limited_by_names: Vec<&str> = key.limited_by.names().collect();
    let KeptSecrets { salt, current, previous } = &key.secrets;
    Ok([
        key.id.as_str().into(),
        millis(key.creation).into(),
        salt.as_bytes().as_slice().into(),
        current.as_bytes().as_slice().into(),
        (&key.owner.username).into(),
        (&key.owner.realm).into(),
        (&key.owner.realm_type).into(),
        (&key.owner.full_name).into(),
        (&key.owner.email).into(),
        json_text(&key.owner.metadata)?.into(),
        (&key.name).into(),
        key.expiration.map(millis).into(),
        json_text(&key.role_descriptors)?.into(),
        json_text(&role_names)?.into(),
        json_text(&key.limited_by)?.into(),
        json_text(&limited_by_names)?.into(),
        json_text(&key.metadata)?.into(),
        seq.into(),
        key.invalidation.map(millis).into(),
        key.vouching.roles.into(),
        key.vouching.metadata.into(),
        json_text(&key.vouched_roles())?.into(),
        seq.into(),
        key.rotation.map(millis).into(),
        previous.as_ref().map(|previous| previous.digest.as_bytes().as_slice()).into(),
        previous.map(|previous| millis(previous.until)).into(),
    ])
}

pub(super) fn push_filter(query: &mut Query, filter: &KeyFilter) -> Result<(), StoreError> {
    if let Some(ids) = &filter.ids {
        query.push(" and id ").push_in_texts(ids)?;
    }
    match &filter.name {
        Some(NamePattern::Exact(name)) => {
            query.push(" and name = ").push_bind(name.clone());
        }
        Some(NamePattern::Prefix(prefix)) => {
            // The first condition is what the index is for; both databases order these texts by their bytes.
            query.push(" and name >= ").push_bind(prefix.clone());
            let chars = i64::try_from(prefix.chars().count()).unwrap_or(i64::MAX);
            query
                .push(" and substr(name, 1, cast(")
                .push_bind(chars)
                .push(" as integer)) = ")
                .push_bind(prefix.clone());
        }
        None => {}
    }
    if let Some(username) = &filter.username {
        query.push(" and owner_username = ").push_bind(username.clone());
    }
    if let Some(realm) = &filter.realm {
        query.push(" and owner_realm = ").push_bind(realm.clone());
    }
    if let Some(now) = filter.active_at {
        query.push(" and invalidation is null and (expiration is null or expiration > ");
        query.push_bind(millis(now)).push(") and not (").push(IS_SUSPENDED).push(")");
    }
    Ok(())
}

/// Only an id can be there twice: the sequence number was taken for this key.
fn id_taken(error: StoreError) -> StoreError {
    let StoreError::Unavailable(cause) = &error else { return error };
    match cause.downcast_ref() {
        Some(sqlx::Error::Database(database)) if database.is_unique_violation() => StoreError::IdTaken,
        _ => error,
    }
}
