//! The tables of users, and what ends when a user is shut out.
//!
//! A change of an account holds the lock of keys. To end tokens it also takes the lock of tokens, always in
//! this order. So a token that is being made at the same time is ended, and a later one finds the account
//! changed.

use crate::audit::directory_events::DirectoryEvent;
use crate::audit::token_events::{AuditedTokens, TokenAction, TokenEvent};
use crate::audit::{ChangeAction, ChangeEvent};
use crate::limits::NATIVE_USERS_MAX;
use crate::model::password::PasswordHash;
use crate::model::realm_name::RealmName;
use crate::model::stored_user::{NativeUser, ReservedUser, UserKind, UserProfile};
use crate::store::directory::users::{Account, KeysLeft, KeysOfUser, UserRefusal};
use crate::store::directory::{Recorded, Written};
use crate::store::sql::directory_rows::{DirectoryChange, rows_in, write_directory_event};
use crate::store::sql::precondition_check::begin_change_by;
use crate::store::sql::query::Query;
use crate::store::sql::row::{Row, json_text, millis};
use crate::store::sql::token_rows::end_tokens;
use crate::store::sql::transaction::Transaction;
use crate::store::sql::{ChangeLock, SqlStore, also_lock, key_rows, write_event};
use crate::store::tokens::{AskedFor, TokenSelection};
use crate::store::{KeyFilter, StoreError};

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
) -> DirectoryChange<Result<(Written, KeysLeft), UserRefusal>> {
    let username = &account.username;
    let mut change = begin_change_by(database, ChangeLock::Keys, event.action.into(), &event.actor).await?;
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
    let (left, done) = commit_account(database, change, event, ended).await?;
    Ok((Ok((written, left)), done))
}

pub(in crate::store) async fn delete_user(
    database: &SqlStore,
    account: &Account,
    keys: KeysOfUser,
    event: DirectoryEvent,
) -> DirectoryChange<Option<KeysLeft>> {
    let removed = Query::new("delete from native_user where username = ?").bind(&account.username);
    revoke_access_by(database, removed, account, keys, event).await
}

pub(in crate::store) async fn disable_user(
    database: &SqlStore,
    account: &Account,
    keys: KeysOfUser,
    event: DirectoryEvent,
) -> DirectoryChange<Option<KeysLeft>> {
    revoke_access_by(database, set_enabled(account, false), account, keys, event).await
}

pub(in crate::store) async fn enable_user(
    database: &SqlStore,
    account: &Account,
    event: DirectoryEvent,
) -> DirectoryChange<bool> {
    let mut change = begin_change_by(database, ChangeLock::Keys, event.action.into(), &event.actor).await?;
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
    let mut change = begin_change_by(database, ChangeLock::Keys, event.action.into(), &event.actor).await?;
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
    statement: Query,
    account: &Account,
    keys: KeysOfUser,
    event: DirectoryEvent,
) -> DirectoryChange<Option<KeysLeft>> {
    let mut change = begin_change_by(database, ChangeLock::Keys, event.action.into(), &event.actor).await?;
    if change.execute(statement).await? == 0 {
        return Ok((None, None));
    }
    let ended = revoke_access(&mut change, account, keys, &event).await?;
    let (left, done) = commit_account(database, change, event, ended).await?;
    Ok((Some(left), done))
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
    Ended { tokens, left, keys }: Ended,
) -> DirectoryChange<KeysLeft> {
    write_directory_event(&mut change, &event).await?;
    match left.cursor {
        Some(_) => database.commit(change).await?,
        None => change.commit().await?,
    }
    let keys = left.cursor.zip(keys);
    Ok((left, Some(Recorded { tokens, keys, ..event.into() })))
}

/// What was ended with an account.
#[derive(Default)]
struct Ended {
    tokens: Option<TokenEvent>,
    keys: Option<ChangeEvent>,
    left: KeysLeft,
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
        KeysOfUser::Keep => ended.left.working = working_keys(change, account, event).await?,
        KeysOfUser::End => end_keys(change, account, event, &mut ended).await?,
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

/// The realms under which keys name an account as their owner: its own, and the one of keys that its keys
/// made (`_es_api_key`). The latter do not keep the owner's realm, so those of a user with the same name in
/// another realm count too.
fn realms_of_keys(account: &Account) -> [String; 2] {
    [account.realm.clone(), RealmName::api_key().name]
}

async fn working_keys(
    change: &mut Transaction,
    account: &Account,
    event: &DirectoryEvent,
) -> Result<u64, StoreError> {
    let count = "select count(*) from api_key where owner_username = ? and owner_realm in (?, ?)
                 and invalidation is null and (expiration is null or expiration > ?)";
    let [own, of_keys] = realms_of_keys(account);
    let count = Query::new(count).bind(&account.username).bind(own).bind(of_keys).bind(millis(event.at));
    let count: i64 = change.fetch_one(count).await?.scalar()?;
    u64::try_from(count).map_err(|_| StoreError::Corrupt("number of keys"))
}

async fn end_keys(
    change: &mut Transaction,
    account: &Account,
    event: &DirectoryEvent,
    ended: &mut Ended,
) -> Result<(), StoreError> {
    // The account's own keys come last. Among them may be the key of an edge, whose last page reaches up to
    // the end of this change.
    for realm in realms_of_keys(account).into_iter().rev() {
        let filter = KeyFilter {
            username: Some(account.username.clone()),
            realm: Some(realm),
            ..KeyFilter::default()
        };
        for (cursor, id) in key_rows::end(change, &filter, event.at, None).await? {
            ended.left.cursor = Some(cursor);
            ended.left.ended.push(id);
        }
    }
    if ended.left.cursor.is_some() {
        let keys = ChangeEvent {
            at: event.at,
            action: ChangeAction::InvalidateApiKeys,
            actor: event.actor.clone(),
            key_ids: ended.left.ended.clone(),
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
