//! The tables of users, and what ends when a user is shut out.
//!
//! Of a user with very many keys, a change ends only a part; [`ShutOut::is_whole`] says so, and the caller goes on. Until then
//! a user who is to be removed is disabled.
//!
//! A change of an account holds the lock of keys. To end tokens it also takes the lock of tokens, always in
//! this order. So a token that is being made at the same time is ended, and a later one finds the account
//! changed.

use crate::audit::directory_events::{DirectoryAction, DirectoryEvent};
use crate::audit::token_events::{AuditedTokens, TokenAction, TokenEvent};
use crate::audit::{ChangeAction, ChangeEvent};
use crate::limits::NATIVE_USERS_MAX;
use crate::model::password::PasswordHash;
use crate::model::stored_user::{NativeUser, ReservedUser, UserKind, UserProfile};
use crate::store::StoreError;
use crate::store::directory::users::{Account, KeysOfUser, ShutOut, UserRefusal};
use crate::store::directory::{Recorded, Written};
use crate::store::sql::directory_rows::{DirectoryChange, rows_in, write_directory_event};
use crate::store::sql::precondition_check::begin_change_by;
use crate::store::sql::query::Query;
use crate::store::sql::row::{Row, json_text, millis};
use crate::store::sql::token_rows::end_tokens;
use crate::store::sql::transaction::Transaction;
use crate::store::sql::{ChangeLock, SqlStore, also_lock, key_rows, write_event};
use crate::store::tokens::{AskedFor, TokenSelection};

pub(in crate::store) async fn find_native_user(
    database: &SqlStore,
    username: &str,
) -> Result<Option<NativeUser>, StoreError> {
    let query = Query::new("select * from native_user where username = ?").bind(username);
    database.fetch_optional(query).await?.as_ref().map(native_user).transpose()
}

pub(in crate::store) async fn has_enabled_user(database: &SqlStore) -> Result<bool, StoreError> {
    let query = Query::new("select username from native_user where enabled = ? limit 1").bind(true);
    Ok(database.fetch_optional(query).await?.is_some())
}

pub(in crate::store) async fn find_reserved_user(
    database: &SqlStore,
    username: &str,
) -> Result<Option<ReservedUser>, StoreError> {
    let query = Query::new("select password_hash, enabled from reserved_user where username = ?");
    database.fetch_optional(query.bind(username)).await?.as_ref().map(reserved_user).transpose()
}

pub(in crate::store) async fn put_user(
    database: &SqlStore,
    account: &Account,
    profile: &UserProfile,
    password: Option<&PasswordHash>,
    keys: KeysOfUser,
    event: DirectoryEvent,
) -> DirectoryChange<Result<(Written, ShutOut), UserRefusal>> {
    let username = &account.username;
    let mut change =
        begin_change_by(database, ChangeLock::Keys, event.action.into(), &event.actor, event.at).await?;
    let exists = "select exists (select 1 from native_user where username = ?)";
    let exists: bool = change.fetch_one(Query::new(exists).bind(username)).await?.scalar()?;
    if !exists && password.is_none() {
        return Ok((Err(UserRefusal::PasswordRequired), None));
    }
    if !exists && rows_in(&mut change, "native_user").await? >= NATIVE_USERS_MAX {
        return Ok((Err(UserRefusal::Full), None));
    }
    change.execute(put(username, profile, password, exists)?).await?;
    let written = if exists { Written::Updated } else { Written::Created };
    let mut ended = Ended::default();
    if exists && !profile.enabled {
        ended = revoke_access(&mut change, account, keys, &event).await?;
    } else if password.is_some() {
        ended.tokens = end_tokens_of(&mut change, account, AskedFor::ByItsPassword, &event).await?;
    }
    let (shut_out, done) = commit_account(database, change, event, ended).await?;
    Ok((Ok((written, shut_out)), done))
}

pub(in crate::store) async fn delete_user(
    database: &SqlStore,
    account: &Account,
    keys: KeysOfUser,
    mut event: DirectoryEvent,
) -> DirectoryChange<Option<ShutOut>> {
    let mut change =
        begin_change_by(database, ChangeLock::Keys, event.action.into(), &event.actor, event.at).await?;
    let removed = "delete from native_user where username = ?";
    let mut statement = Query::new(removed).bind(&account.username);
    // A user who is gone could not be named again, if ending the keys fails in the middle.
    if let KeysOfUser::End { at_once_max } = keys
        && has_more_keys(&mut change, account, at_once_max).await?
    {
        event.action = DirectoryAction::DisableUser;
        statement = set_enabled(account, false);
    }
    revoke_access_by(database, change, statement, account, keys, event).await
}

