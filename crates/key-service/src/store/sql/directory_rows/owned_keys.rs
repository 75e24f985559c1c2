//! What becomes of the keys of a user who is shut out, or let in again.

use crate::audit::directory_events::DirectoryEvent;
use crate::audit::token_events::TokenEvent;
use crate::audit::{ChangeAction, ChangeEvent};
use crate::store::StoreError;
use crate::store::directory::users::{Account, ShutOut};
use crate::store::sql::directory_rows::suspension::{IS_SUSPENDED, tell_again};
use crate::store::sql::query::Query;
use crate::store::sql::row::millis;
use crate::store::sql::transaction::Transaction;
use crate::store::sql::{key_rows, write_event};

/// What was ended with an account.
#[derive(Default)]
pub(super) struct Ended {
    pub(super) tokens: Option<TokenEvent>,
    pub(super) keys: Option<ChangeEvent>,
    pub(super) shut_out: ShutOut,
}

pub(super) async fn working_keys(
    change: &mut Transaction,
    account: &Account,
    event: &DirectoryEvent,
) -> Result<u64, StoreError> {
    let count = format!(
        "select count(*) from api_key where owner_username = ? and owner_realm in (?, ?)
         and invalidation is null and (expiration is null or expiration > ?) and not ({IS_SUSPENDED})"
    );
    let [of_keys, own] = account.realms_of_keys();
    let count = Query::new(count).bind(&account.username).bind(own).bind(of_keys).bind(millis(event.at));
    let count: i64 = change.fetch_one(count).await?.scalar()?;
    u64::try_from(count).map_err(|_| StoreError::Corrupt("number of keys"))
}

/// Whether the account has more keys than these that were not invalidated.
pub(super) async fn has_more_keys(
    change: &mut Transaction,
    account: &Account,
    keys_max: usize,
) -> Result<bool, StoreError> {
    let [of_keys, own] = account.realms_of_keys();
    let one_more = "select id from api_key where owner_username = ? and owner_realm in (?, ?)
                    and invalidation is null limit 1 offset ?";
    let keys_max = i64::try_from(keys_max).unwrap_or(i64::MAX);
    let one_more = Query::new(one_more).bind(&account.username).bind(own).bind(of_keys).bind(keys_max);
    Ok(change.fetch_optional(one_more).await?.is_some())
}

/// Tells the feed anew of so many keys at most, which were suspended or work again.
pub(super) async fn tell_of_keys(
    change: &mut Transaction,
    account: &Account,
    (action, keys_max): (ChangeAction, usize),
    event: &DirectoryEvent,
    ended: &mut Ended,
) -> Result<(), StoreError> {
    let keys = ChangeEvent { at: event.at, action, actor: event.actor.clone(), key_ids: Vec::new() };
    let (told, keys) = tell_again(change, account, None, keys_max, &keys).await?;
    ended.keys = keys;
    ended.shut_out.note(told);
    Ok(())
}

/// Ends so many keys at most.
pub(super) async fn end_keys(
    change: &mut Transaction,
    account: &Account,
    keys_max: usize,
    event: &DirectoryEvent,
    ended: &mut Ended,
) -> Result<(), StoreError> {
    let ShutOut { left, is_whole, .. } = &mut ended.shut_out;
    for filter in account.keys() {
        let rest = keys_max - left.ended.len();
        for (cursor, id) in key_rows::end(change, &filter, event.at, Some(rest)).await? {
            left.cursor = Some(cursor);
            left.ended.push(id);
        }
    }
    *is_whole = left.ended.len() < keys_max;
    if left.cursor.is_some() {
        let keys = ChangeEvent {
            at: event.at,
            action: ChangeAction::InvalidateApiKeys,
            actor: event.actor.clone(),
            key_ids: left.ended.clone(),
        };
        write_event(change, &keys).await?;
        ended.keys = Some(keys);
    }
    Ok(())
}
