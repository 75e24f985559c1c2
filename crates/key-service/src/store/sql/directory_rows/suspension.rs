//! Keys that stop and work again with their owner.
//!
//! Whether a key is suspended stands in the row of its owner alone, and is asked wherever the key is read. So it stops and
//! comes back in the moment of that one change, however many keys there are. Edges only hear of keys that change. So
//! each of the owner's keys gets a new sequence number, under which the feed says that it is removed, or is there.

use latchkey_key_feed::{Cursor, KeyId};

use crate::audit::ChangeEvent;
use crate::store::StoreError;
use crate::store::change::Committed;
use crate::store::directory::users::Account;
use crate::store::sql::precondition_check::begin_change_by;
use crate::store::sql::query::Query;
use crate::store::sql::row::{cursor, millis};
use crate::store::sql::transaction::Transaction;
use crate::store::sql::{ChangeLock, SqlStore, take_seqs, write_event};

/// Whether a row of `api_key` is a key whose owner is disabled together with the keys.
pub(in crate::store::sql) const IS_SUSPENDED: &str =
    "(owner_username, owner_realm) in (select username, realm from suspended_owner)";

/// Keys of which the feed tells anew.
#[derive(Debug, Default)]
pub(in crate::store) struct ToldAgain {
    pub(in crate::store) keys: Vec<KeyId>,
    /// Where the last of them is in the feed.
    pub(in crate::store) cursor: Option<Cursor>,
    /// Keys that stand in the feed behind this are told of already.
    pub(in crate::store) since: Cursor,
    /// Whether there are no more.
    pub(in crate::store) is_whole: bool,
}

/// Puts an account's keys that changed last at `since` or before at the end of the feed, so many at most. Without `since` it
/// is all of them.
pub(super) async fn tell_again(
    change: &mut Transaction,
    account: &Account,
    since: Option<Cursor>,
    keys_max: usize,
    event: &ChangeEvent,
) -> Result<(ToldAgain, Option<ChangeEvent>), StoreError> {
    let latest = cursor(take_seqs(change, 0, 0).await?)?;
    let mut told = ToldAgain { since: since.unwrap_or(latest), ..ToldAgain::default() };
    let [of_keys, own] = account.realms_of_keys();
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    // Who vouches for the key was decided for its latest change, and this changes nothing about that.
    let statement = "with told as (select id, row_number() over (order by seq) as position from
           (select id, seq from api_key where owner_username = ? and owner_realm in (?, ?) and invalidation is null
              and (expiration is null or expiration > ?) and seq <= ? order by seq limit ?) as selected)
         update api_key set
           seq = (select seq from feed_state) + told.position,
           vouched_seq = case when api_key.vouched_seq = api_key.seq
             then (select seq from feed_state) + told.position else api_key.vouched_seq end
         from told where api_key.id = told.id
         returning api_key.id as id, api_key.seq as seq";
    let statement = Query::new(statement)
        .bind(&account.username)
        .bind(own)
        .bind(of_keys)
        .bind(millis(event.at))
        .bind(number(told.since.0))
        .bind(number(keys_max as u64));
    let mut keys = Vec::new();
    for row in change.fetch_all(statement).await? {
        keys.push((row.cursor("seq")?, row.key_id()?));
    }
    keys.sort_unstable_by_key(|(seq, _)| *seq);
    told.is_whole = keys.len() < keys_max;
    told.cursor = keys.last().map(|(seq, _)| *seq);
    take_seqs(change, number(keys.len() as u64), 0).await?;
    told.keys = keys.into_iter().map(|(_, id)| id).collect();
    if told.keys.is_empty() {
        return Ok((told, None));
    }
    let event = ChangeEvent { key_ids: told.keys.clone(), ..event.clone() };
    write_event(change, &event).await?;
    Ok((told, Some(event)))
}

/// The same as a change of its own, for those keys that another left.
pub(in crate::store) async fn tell_the_rest_again(
    database: &SqlStore,
    account: &Account,
    since: Cursor,
    keys_max: usize,
    event: &ChangeEvent,
) -> Result<(ToldAgain, Option<Committed>), StoreError> {
    let mut change =
        begin_change_by(database, ChangeLock::Keys, event.action.into(), &event.actor, event.at).await?;
    let (told, event) = tell_again(&mut change, account, Some(since), keys_max, event).await?;
    match told.cursor {
        Some(_) => database.commit(change).await?,
        None => change.commit().await?,
    }
    let committed = told.cursor.zip(event);
    Ok((told, committed))
}

/// Marks the account's keys as not suspended, and tells whether they were.
pub(super) async fn resume(change: &mut Transaction, account: &Account) -> Result<bool, StoreError> {
    let resumed =
        "update native_user set suspended_realm = null where username = ? and suspended_realm is not null";
    Ok(change.execute(Query::new(resumed).bind(&account.username)).await? > 0)
}

/// Marks the keys of a disabled service account as suspended, and tells whether it is one.
pub(super) async fn suspend(change: &mut Transaction, account: &Account) -> Result<bool, StoreError> {
    let suspended = "update native_user set suspended_realm = ?
                     where username = ? and password_hash is null and not enabled";
    let suspended = Query::new(suspended).bind(&account.realm).bind(&account.username);
    Ok(change.execute(suspended).await? > 0)
}