pub(in crate::store) async fn disable_user(
    database: &SqlStore,
    account: &Account,
    keys: KeysOfUser,
    event: DirectoryEvent,
) -> DirectoryChange<Option<ShutOut>> {
    let change =
        begin_change_by(database, ChangeLock::Keys, event.action.into(), &event.actor, event.at).await?;
    revoke_access_by(database, change, set_enabled(account, false), account, keys, event).await
}

pub(in crate::store) async fn enable_user(
    database: &SqlStore,
    account: &Account,
    event: DirectoryEvent,
) -> DirectoryChange<bool> {
    let mut change =
        begin_change_by(database, ChangeLock::Keys, event.action.into(), &event.actor, event.at).await?;
    let done = change.execute(set_enabled(account, true)).await?;
    commit_account_if(database, done > 0, change, event, Ended::default()).await
}

pub(in crate::store) async fn change_password(
    database: &SqlStore,
    account: &Account,
    password: &PasswordHash,
    event: DirectoryEvent,
) -> DirectoryChange<bool> {
    let statement = match account.kind {
        UserKind::Native => "update native_user set password_hash = ? where username = ?",
        UserKind::Reserved => {
            "insert into reserved_user (password_hash, username, enabled) values (?, ?, true)
             on conflict (username) do update set password_hash = excluded.password_hash"
        }
    };
    let statement = Query::new(statement).bind(password.to_string()).bind(&account.username);
    change_proof(database, statement, account, event).await
}

pub(in crate::store) async fn reset_reserved_user(
    database: &SqlStore,
    account: &Account,
    event: DirectoryEvent,
) -> DirectoryChange<bool> {
    let removed = Query::new("delete from reserved_user where username = ?").bind(&account.username);
    change_proof(database, removed, account, event).await
}

/// Runs a statement that gives an account another password, and ends what the old one gave.
async fn change_proof(
    database: &SqlStore,
    statement: Query,
    account: &Account,
    event: DirectoryEvent,
) -> DirectoryChange<bool> {
    let mut change =
        begin_change_by(database, ChangeLock::Keys, event.action.into(), &event.actor, event.at).await?;
    let done = change.execute(statement).await?;
    let mut ended = Ended::default();
    if done > 0 {
        ended.tokens = end_tokens_of(&mut change, account, AskedFor::ByItsPassword, &event).await?;
    }
    commit_account_if(database, done > 0, change, event, ended).await
}

/// Runs a statement that shuts an account out, and ends what ends with that.
async fn revoke_access_by(
    database: &SqlStore,
    mut change: Transaction,
    statement: Query,
    account: &Account,
    keys: KeysOfUser,
    event: DirectoryEvent,
) -> DirectoryChange<Option<ShutOut>> {
    if change.execute(statement).await? == 0 {
        return Ok((None, None));
    }
    let ended = revoke_access(&mut change, account, keys, &event).await?;
    let (shut_out, done) = commit_account(database, change, event, ended).await?;
    Ok((Some(shut_out), done))
}

async fn commit_account_if(
    database: &SqlStore,
    changed: bool,
    change: Transaction,
    event: DirectoryEvent,
    ended: Ended,
) -> DirectoryChange<bool> {
    if !changed {
        return Ok((false, None));
    }
    let (_, done) = commit_account(database, change, event, ended).await?;
    Ok((true, done))
}

/// Writes the event and makes everything durable.
async fn commit_account(
    database: &SqlStore,
    mut change: Transaction,
    event: DirectoryEvent,
    Ended { tokens, shut_out, keys }: Ended,
) -> DirectoryChange<ShutOut> {
    write_directory_event(&mut change, &event).await?;
    match shut_out.left.cursor {
        Some(_) => database.commit(change).await?,
        None => change.commit().await?,
    }
    let keys = shut_out.left.cursor.zip(keys);
    Ok((shut_out, Some(Recorded { tokens, keys, ..event.into() })))
}

/// What was ended with an account.
#[derive(Default)]
struct Ended {
    tokens: Option<TokenEvent>,
    keys: Option<ChangeEvent>,
    shut_out: ShutOut,
}

