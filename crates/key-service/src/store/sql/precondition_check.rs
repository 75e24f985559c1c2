//! Checks, inside the transaction of a change, whether the user, key or token that asked for it is still
//! valid.

use latchkey_key_feed::{UnixMillis, is_expired};

use crate::audit::Actor;
use crate::model::password_stamp::PasswordStamp;
use crate::model::precondition::Precondition;
use crate::model::stored_user::UserKind;
use crate::store::sql::directory_rows::suspension::IS_SUSPENDED;
use crate::store::sql::directory_rows::users::{native_user, reserved_user};
use crate::store::sql::query::Query;
use crate::store::sql::transaction::Transaction;
use crate::store::sql::{ChangeLock, SqlStore};
use crate::store::{StoreError, failed_precondition};

/// Begins a change for this actor, if what the actor depends on is still valid. If not, the audit log
/// says who asked for what: `action`.
pub(super) async fn begin_change_by(
    database: &SqlStore,
    lock: ChangeLock,
    action: &'static str,
    actor: &Actor,
    at: UnixMillis,
) -> Result<Transaction, StoreError> {
    let mut change = database.begin_change(lock).await?;
    let required = require(&mut change, std::iter::once((actor, at))).await;
    failed_precondition::tell(&required, action, actor);
    required?;
    Ok(change)
}

/// Checks each precondition of all actors, at the moment of the change of each.
///
/// # Errors
///
/// [`StoreError::PreconditionFailed`] when one of them is no longer let in.
pub(super) async fn require<'a>(
    change: &mut Transaction,
    actors: impl Iterator<Item = (&'a Actor, UnixMillis)>,
) -> Result<(), StoreError> {
    let mut held: Vec<(&Precondition, UnixMillis)> = Vec::new();
    for (actor, at) in actors {
        for precondition in &actor.preconditions {
            if held.contains(&(precondition, at)) {
                continue;
            }
            if !holds(change, precondition, at).await? {
                return Err(StoreError::PreconditionFailed(precondition.clone()));
            }
            held.push((precondition, at));
        }
    }
    Ok(())
}

async fn holds(
    change: &mut Transaction,
    precondition: &Precondition,
    at: UnixMillis,
) -> Result<bool, StoreError> {
    match precondition {
        Precondition::Key { id, presented } => {
            let lives = format!(
                "select salt, digest, previous_digest, previous_until, expiration from api_key
                 where id = ? and invalidation is null and not ({IS_SUSPENDED})"
            );
            let Some(row) = change.fetch_optional(Query::new(lives).bind(id.as_str())).await? else {
                return Ok(false);
            };
            let secrets = row.secrets()?;
            let is_still_its_own = presented.is_none_or(|digest| secrets.of_digest(digest, at).is_some());
            Ok(is_still_its_own && !is_expired(row.moment_if_any("expiration")?, at))
        }
        Precondition::Token(digest) => {
            let lives = "select 1 from token where access_digest = ? and access_invalidation is null";
            Ok(change.fetch_optional(Query::new(lives).bind(digest.as_bytes())).await?.is_some())
        }
        Precondition::User { kind: UserKind::Native, username, stamp } => {
            let row = Query::new("select * from native_user where username = ?").bind(username);
            let Some(row) = change.fetch_optional(row).await? else { return Ok(false) };
            let user = native_user(&row)?;
            let has_stamp = |stamp| user.password.as_ref().map(PasswordStamp::of) == Some(stamp);
            Ok(user.profile.enabled && stamp.is_none_or(has_stamp))
        }
        Precondition::User { kind: UserKind::Reserved, username, stamp } => {
            let row = Query::new("select * from reserved_user where username = ?").bind(username);
            // A built-in user always exists, and has no row while nothing was changed.
            let Some(row) = change.fetch_optional(row).await? else { return Ok(true) };
            let user = reserved_user(&row)?;
            // Without a stored password the user has the one that the service was started with.
            let stored = user.password.as_ref().map(PasswordStamp::of);
            let is_same = stamp.zip(stored).is_none_or(|(stamp, stored)| stamp == stored);
            Ok(user.enabled && is_same)
        }
    }
}
