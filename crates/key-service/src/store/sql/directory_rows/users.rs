//! The tables of users, and what ends when a user is shut out.
//!
//! Of a user with very many keys, a change ends only a part; [`ShutOut::is_whole`] says so, and the caller goes on. Until then
//! a user who is to be removed is disabled.
//!
//! A change of an account holds the lock of keys. To end tokens it also takes the lock of tokens, always in
//! this order. So a token that is being made at the same time is ended, and a later one finds the account
//! changed.

use crate::audit::ChangeAction;
use crate::audit::directory_events::{DirectoryAction, DirectoryEvent};
use crate::audit::token_events::{AuditedTokens, TokenAction, TokenEvent};
use crate::limits::{KEYS_ENDED_AT_ONCE_MAX, NATIVE_USERS_MAX};
use crate::model::password::PasswordHash;
use crate::model::stored_user::{NativeUser, Proof, ReservedUser, UserKind, UserProfile, WrittenProfile};
use crate::store::StoreError;
use crate::store::directory::users::{Account, KeysOfUser, ShutOut, UserRefusal};
use crate::store::directory::{Recorded, Written};
use crate::store::sql::directory_rows::owned_keys::{
    Ended, end_keys, has_more_keys, tell_of_keys, working_keys,
};
use crate::store::sql::directory_rows::suspension::{resume, suspend};
use crate::store::sql::directory_rows::{DirectoryChange, rows_in, write_directory_event};
use crate::store::sql::precondition_check::begin_change_by;
use crate::store::sql::query::Query;
use crate::store::sql::row::{Row, json_text};
use crate::store::sql::token_rows::end_tokens;
use crate::store::sql::transaction::Transaction;
use crate::store::sql::{ChangeLock, SqlStore, also_lock};
use crate::store::tokens::{AskedFor, TokenSelection};

pub(in crate::store) async fn find_native_user(
    database: &SqlStore,
    username: &str,
) -> Result<Option<NativeUser>, StoreError> {
    let query = Query::new("select * from native_user where username = ?").bind(username);
    database.fetch_optional(query).await?.as_ref().map(native_user).transpose()
}

/// Whether a user who may log in is enabled.
pub(in crate::store) async fn has_enabled_user(database: &SqlStore) -> Result<bool, StoreError> {
    let query =
        Query::new("select username from native_user where enabled and password_hash is not null limit 1");
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
    WrittenProfile { profile, enabled_is_said }: &WrittenProfile,
    proof: &Proof,
    keys: KeysOfUser,
    event: DirectoryEvent,
) -> DirectoryChange<Result<(Written, ShutOut), UserRefusal>> {
    let username = &account.username;
    let mut change =
        begin_change_by(database, ChangeLock::Keys, event.action.into(), &event.actor, event.at).await?;
    let before = "select password_hash is not null, enabled from native_user where username = ?";
    let before = change.fetch_optional(Query::new(before).bind(username)).await?;
    let before = before.map(|row| Ok::<_, StoreError>((row.at(0)?, row.at(1)?))).transpose()?;
    let exists = before.is_some();
    // What is suspended is not resumed by whoever says nothing of it.
    let stays_disabled = !enabled_is_said && before == Some((false, false));
    let profile = &UserProfile { enabled: profile.enabled && !stays_disabled, ..profile.clone() };
    if let Some(refusal) = refusal_of(before.map(|(has_password, _)| has_password), proof) {
        return Ok((Err(refusal), None));
    }
    if !exists && rows_in(&mut change, "native_user").await? >= NATIVE_USERS_MAX {
        return Ok((Err(UserRefusal::Full), None));
    }
    let password = match proof {
        Proof::Password(password) => Some(password.as_ref()),
        Proof::Unchanged | Proof::ServiceAccount => None,
    };
    let is_resumed = profile.enabled && resume(&mut change, account).await?;
    change.execute(put(username, profile, password, exists)?).await?;
    let written = if exists { Written::Updated } else { Written::Created };
    let mut ended = Ended::default();
    // A new account may have the name of somebody who has left keys behind.
    if !profile.enabled && !stays_disabled && (exists || matches!(proof, Proof::ServiceAccount)) {
        ended = revoke_access(&mut change, account, keys, &event).await?;
    } else if password.is_some() {
        ended.tokens = end_tokens_of(&mut change, account, AskedFor::ByItsPassword, &event).await?;
    }
    if is_resumed {
        tell_of_keys(
            &mut change,
            account,
            (ChangeAction::ResumeApiKeys, KEYS_ENDED_AT_ONCE_MAX),
            &event,
            &mut ended,
        )
        .await?;
    }
    let (shut_out, done) = commit_account(database, change, event, ended).await?;
    Ok((Ok((written, shut_out)), done))
}

/// Why a user is not written to whom this is to give access. `has_password` is `None` for a new user.
fn refusal_of(has_password: Option<bool>, proof: &Proof) -> Option<UserRefusal> {
    match (has_password, proof) {
        (None, Proof::Unchanged) => Some(UserRefusal::PasswordRequired),
        (Some(true), Proof::ServiceAccount) => Some(UserRefusal::NoServiceAccount),
        (Some(false), Proof::Password(_)) => Some(UserRefusal::ServiceAccount),
        _ => None,
    }
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
    keys_max: usize,
    event: DirectoryEvent,
) -> DirectoryChange<Option<ShutOut>> {
    let mut change =
        begin_change_by(database, ChangeLock::Keys, event.action.into(), &event.actor, event.at).await?;
    let mut ended = Ended::default();
    let is_resumed = account.kind == UserKind::Native && resume(&mut change, account).await?;
    if change.execute(set_enabled(account, true)).await? == 0 {
        return Ok((None, None));
    }
    if is_resumed {
        let what = (ChangeAction::ResumeApiKeys, keys_max);
        tell_of_keys(&mut change, account, what, &event, &mut ended).await?;
    }
    let (shut_out, done) = commit_account(database, change, event, ended).await?;
    Ok((Some(shut_out), done))
}

pub(in crate::store) async fn change_password(
    database: &SqlStore,
    account: &Account,
    password: &PasswordHash,
    event: DirectoryEvent,
) -> DirectoryChange<bool> {
    let statement = match account.kind {
        UserKind::Native => {
            "update native_user set password_hash = ? where username = ? and password_hash is not null"
        }
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
        KeysOfUser::Suspend { at_once_max } if suspend(change, account).await? => {
            let what = (ChangeAction::SuspendApiKeys, at_once_max);
            tell_of_keys(change, account, what, event, &mut ended).await?;
        }
        KeysOfUser::Suspend { .. } => {
            ended.shut_out.left.working = working_keys(change, account, event).await?
        }
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
        password: row.get::<Option<&str>>("password_hash")?.map(password_hash).transpose()?,
        suspended_realm: row.get("suspended_realm")?,
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
