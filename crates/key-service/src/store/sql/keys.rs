//! Making, finding and ending keys.

use futures_util::TryStreamExt as _;
use latchkey_key_feed::{Cursor, KeyId};

use crate::audit::ChangeEvent;
use crate::limits::KEYS_LISTED_MAX;
use crate::store::listing::Listing;
use crate::store::sql::query::Query;
use crate::store::sql::row::{KEY_COLUMNS, Row, cursor, json_text, millis};
use crate::store::sql::transaction::{Transaction, in_time};
use crate::store::sql::{SqlStore, Turn, take_seqs, write_event};
use crate::store::{KeyFilter, NamePattern, StoreError, StoredKey};

impl SqlStore {
    /// Adds keys, each under a sequence number of its own.
    pub(in crate::store) async fn add(
        &self,
        keys: &[StoredKey],
        event: &ChangeEvent,
    ) -> Result<Cursor, StoreError> {
        let mut change = self.begin_change(Turn::Keys).await?;
        let count = i64::try_from(keys.len()).map_err(|_| StoreError::Corrupt("number of keys"))?;
        let latest = take_seqs(&mut change, count, count).await?;
        for (key, seq) in keys.iter().zip(latest - count + 1..) {
            insert(&mut change, key, seq).await?;
        }
        write_event(&mut change, event).await?;
        self.commit(change).await?;
        cursor(latest)
    }

    /// The keys that have one of these ids, dead or alive, in any order. An id may be there twice.
    pub(in crate::store) async fn find_all(
        &self,
        mut ids: Vec<String>,
    ) -> Result<Vec<StoredKey>, StoreError> {
        ids.sort_unstable();
        ids.dedup();
        let mut query = Query::new("select ");
        query.push(KEY_COLUMNS).push(" from api_key where id ");
        match ids.as_slice() {
            [id] => query.push("= ").push_bind(id),
            ids => query.push("in ").push_texts(ids)?,
        };
        self.fetch_all(query).await?.iter().map(Row::stored_key).collect()
    }

    pub(in crate::store) async fn list(&self, filter: &KeyFilter) -> Result<Vec<StoredKey>, StoreError> {
        let mut query = Query::new("select ");
        query.push(KEY_COLUMNS).push(" from api_key where true");
        push_filter(&mut query, filter)?;
        query.push(" order by creation, id limit ").push_bind(i64::from(KEYS_LISTED_MAX) + 1);
        let mut listing = Listing::default();
        let mut rows = self.fetch(query)?;
        while let Some(row) = in_time(rows.try_next()).await? {
            listing.push(row.stored_key()?)?;
        }
        Ok(listing.into_keys())
    }

    /// Ends the selected keys, each under a sequence number of its own, and fills in the event's ids. `None` when the filter
    /// selects no key, which is no change.
    pub(in crate::store) async fn invalidate(
        &self,
        filter: &KeyFilter,
        mut event: ChangeEvent,
    ) -> Result<Option<(Cursor, ChangeEvent)>, StoreError> {
        let mut change = self.begin_change(Turn::Keys).await?;
        let first = take_seqs(&mut change, 0, 0).await?;
        let mut query = Query::new(
            "with ended as (select id, row_number() over (order by seq) as position from api_key
                            where invalidation is null",
        );
        push_filter(&mut query, filter)?;
        query.push(") update api_key set invalidation = ").push_bind(millis(event.at));
        query.push(", seq = ").push_bind(first);
        query.push(" + ended.position from ended where api_key.id = ended.id ");
        query.push("returning api_key.id as id, api_key.seq as seq");
        let mut ended =
            change.fetch_all(query).await?.iter().map(ended_key).collect::<Result<Vec<_>, _>>()?;
        if ended.is_empty() {
            return Ok(None);
        }
        ended.sort_unstable_by_key(|(seq, _)| *seq);
        event.key_ids = ended.into_iter().map(|(_, id)| id).collect();
        let count = i64::try_from(event.key_ids.len()).map_err(|_| StoreError::Corrupt("number of keys"))?;
        let last = take_seqs(&mut change, count, -count).await?;
        write_event(&mut change, &event).await?;
        self.commit(change).await?;
        Ok(Some((cursor(last)?, event)))
    }
}

fn ended_key(row: &Row) -> Result<(Cursor, KeyId), StoreError> {
    Ok((row.cursor("seq")?, row.key_id()?))
}

pub(super) async fn insert(change: &mut Transaction, key: &StoredKey, seq: i64) -> Result<(), StoreError> {
    let mut insert = Query::new(INSERT_KEYS);
    push_key(&mut insert, key, seq)?;
    change.execute(insert).await.map(|_| ()).map_err(id_taken)
}

/// The beginning of a statement that adds keys.
pub(super) const INSERT_KEYS: &str = "insert into api_key
     (id, creation, salt, digest, owner_username, owner_realm, owner_realm_type, owner_full_name, owner_email,
      owner_metadata, name, expiration, role_descriptors, role_names, limited_by, limited_by_names, metadata, seq,
      invalidation)
   values ";

/// Goes on with the values of one key.
pub(super) fn push_key(insert: &mut Query, key: &StoredKey, seq: i64) -> Result<(), StoreError> {
    let role_names: Vec<&str> = key.role_descriptors.names().collect();
    let limited_by_names: Vec<&str> = key.limited_by.names().collect();
    let values = [
        key.id.as_str().into(),
        millis(key.creation).into(),
        key.salt.as_bytes().as_slice().into(),
        key.digest.as_bytes().as_slice().into(),
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
    ];
    insert.push_values(values);
    Ok(())
}

pub(super) fn push_filter(query: &mut Query, filter: &KeyFilter) -> Result<(), StoreError> {
    if let Some(ids) = &filter.ids {
        query.push(" and id in ").push_texts(ids)?;
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
        query.push_bind(millis(now)).push(")");
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
