//! Making, finding and ending tokens.

mod selection;

use latchkey_key_feed::{KeyId, UnixMillis};

use crate::audit::token_events::TokenEvent;
use crate::model::password_stamp::PasswordStamp;
use crate::model::stored_key::KeyOwner;
use crate::model::stored_token::{StoredToken, TokenClient, TokenId, TokenSubject};
use crate::model::token::SuccessorSeed;
use crate::store::StoreError;
use crate::store::sql::precondition_check::begin_change_by;
use crate::store::sql::query::Query;
use crate::store::sql::row::{Row, json_text, millis};
use crate::store::sql::token_rows::selection::selected;
use crate::store::sql::transaction::Transaction;
use crate::store::sql::{ChangeLock, SqlStore};
use crate::store::tokens::{NewToken, TokenInvalidation, TokenSelection};

pub(in crate::store) async fn create_token(
    database: &SqlStore,
    token: &NewToken,
    event: &TokenEvent,
) -> Result<bool, StoreError> {
    let mut change =
        begin_change_by(database, ChangeLock::Tokens, event.action.into(), &event.actor, event.at).await?;
    let family = match token.parent {
        None => None,
        Some(parent) => match family_of_living(&mut change, parent).await? {
            None => return Ok(false),
            family => family,
        },
    };
    insert(&mut change, token, family).await?;
    write_token_event(&mut change, event).await?;
    change.commit().await?;
    Ok(true)
}

/// `column` is one of the two digests; never anything a client sent.
pub(in crate::store) async fn find_token(
    database: &SqlStore,
    column: &'static str,
    digest: &[u8],
) -> Result<Option<StoredToken>, StoreError> {
    let mut query = Query::new("select * from token where ");
    query.push(column).push(" = ").push_bind(digest);
    database.fetch_optional(query).await?.as_ref().map(stored_token).transpose()
}

pub(in crate::store) async fn exchange_token(
    database: &SqlStore,
    old: TokenId,
    seed: &SuccessorSeed,
    token: &NewToken,
    event: &TokenEvent,
) -> Result<bool, StoreError> {
    let mut change =
        begin_change_by(database, ChangeLock::Tokens, event.action.into(), &event.actor, event.at).await?;
    let marked = Query::new(
        "update token set refreshed_at = ?, successor_seed = ?
         where token_id = ? and refreshed_at is null and refresh_invalidation is null
         returning coalesce(family, token_id) as family",
    )
    .bind(millis(token.creation))
    .bind(seed.as_bytes())
    .bind(old.0);
    let Some(row) = change.fetch_optional(marked).await? else { return Ok(false) };
    insert(&mut change, token, Some(row.scalar()?)).await?;
    write_token_event(&mut change, event).await?;
    change.commit().await?;
    Ok(true)
}

/// Fills in whose tokens they were and how many, for the audit log. Writes nothing when none was ended.
pub(in crate::store) async fn invalidate_tokens(
    database: &SqlStore,
    selection: &TokenSelection,
    event: &mut TokenEvent,
) -> Result<TokenInvalidation, StoreError> {
    let mut change = database.begin_change(ChangeLock::Tokens).await?;
    let done = end_tokens(&mut change, selection, event).await?;
    if done.invalidated > 0 {
        change.commit().await?;
    }
    Ok(done)
}

pub(in crate::store) async fn has_had_tokens(database: &SqlStore) -> Result<bool, StoreError> {
    let state = database.fetch_optional(Query::new("select used from token_state")).await?;
    state.as_ref().map_or(Ok(false), Row::scalar)
}

/// Whether it is time to look for dead tokens, which is then noted.
pub(in crate::store) async fn begin_token_removal(
    database: &SqlStore,
    now: UnixMillis,
    latest_before: UnixMillis,
) -> Result<bool, StoreError> {
    let is_due = "select 1 from token_state where latest_removal is null or latest_removal <= ?";
    if database.fetch_optional(Query::new(is_due).bind(millis(latest_before))).await?.is_none() {
        return Ok(false);
    }
    // Checked again in the writing transaction, so that only one of several replicas goes on.
    let noted = Query::new(
        "update token_state set latest_removal = ? where latest_removal is null or latest_removal <= ?",
    )
    .bind(millis(now))
    .bind(millis(latest_before));
    Ok(database.write(noted).await? > 0)
}

pub(in crate::store) async fn remove_tokens_made_by(
    database: &SqlStore,
    moment: UnixMillis,
    rows_max: u32,
) -> Result<u64, StoreError> {
    let removed = Query::new(
        "delete from token where token_id in (select token_id from token where creation <= ? limit ?)",
    )
    .bind(millis(moment))
    .bind(rows_max);
    database.write(removed).await
}

/// Ends the selected tokens as part of a change, and writes the event with whose they were and how many, if
/// there was one to end. The change must hold the lock of tokens.
pub(super) async fn end_tokens(
    change: &mut Transaction,
    selection: &TokenSelection,
    event: &mut TokenEvent,
) -> Result<TokenInvalidation, StoreError> {
    let mut done = TokenInvalidation::default();
    for (column, all) in selected(change, selection, event.at).await? {
        let (dead, alive): (Vec<_>, Vec<_>) = all.into_iter().partition(|token| token.is_invalidated);
        done.previously_invalidated += dead.len() as u64;
        done.invalidated += alive.len() as u64;
        if let (TokenSelection::Access(_) | TokenSelection::Refresh(_), Some(token)) =
            (selection, alive.first())
        {
            event.tokens.username = Some(token.username.clone());
            event.tokens.realm = Some(token.realm.clone());
        }
        let ids: Vec<i64> = alive.iter().map(|token| token.id).collect();
        let mut query = Query::new("update token set ");
        query.push(column).push(" = ").push_bind(millis(event.at));
        query.push(" where token_id ").push_in_integers(&ids)?;
        change.execute(query).await?;
    }
    if done.invalidated > 0 {
        event.tokens.count = done.invalidated;
        write_token_event(change, event).await?;
    }
    Ok(done)
}