async fn revoke_access(
    change: &mut Transaction,
    account: &Account,
    keys: KeysOfUser,
    event: &DirectoryEvent,
) -> Result<Ended, StoreError> {
    let tokens = end_tokens_of(change, account, AskedFor::All, event).await?;
    let mut ended = Ended { tokens, ..Ended::default() };
    match keys {
        KeysOfUser::Keep => ended.shut_out.left.working = working_keys(change, account, event).await?,
        KeysOfUser::End { at_once_max } => end_keys(change, account, at_once_max, event, &mut ended).await?,
    }
    Ok(ended)
}

async fn end_tokens_of(
    change: &mut Transaction,
    account: &Account,
    asked_for: AskedFor,
    event: &DirectoryEvent,
) -> Result<Option<TokenEvent>, StoreError> {
    also_lock(change, ChangeLock::Tokens).await?;
    let (username, realm) = (account.username.clone(), account.realm.clone());
    let tokens = AuditedTokens { username: Some(username.clone()), realm: Some(realm.clone()), count: 0 };
    let (at, actor) = (event.at, event.actor.clone());
    let mut ended = TokenEvent { at, action: TokenAction::InvalidateTokens, actor, tokens };
    let selection = TokenSelection::HeldBy { username, realm, asked_for };
    let done = end_tokens(change, &selection, &mut ended).await?;
    Ok((done.invalidated > 0).then_some(ended))
}

async fn working_keys(
    change: &mut Transaction,
    account: &Account,
    event: &DirectoryEvent,
) -> Result<u64, StoreError> {
    let count = "select count(*) from api_key where owner_username = ? and owner_realm in (?, ?)
                 and invalidation is null and (expiration is null or expiration > ?)";
    let [of_keys, own] = account.realms_of_keys();
    let count = Query::new(count).bind(&account.username).bind(own).bind(of_keys).bind(millis(event.at));
    let count: i64 = change.fetch_one(count).await?.scalar()?;
    u64::try_from(count).map_err(|_| StoreError::Corrupt("number of keys"))
}

/// Whether the account has more keys than these that were not invalidated.
async fn has_more_keys(
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

/// Ends so many keys at most.
async fn end_keys(
    change: &mut Transaction,
    account: &Account,
    keys_max: usize,
    event: &DirectoryEvent,
    ended: &mut Ended,
) -> Result<(), StoreError> {
    let ShutOut { left, is_whole } = &mut ended.shut_out;
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

fn put(
    username: &str,
    profile: &UserProfile,
    password: Option<&PasswordHash>,
    exists: bool,
) -> Result<Query, StoreError> {
    let statement = if exists {
        // Without a new password the old one stays.
        "update native_user set password_hash = coalesce(?, password_hash), roles = ?, full_name = ?,
           email = ?, metadata = ?, enabled = ? where username = ?"
    } else {
        "insert into native_user (password_hash, roles, full_name, email, metadata, enabled, username)
         values (?, ?, ?, ?, ?, ?, ?)"
    };
    Ok(Query::new(statement)
        .bind(password.map(ToString::to_string))
        .bind(json_text(&profile.roles)?)
        .bind(&profile.full_name)
        .bind(&profile.email)
        .bind(json_text(&profile.metadata)?)
        .bind(profile.enabled)
        .bind(username))
}

fn set_enabled(account: &Account, enabled: bool) -> Query {
    let statement = match account.kind {
        UserKind::Native => "update native_user set enabled = ? where username = ?",
        UserKind::Reserved => {
            "insert into reserved_user (enabled, username) values (?, ?)
             on conflict (username) do update set enabled = excluded.enabled"
        }
    };
    Query::new(statement).bind(enabled).bind(&account.username)
}

pub(in crate::store::sql) fn native_user(row: &Row) -> Result<NativeUser, StoreError> {
    Ok(NativeUser {
        username: row.get("username")?,
        password: password_hash(row.get("password_hash")?)?,
        profile: UserProfile {
            roles: row.json("roles")?,
            full_name: row.get("full_name")?,
            email: row.get("email")?,
            metadata: row.json("metadata")?,
            enabled: row.get("enabled")?,
        },
    })
}

pub(in crate::store::sql) fn reserved_user(row: &Row) -> Result<ReservedUser, StoreError> {
    let password = row.get::<Option<&str>>("password_hash")?.map(password_hash).transpose()?;
    Ok(ReservedUser { password, enabled: row.get("enabled")? })
}

fn password_hash(stored: &str) -> Result<PasswordHash, StoreError> {
    PasswordHash::try_from(stored).map_err(|_| StoreError::Corrupt("password hash"))
}