/// The family of a pair, unless its access token was invalidated.
async fn family_of_living(
    change: &mut Transaction,
    TokenId(parent): TokenId,
) -> Result<Option<i64>, StoreError> {
    let family = "select coalesce(family, token_id) as family from token
                  where token_id = ? and access_invalidation is null";
    let row = change.fetch_optional(Query::new(family).bind(parent)).await?;
    row.as_ref().map(Row::scalar).transpose()
}

async fn insert(change: &mut Transaction, token: &NewToken, family: Option<i64>) -> Result<(), StoreError> {
    let TokenSubject { user, roles, api_key, stamp } = &token.subject;
    let insert = Query::new(
        "insert into token
           (creation, access_digest, access_expiration, refresh_digest, subject_username, subject_realm,
            subject_realm_type, subject_full_name, subject_email, subject_metadata, subject_roles, subject_api_key,
            client_username, client_realm, client_api_key, family, subject_stamp, runner_stamp)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(millis(token.creation))
    .bind(token.access.as_bytes())
    .bind(millis(token.access_expiration))
    .bind(token.refresh.as_ref().map(|digest| digest.as_bytes()))
    .bind(&user.username)
    .bind(&user.realm)
    .bind(&user.realm_type)
    .bind(&user.full_name)
    .bind(&user.email)
    .bind(json_text(&user.metadata)?)
    .bind(json_text(roles)?)
    .bind(api_key.as_ref().map(KeyId::as_str))
    .bind(&token.client.username)
    .bind(&token.client.realm)
    .bind(token.client.api_key.as_ref().map(KeyId::as_str))
    .bind(family)
    .bind(stamp.as_ref().map(PasswordStamp::as_bytes))
    .bind(token.runner_stamp.as_ref().map(PasswordStamp::as_bytes));
    change.execute(insert).await?;
    change.execute(Query::new("update token_state set used = true where not used")).await.map(|_| ())
}

async fn write_token_event(change: &mut Transaction, event: &TokenEvent) -> Result<(), StoreError> {
    let statement = Query::new(
        "insert into audit_event
           (actor_username, actor_realm, actor_api_key, actor_run_as, source_address, actor_via, at, action, key_ids,
            tokens)
         values (?, ?, ?, ?, ?, ?, ?, ?, '[]', ?)",
    )
    .bind_actor(&event.actor)
    .bind(millis(event.at))
    .bind(<&'static str>::from(event.action))
    .bind(json_text(&event.tokens)?);
    change.execute(statement).await.map(|_| ())
}

fn stored_token(row: &Row) -> Result<StoredToken, StoreError> {
    let time = |column| row.moment_if_any(column);
    let exchanged = time("refreshed_at")?.map(|at| Ok::<_, StoreError>((at, seed(row)?))).transpose()?;
    Ok(StoredToken {
        id: TokenId(row.get("token_id")?),
        creation: row.moment("creation")?,
        access_expiration: row.moment("access_expiration")?,
        access_invalidation: time("access_invalidation")?,
        refresh_invalidation: time("refresh_invalidation")?,
        exchanged,
        subject: TokenSubject {
            user: KeyOwner {
                username: row.get("subject_username")?,
                realm: row.get("subject_realm")?,
                realm_type: row.get("subject_realm_type")?,
                full_name: row.get("subject_full_name")?,
                email: row.get("subject_email")?,
                metadata: row.json("subject_metadata")?,
            },
            roles: row.json("subject_roles")?,
            api_key: api_key(row, "subject_api_key")?,
            stamp: stamp(row, "subject_stamp")?,
        },
        client: TokenClient {
            username: row.get("client_username")?,
            realm: row.get("client_realm")?,
            api_key: api_key(row, "client_api_key")?,
        },
        runner_stamp: stamp(row, "runner_stamp")?,
    })
}

fn seed(row: &Row) -> Result<SuccessorSeed, StoreError> {
    let bytes = row.get::<&[u8]>("successor_seed")?;
    bytes.try_into().map(SuccessorSeed::from_bytes).map_err(|_| StoreError::Corrupt("seed"))
}

fn stamp(row: &Row, column: &'static str) -> Result<Option<PasswordStamp>, StoreError> {
    let bytes = row.get::<Option<&[u8]>>(column)?;
    bytes
        .map(|bytes| bytes.try_into().map(PasswordStamp::from_bytes).map_err(|_| StoreError::Corrupt(column)))
        .transpose()
}

fn api_key(row: &Row, column: &'static str) -> Result<Option<KeyId>, StoreError> {
    let id = row.get::<Option<String>>(column)?;
    id.map(|id| KeyId::try_from(id).map_err(|_| StoreError::Corrupt(column))).transpose()
}

#[cfg(test)]
impl SqlStore {
    /// Rows as old as time itself.
    pub(in crate::store) async fn fill_with_dead_tokens(&self, count: u32) {
        let mut change = self.begin_change(ChangeLock::Tokens).await.unwrap();
        for number in 0..count {
            let digest = [number.to_be_bytes().as_slice(), &[0; 28]].concat();
            let insert = Query::new(
                "insert into token (creation, access_digest, access_expiration, subject_username, subject_realm,
                                    subject_metadata, subject_roles, client_username, client_realm)
                 values (0, ?, 0, 'a', 'r', '{}', '[]', 'a', 'r')",
            );
            change.execute(insert.bind(digest.as_slice())).await.unwrap();
        }
        change.commit().await.unwrap();
    }
}
